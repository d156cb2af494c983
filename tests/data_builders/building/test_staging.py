# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Staging: a verdict for each file, and builds that were cut off go on where they stopped."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import data_builders.building.staging as staging
from data_builders.building.staging import PROBE_DIALOGUES, clean_batch, stage, with_segmentation
from data_builders.dialogue import RawDialogue
from data_builders.report import BuildReport, SourceCount
from data_builders.selecting.shards import open_shard
from tests.data_builders.memory_corpus import MemoryConfig, build, empty_folder, raw

RESUMED = "parts taken over from a build that was cut off"
# Chinese cut by blanks, whole Chinese, and none at all.
KINDS = {
    "cut": ("今 天 天 气 怎 么 样", "很 好 ，谢 谢"),
    "whole": ("今天天气怎么样", "很好，谢谢"),
    "english": ("how is the weather today", "it is fine, thanks"),
}
AROUND = [0, 1, 2, PROBE_DIALOGUES - 1, PROBE_DIALOGUES, PROBE_DIALOGUES + 1, 2 * PROBE_DIALOGUES]


def file_of(name: str, kind: str, size: int) -> list[RawDialogue]:
    return [raw(*KINDS[kind], file=name, line=line) for line in range(1, size + 1)]


# --- verdicts -------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from(AROUND)), max_size=5),
    st.booleans(),
)
@example([("cut", PROBE_DIALOGUES), ("whole", 1), ("cut", 1)], False)
@example([("whole", PROBE_DIALOGUES + 1), ("cut", PROBE_DIALOGUES + 1)], True)
def test_each_file_has_its_own_verdict_and_no_dialogue_is_lost(files, lazy):
    dialogues, expected = [], []
    for number, (kind, size) in enumerate(files):
        dialogues += file_of(f"{number}.txt", kind, size)
        expected += [kind == "cut"] * size
    found = list(with_segmentation(iter(dialogues) if lazy else dialogues))
    assert [dialogue for dialogue, _ in found] == dialogues
    assert [verdict for _, verdict in found] == expected


def test_the_verdict_is_on_the_beginning_of_a_file():
    some = file_of("a", "cut", PROBE_DIALOGUES) + file_of("a", "whole", 5 * PROBE_DIALOGUES)
    assert {verdict for _, verdict in with_segmentation(some)} == {True}
    assert {verdict for _, verdict in with_segmentation(some[::-1])} == {False}


def test_no_more_of_a_file_is_held_than_the_verdict_needs():
    taken = []

    def dialogues():
        for dialogue in file_of("a", "whole", 3 * PROBE_DIALOGUES):
            taken.append(dialogue)
            yield dialogue

    for done, _ in enumerate(with_segmentation(dialogues()), start=1):
        assert len(taken) <= max(PROBE_DIALOGUES, done)
    assert len(taken) == 3 * PROBE_DIALOGUES


def test_files_read_one_after_the_other_are_joined_each_by_its_own_verdict():
    built = build(file_of("a", "cut", 3) + file_of("b", "english", 2), validation_fraction=0.0)
    assert [row["turns"] for row in built.rows["train"]] == [
        list(KINDS["whole"]),
        list(KINDS["english"]),
    ]
    assert built.report.changed["join_segmented"] == 6


# --- shards ---------------------------------------------------------------------------------


def corpus(count: int) -> list[RawDialogue]:
    """Make dialogues, every tenth of which cleaning drops, and every ninth of which it changes."""
    return [
        raw(f"question  {n}" if n % 9 == 0 else f"question {n}", "\ufffd" if n % 10 == 0 else "yes")
        for n in range(count)
    ]


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 6), st.integers(10, 120))
def test_shards_hold_the_corpus_in_order_within_their_bounds(lengths, most, characters):
    dialogues = [raw("x" * length, f"{n}") for n, length in enumerate(lengths)]
    config = MemoryConfig()
    report = BuildReport(origins=[SourceCount("a", "pairs")])
    with empty_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging, "SHARD_DIALOGUES", most)
        patch.setattr(staging, "SHARD_CHARACTERS", characters)
        paths = stage(lambda progress: iter(dialogues), folder, config, report, 1)
        parts = [open_shard(str(path))["turns"].to_pylist() for path in paths]
    assert [tuple(turns) for part in parts for turns in part] == [d.turns for d in dialogues]
    for part in parts:
        assert 1 <= len(part) <= most
        # The one that fills it may go over.
        assert sum(len(turn) for turns in part[:-1] for turn in turns) < characters
    for part in parts[:-1]:
        assert len(part) == most or sum(len(t) for turns in part for t in turns) >= characters
    assert report.origins[0].read == len(dialogues)


@pytest.fixture()
def small_shards(monkeypatch):
    monkeypatch.setattr(staging, "SHARD_DIALOGUES", 20)


def counts(built: Any) -> dict[str, Any]:
    found = built.report.to_dict()
    found["notes"] = {key: value for key, value in found["notes"].items() if key != RESUMED}
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished staging of five shards, to be copied, and what was built from it."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging, "SHARD_DIALOGUES", 20)
        built = build(corpus(100), folder)
    assert built.report.dropped["damaged characters"] == 10
    assert len(built.report.rejects) == 10 and RESUMED not in built.report.notes
    open_shard.cache_clear()
    return folder, built


@pytest.fixture()
def first(finished, small_shards, tmp_path):
    """What was built from the staging that now lies here too."""
    folder, built = finished
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return built


def remove(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink()


@pytest.mark.parametrize(
    "missing, resumed, workers",
    [
        ([], 5, 1),
        ([], 5, 2),
        (["00003.arrow", "00003.json", "00004.arrow", "00004.json"], 3, 1),
        # Not the last ones: workers do not finish in order.
        (["00001.arrow", "00001.json"], 4, 1),
        (["00001.arrow", "00001.json"], 4, 2),
        # Killed between a shard and its counts.
        (["00002.json"], 4, 1),
        (["00002.arrow"], 4, 1),
    ],
)
def test_a_build_that_was_cut_off_goes_on(first, tmp_path, missing, resumed, workers):
    remove(tmp_path, *missing)
    again = build(corpus(100), tmp_path, workers=workers)
    assert again.rows == first.rows
    assert counts(again) == counts(first)
    assert again.report.rejects == first.report.rejects
    assert again.report.notes[RESUMED] == resumed


def test_finished_shards_are_not_cleaned_again(first, tmp_path, monkeypatch):
    remove(tmp_path, "00003.arrow", "00003.json")
    cleaned = Counter()
    write = staging.write_shard

    def counted(path: Path, *args: object) -> None:
        cleaned[path.name] += 1
        write(path, *args)

    monkeypatch.setattr(staging, "write_shard", counted)
    build(corpus(100), tmp_path)
    assert cleaned == {"00003.arrow": 1}


def test_half_written_files_are_no_shards(first, tmp_path):
    remove(tmp_path, "00002.arrow", "00002.json")
    (tmp_path / f".00002.arrow.{os.getpid()}").write_bytes(b"ARROW1 and then the light went out")
    (tmp_path / ".00002.json.99999").write_bytes(b'{"path": ')
    again = build(corpus(100), tmp_path)
    assert again.rows == first.rows and again.report.notes[RESUMED] == 4


def test_shards_of_something_else_are_made_again(first, tmp_path):
    # The file had been cut short when it was read for the first time.
    more = corpus(45) + [raw("and now", "for something else")] + corpus(100)[45:]
    expected = build(more)
    again = build(more, tmp_path)
    assert again.rows == expected.rows and again.report.notes[RESUMED] == 2
    assert counts(again) == counts(expected)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"path": "a"}', '{"other": 1}'])
def test_counts_that_cannot_be_read_do_not_count(first, tmp_path, content):
    (tmp_path / "00001.json").write_text(content, encoding="utf-8")
    again = build(corpus(100), tmp_path)
    assert again.rows == first.rows and again.report.notes[RESUMED] == 4


def test_a_staging_folder_that_was_moved_goes_on(first, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for path in [*tmp_path.glob("0*.arrow"), *tmp_path.glob("0*.json")]:
        shutil.move(path, folder)
    again = build(corpus(100), folder)
    assert again.rows == first.rows and again.report.notes[RESUMED] == 5


def test_counts_say_what_became_of_a_batch(first, tmp_path):
    found = json.loads((tmp_path / "00000.json").read_text(encoding="utf-8"))
    assert found["read"] == {"0": 20}
    # Double blanks at 0, 9 and 18; the first of these is dropped for its reply.
    assert found["changed"]["normal_forms"] == 3
    assert [(rule, text) for _, _, rule, text in found["dropped"]] == [
        ("damaged characters", "\ufffd")
    ] * 2


def test_a_batch_of_which_nothing_is_left_is_a_shard_all_the_same(small_shards):
    some = [raw(f"question {n}", "\ufffd" if 20 <= n < 40 else "yes") for n in range(60)]
    built = build(some, validation_fraction=0.0, test_fraction=0.0)
    assert [row["turns"][0] for row in built.rows["train"]] == [
        f"question {n}" for n in range(60) if not 20 <= n < 40
    ]
    assert built.report.rows_read == 60


def test_settings_of_one_batch_do_not_stay_for_the_next(tmp_path):
    def cleaned(name: str, settings: dict[str, Any]) -> list[list[str]]:
        config = MemoryConfig(cleaning=settings)
        path = tmp_path / f"{name}.arrow"
        dialogues = [raw("see www.example.org now", "yes")]
        clean_batch(staging.Batch(str(path), dialogues, [False], config.cleaning))
        return open_shard(str(path))["turns"].to_pylist()

    assert cleaned("a", {}) == [["see www.example.org now", "yes"]]
    assert cleaned("b", {"urls": True}) == [["see now", "yes"]]
    assert cleaned("c", {}) == [["see www.example.org now", "yes"]]
    open_shard.cache_clear()
