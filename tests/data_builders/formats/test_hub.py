# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Datasets of the Hub by their id, against a Hub on the loopback and against local folders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import datasets
import pyarrow as pa
import pytest
from huggingface_hub import constants
from pyarrow import parquet as pq

from data_builders.errors import UserError
from data_builders.formats.hub import HubConfig, HubCorpus
from data_builders.report import BuildReport
from tests.publishing.fake_hub import FakeHub, Repository, in_place_of_the_hub

DATASET = "someone/chats"


def read(**settings: object) -> tuple[list, BuildReport]:
    report = BuildReport()
    return list(HubCorpus.read_sources(HubConfig(**settings), report)), report


def turns_of(dialogues: list) -> list[tuple[str, ...]]:
    return [dialogue.turns for dialogue in dialogues]


def shared_gpt(*pairs: tuple[str, str]) -> pa.Table:
    talks = [[{"from": "human", "value": q}, {"from": "gpt", "value": r}] for q, r in pairs]
    return pa.table({"conversations": talks, "score": list(range(len(talks)))})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "chats" / "data"
    data.mkdir(parents=True)
    pq.write_table(shared_gpt(("你好", "你也好"), ("在吗", "")), data / "train-00000.parquet")
    pq.write_table(shared_gpt(("Are you there?", "Yes.")), data / "test-00000.parquet")
    return tmp_path / "chats"


def test_all_splits_of_a_folder_are_read_and_bad_rows_told(folder: Path) -> None:
    found, report = read(dataset_id=str(folder))
    assert turns_of(found) == [("你好", "你也好"), ("Are you there?", "Yes.")]
    assert found[0].roles == ("user", "assistant")
    assert [(d.file, d.line, d.source) for d in found] == [
        ("chats/train", 1, "chats"),
        ("chats/test", 1, "chats"),
    ]
    assert report.rejected == {"empty text": 1}
    assert "files with unused columns (score)" in report.notes


def test_one_split_can_be_chosen(folder: Path) -> None:
    assert turns_of(read(dataset_id=str(folder), hub_split="test")[0]) == [
        ("Are you there?", "Yes.")
    ]


def test_rows_of_json_lines_need_their_columns_named(tmp_path: Path) -> None:
    lines = [{"said": "几点了？", "heard": "三点。"}, {"said": "Bye", "heard": None}]
    text = "\n".join(json.dumps(line) for line in lines)
    (tmp_path / "train.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"said, heard.*--columns"):
        read(dataset_id=str(tmp_path))
    columns = {"question": "said", "reply": "heard"}
    found, report = read(dataset_id=str(tmp_path), columns=columns)
    assert turns_of(found) == [("几点了？", "三点。")]
    assert report.rejected == {"empty text": 1}


def test_values_of_several_types_in_one_column_come_as_they_are(tmp_path: Path) -> None:
    # `datasets` keeps such a column as JSON; the quotation marks of that are no part of a text.
    parts = [{"type": "text", "text": "Look."}]
    rows = [
        {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": "Yes."}]}
        for q in ("Really?", parts)
    ]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert turns_of(read(dataset_id=str(tmp_path))[0]) == [("Really?", "Yes."), ("Look.", "Yes.")]


@pytest.mark.parametrize(
    ("settings", "step"),
    [
        ({"hub_split": "nope"}, r"\['train', 'test'\].*`hub_split`"),
        ({"subset": "nope"}, r"'nope' not found.*`subset`"),
        ({"columns": {"messages": "turns"}}, r"no column 'turns'.*conversations, score"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(
    folder: Path, settings: dict[str, object], step: str
) -> None:
    with pytest.raises(UserError, match=step):
        read(dataset_id=str(folder), **settings)


def test_the_program_of_a_dataset_is_never_run(tmp_path: Path) -> None:
    folder = tmp_path / "clever"
    folder.mkdir()
    mark = tmp_path / "was-run"
    (folder / "clever.py").write_text(f"open({str(mark)!r}, 'w')")
    with pytest.raises(UserError, match="never run"):
        read(dataset_id=str(folder))
    assert not mark.exists()


@pytest.mark.parametrize("given", ["", "some one", "a/b/c"])
def test_what_is_no_id_is_refused(given: str) -> None:
    with pytest.raises(UserError, match="owner/name"):
        read(dataset_id=given)


def test_offline_the_next_step_is_said() -> None:
    with pytest.raises(UserError, match="cannot be reached.*local folder"):
        HubConfig(dataset_id=DATASET).content_marks()


def test_a_commit_needs_no_network_to_find_its_build() -> None:
    commit = "0123456789" * 4
    assert HubConfig(dataset_id=DATASET, revision=commit).content_marks() == [commit]


def test_the_content_of_a_folder_decides_over_the_cache(folder: Path) -> None:
    config = HubConfig(dataset_id=str(folder))
    assert [path.name for path in config.content_files()] == [
        "test-00000.parquet",
        "train-00000.parquet",
    ]
    assert config.content_marks() == []


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "home" / "datasets")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    with in_place_of_the_hub(monkeypatch) as hub:
        yield hub


def ask(**settings: object) -> dict[str, object]:
    """Return the marks, turns and source of a dataset, or what is said of it."""
    try:
        config = HubConfig(**settings)
        marks = config.content_marks()
        found = list(HubCorpus.read_sources(config, BuildReport()))
    except UserError as error:
        return {"said": str(error)}
    turns = [dialogue.turns for dialogue in found]
    return {"marks": marks, "turns": turns, "source": found[0].source}


def parquet_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def test_the_hub_is_asked_for_the_commit_and_streamed(hub: FakeHub, tmp_path: Path) -> None:
    repository = hub.repositories[f"datasets/{DATASET}"] = Repository()
    old = repository.commit({"data/train-0.parquet": parquet_bytes(shared_gpt(("旧", "的")))})
    new = repository.commit({"data/train-0.parquet": parquet_bytes(shared_gpt(("新", "的")))})
    closed = hub.repositories["datasets/someone/closed"] = Repository()
    closed.commit({"data/train-0.parquet": parquet_bytes(shared_gpt(("不", "行")))})
    hub.gated.add("datasets/someone/closed")

    newest, pinned = ask(dataset_id=DATASET), ask(dataset_id=DATASET, revision=old)
    missing, gated = ask(dataset_id="someone/else"), ask(dataset_id="someone/closed")
    revision = ask(dataset_id=DATASET, revision="v9")
    assert newest == {"marks": [new], "turns": [("新", "的")], "source": DATASET}
    assert pinned == {"marks": [old], "turns": [("旧", "的")], "source": DATASET}
    assert "no dataset someone/else" in missing["said"]
    assert "no revision 'v9'" in revision["said"]
    assert "is gated" in gated["said"] and "hf auth login" in gated["said"]
    assert list((tmp_path / "home").rglob("*.parquet")) == []
