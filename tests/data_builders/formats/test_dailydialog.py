# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Readers of dialogues with `__eou__`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from data_builders.formats.separated import DailyDialogCorpus
from data_builders.report import BuildReport
from tests.data_builders.formats.text_formats import (
    arbitrary_lines,
    guess_of,
    read_text,
    rejected,
)


@given(arbitrary_lines)
def test_each_line_is_yielded_or_rejected(lines):
    found, report = read_text(DailyDialogCorpus, "\n".join(lines), encoding="utf-8")
    filled = {number for number, line in enumerate(lines, 1) if line.strip()}
    assert {raw.line for raw in found} | {number for number, _ in rejected(report)} == filled
    assert len({raw.line for raw in found}) + sum(report.rejected.values()) == len(filled)


def test_annotations_are_left_out_and_counted():
    found, report = read_text(DailyDialogCorpus, "远吗？__eou__不远。__eou__\t3\t2 1\t0 0\n")
    assert [raw.turns for raw in found] == [("远吗？", "不远。")]
    assert report.notes == {"annotation columns left out": 3}


def test_columns_of_turns_are_one_dialogue():
    found, report = read_text(DailyDialogCorpus, "7\ta __eou__ b __eou__\tc __eou__\n")
    assert [raw.turns for raw in found] == [("a", "b", "c")]
    assert report.notes == {"annotation columns left out": 1}


def test_empty_turn_cuts():
    found, report = read_text(DailyDialogCorpus, "a__eou__b__eou__ __eou__c__eou__d__eou__\n")
    assert [(raw.line, raw.turns) for raw in found] == [(1, ("a", "b")), (1, ("c", "d"))]
    assert report.notes == {"empty turns, where a dialogue was cut": 1}


def test_lone_or_empty_turns_are_rejected():
    found, report = read_text(DailyDialogCorpus, "a__eou__\n__eou__\nno mark\na__eou____eou__b\n")
    assert not found
    assert rejected(report) == [
        (1, "fewer than two turns"),
        (2, "empty text"),
        (3, "fewer than two turns"),
        (4, "empty text"),
    ]


def test_guess():
    assert guess_of(DailyDialogCorpus, "a __eou__ b __eou__\n" * 3).score > 0.9
    assert guess_of(DailyDialogCorpus, "a\nb\n") is None
    assert guess_of(DailyDialogCorpus, '{"text": "a __eou__ b"}\n' * 3) is None


@pytest.mark.parametrize(
    ("name", "dialogues", "columns"),
    [
        ("en_dialogue/dailydialog_validation.txt", 1_000, 0),
        ("zh_multiturn/xdailydialog_zh_dev_human.txt", 995, 3 * 995),
    ],
)
def test_real_files(shared_data: Path, name: str, dialogues: int, columns: int):
    report = BuildReport()
    config = DailyDialogCorpus.BUILDER_CONFIG_CLASS(files=(str(shared_data / name),))
    found = list(DailyDialogCorpus.read_sources(config, report))
    assert len(found) == dialogues and not report.rejected
    assert report.notes.get("annotation columns left out", 0) == columns
    assert not any("__eou__" in turn or "\t" in turn for raw in found for turn in raw.turns)
