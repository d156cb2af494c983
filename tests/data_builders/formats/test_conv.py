# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Readers of `.conv` files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from data_builders.formats.alternating import ConvCorpus
from data_builders.formats.plain_text import MAX_TURNS
from data_builders.report import BuildReport
from tests.data_builders.formats.text_formats import (
    arbitrary_lines,
    dialogues,
    guess_of,
    read_text,
    rejected,
)


@given(dialogues)
def test_written_and_read_back(expected):
    lines = [line for turns in expected for line in ["E", *(f"M {turn}" for turn in turns)]]
    found, report = read_text(ConvCorpus, "\n".join(lines), encoding="utf-8")
    assert [raw.turns for raw in found] == expected
    assert not report.rejected


@given(arbitrary_lines)
def test_each_line_is_yielded_or_rejected_or_a_beginning(lines):
    found, report = read_text(ConvCorpus, "\n".join(lines), encoding="utf-8")
    begins = sum(line[:1] == "E" and line[1:2] in ("", " ", "\t") for line in lines)
    filled = sum(bool(line.strip()) for line in lines)
    turns = sum(len(raw.turns) for raw in found)
    assert filled == turns + begins + sum(report.rejected.values())


def test_line_is_where_the_dialogue_begins():
    found, _ = read_text(ConvCorpus, "E\nM 你好\nM 你也好\n\nE\nM one\nM two\n")
    assert [(raw.line, raw.turns) for raw in found] == [
        (2, ("你好", "你也好")),
        (6, ("one", "two")),
    ]


def test_mixed_line_ends_and_no_first_marker():
    found, _ = read_text(ConvCorpus, "M one\r\nM two\nE\r\nM three\nM four")
    assert [raw.turns for raw in found] == [("one", "two"), ("three", "four")]


def test_empty_utterance_cuts_the_block():
    found, report = read_text(ConvCorpus, "E\nM a\nM b\nM \nM c\nM d\nM\nM e\n")
    assert [raw.turns for raw in found] == [("a", "b"), ("c", "d")]
    assert rejected(report) == [(4, "empty text"), (7, "empty text"), (8, "fewer than two turns")]


def test_unknown_marker_is_rejected_and_cuts():
    found, report = read_text(ConvCorpus, "E\nM a\nM b\nX c\nM d\nM f\nMore\n")
    assert [raw.turns for raw in found] == [("a", "b"), ("d", "f")]
    assert rejected(report) == [(4, "unknown marker"), (7, "unknown marker")]


def test_line_that_cannot_be_decoded_cuts():
    content = "E\nM 早\nM 早啊\n".encode() + b"M \xff\xfe\xff\n" + "M 晚\nM 安\n".encode()
    found, report = read_text(ConvCorpus, content, encoding="utf-8")
    assert [raw.turns for raw in found] == [("早", "早啊"), ("晚", "安")]
    assert sum(report.rejected.values()) == 1


def test_lone_utterances_and_empty_blocks_are_counted():
    found, report = read_text(ConvCorpus, "E\nE\nM alone\nE 2\nM a\nM b\nE\n")
    assert [raw.turns for raw in found] == [("a", "b")]
    assert rejected(report) == [(3, "fewer than two turns")]
    assert report.notes == {"blocks without an utterance": 2, "texts after E left out": 1}


def test_endless_block_is_cut():
    found, report = read_text(ConvCorpus, "M a\n" * (2 * MAX_TURNS + 2))
    assert [len(raw.turns) for raw in found] == [MAX_TURNS, MAX_TURNS, 2]
    assert sum(report.notes.values()) == 2


def test_guess_needs_both_markers_to_be_sure():
    assert guess_of(ConvCorpus, "E\nM a\nM b\n").score > 0.9
    assert guess_of(ConvCorpus, "M a\nM b\n").score < 0.9
    assert guess_of(ConvCorpus, "Every day\nMany people\n") is None
    assert guess_of(ConvCorpus, "E\nE\n") is None


@pytest.mark.parametrize(
    ("name", "utterances"),
    [
        pytest.param("lost", 61_007, marks=pytest.mark.slow),
        pytest.param("fanzxl", 74_014, marks=pytest.mark.slow),
        pytest.param("laoyj", 43_276, marks=pytest.mark.slow),
        pytest.param("haosys", 41_711, marks=pytest.mark.slow),
        pytest.param("juemds", 27_994, marks=pytest.mark.slow),
        ("prisonb", 19_394),
    ],
)
def test_real_files(shared_data: Path, name: str, utterances: int):
    path = shared_data / "zh_chitchat" / "dgk_lost_conv" / f"{name}.conv.gz"
    report = BuildReport()
    config = ConvCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    turns = sum(len(raw.turns) for raw in ConvCorpus.read_sources(config, report))
    # What is rejected are utterances alone in their block.
    assert list(report.rejected) == ["fewer than two turns"]
    assert turns + report.rejected["fewer than two turns"] == utterances


@pytest.mark.slow
def test_real_blocks(shared_data: Path):
    path = shared_data / "zh_chitchat" / "dgk_lost_conv" / "lost.conv.gz"
    report = BuildReport()
    config = ConvCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    found = sum(1 for _ in ConvCorpus.read_sources(config, report))
    # Each block of this file has an utterance at least.
    assert found + report.rejected["fewer than two turns"] == 13_511
