# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the reader of LCCC promises: an array of strings is a dialogue, splits are made anew."""

from __future__ import annotations

import json

import pytest

from data_builders.formats.lccc import LcccCorpus
from data_builders.reading import JsonRow
from data_builders.report import BuildReport
from tests.data_builders.formats.json_rows import (
    as_lines,
    beginning,
    sample,
)

ROWS = [["猫 呢 ？", "在 屋顶 。", "又 去 了 ？"], ["Hello!", "Hi."]]
TURNS = [tuple(row) for row in ROWS]


def write_object(rows: list) -> str:
    return json.dumps({"train": rows[:1], "test": rows[1:]})


@pytest.mark.parametrize(
    "write",
    [
        json.dumps,
        lambda rows: json.dumps(rows, indent=1),
        lambda rows: as_lines(*rows),
        write_object,
        lambda rows: json.dumps({str(i): row for i, row in enumerate(rows)}),
    ],
)
def test_each_layout_gives_the_same_dialogues(read, write):
    dialogues, report = read(LcccCorpus, write(ROWS), name="a.json")
    assert [d.turns for d in dialogues] == TURNS
    assert not report.rejected


def test_the_names_of_splits_are_counted_and_other_keys_are_not(read):
    _, report = read(LcccCorpus, json.dumps({"train": ROWS, "valid": ROWS[:1], "x": ROWS[:1]}))
    assert report.notes == {
        "dialogues of the split 'train' of a file, split anew": 2,
        "dialogues of the split 'valid' of a file, split anew": 1,
    }


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (["alone"], "fewer than two turns"),
        ([], "fewer than two turns"),
        (["a", ""], "empty text"),
        (["a", None], "not a string"),
        (["a", ["b"]], "not a string"),
        ({"a": "b"}, "not a list"),
        ("a", "not a list"),
    ],
)
def test_a_row_that_breaks_a_rule_is_rejected_alone(read, row, rule):
    dialogues, report = read(LcccCorpus, json.dumps([ROWS[0], row, ROWS[1]]))
    assert [d.turns for d in dialogues] == TURNS
    assert report.rejected == {rule: 1}


def test_arrays_of_strings_are_recognised():
    assert LcccCorpus.resembles(sample(ROWS)).score == 0.9
    assert LcccCorpus.resembles(sample([["a"], [["b"], [], "c"]])) is None
    assert LcccCorpus.resembles(sample(["a", "b"])) is None
    assert LcccCorpus.resembles(sample([])) is None


def test_lists_under_keys_are_only_perhaps_dialogues():
    rows = [JsonRow(1, "a", "x"), JsonRow(1, "a", "y")]
    assert LcccCorpus.resembles(sample([])._replace(rows=rows)).score == 0.4


@pytest.mark.parametrize(
    ("name", "count"), [("format_samples/LCCC.json", 342), ("cdial_gpt_toy/toy_data.json", 1_400)]
)
def test_the_real_files_are_read_whole(shared_data, name, count):
    path = shared_data / "zh_chitchat" / name
    report = BuildReport()
    config = LcccCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    assert len(list(LcccCorpus.read_sources(config, report))) == count
    assert not report.rejected
    if count == 1_400:
        assert list(report.notes.values()).count(200) == 2 and 1_000 in report.notes.values()
    assert LcccCorpus.resembles(beginning(path)).score >= 0.9
