# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A run writes its memory, an older one gets it by a command, and it is published when asked."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from data_builders.errors import UserError
from tests.finished_run import METRICS, finished_run, tiny_run
from tests.memory.small_memory import TALKS, small_memory
from tfchat_hf.memory import Memory
from tfchat_hf.memory.__main__ import main
from tfchat_hf.publishing.card import build_model_card
from tfchat_hf.publishing.push import PushOrder, publish
from tfchat_hf.publishing.upload_plan import plan_upload
from tfchat_hf.settings.run_folder import RunFolder

REPOSITORY = "someone/tiny"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory.mktemp("made"))


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    path = shutil.copytree(made, tmp_path / "mine")
    small_memory().save_pretrained(path)
    return path


def names(folder: Path, **options: bool) -> set[str]:
    return {upload.name for upload in plan_upload(folder, REPOSITORY, **options).uploads}


def test_the_memory_stays_unless_it_is_asked_for(folder: Path) -> None:
    plan = plan_upload(folder, REPOSITORY)
    assert not [upload.name for upload in plan.uploads if upload.name.startswith("memory")]
    assert "--push_memory" in plan.stays["memory/"]


def test_asked_for_it_goes_whole_and_nothing_else_of_its_folder(folder: Path) -> None:
    (folder / "memory" / "notes.txt").write_text("mine alone")
    (folder / "memory" / "linked.json").symlink_to(folder / "config.json")
    assert names(folder, with_memory=True) - names(folder) == {
        "memory/config.json",
        "memory/en/index.safetensors",
        "memory/zh/index.safetensors",
        "memory/pairs/data-00000-of-00001.arrow",
        "memory/pairs/dataset_info.json",
        "memory/pairs/state.json",
    }


def test_the_dry_run_says_whether_the_memory_goes(folder: Path) -> None:
    lines: list[str] = []
    publish(folder, PushOrder(REPOSITORY, dry_run=True), lines.append)
    assert [line for line in lines if line.startswith("  memory/ ") and "--push_memory" in line]
    lines.clear()
    publish(folder, PushOrder(REPOSITORY, dry_run=True, push_memory=True), lines.append)
    assert [line for line in lines if "memory/config.json" in line and "the corpus" in line]


def test_a_memory_that_is_not_there_cannot_be_pushed(made: Path) -> None:
    with pytest.raises(UserError, match="python -m tfchat_hf.memory build"):
        plan_upload(made, REPOSITORY, with_memory=True)


def test_an_index_is_no_model(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    order = PushOrder(REPOSITORY, dry_run=True, push_memory=True)
    with pytest.raises(UserError, match="no weights"):
        publish(folder, order, report=list)


def test_a_new_run_begins_without_the_old_memory(folder: Path) -> None:
    RunFolder(folder).clear()
    assert not (folder / "memory").exists()


def test_the_command_writes_the_memory_of_the_data_that_the_run_names(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(made, tmp_path / "run")
    corpus = tmp_path / "pairs.jsonl"
    rows = [{"question": turns[0], "reply": turns[1]} for turns in TALKS]
    corpus.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    settings = run / "run_config.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(
        "\n".join(
            f"dataset: {corpus}" if line.startswith("dataset:") else line
            for line in text.splitlines()
            if not line.startswith("dataset_cache_dir")
        )
        + f"\ndataset_cache_dir: {tmp_path / 'cache'}\n",
        encoding="utf-8",
    )
    assert main(["build", str(run)]) == 0
    assert f"pairs in {run / 'memory'}" in capsys.readouterr().out
    known = Memory.from_pretrained(run).look_up(["你会下棋吗"])[0]
    assert known.similarity == pytest.approx(1.0)
    assert main(["ask", str(run), "你会下棋吗"]) == 0
    screen = capsys.readouterr()
    assert re.search(r"^0\.\d\d  你会下棋吗 -> 会一点，总是输。", screen.out, re.MULTILINE)
    assert screen.err == f"loading {run} ...\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["build", "nowhere"], "nowhere is no folder"),
        (["ask", "{empty}", "你好"], "has no memory"),
        (["build", "{empty}"], "Add --dataset"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([argument.format(empty=tmp_path) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_the_card_tells_of_the_memory_only_where_there_is_one(tmp_path: Path) -> None:
    run = tiny_run(tmp_path)
    assert "Memory.from_pretrained" not in build_model_card(run, METRICS, "你好").content
    noted = {"memory": {"pairs": 1234, "threshold": 0.42, "calibration": None}}
    card = build_model_card(run, METRICS | noted, "你好").content
    assert "1,234 questions" in card and "0.42" in card and "Memory.from_pretrained" in card
