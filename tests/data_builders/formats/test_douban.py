# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Readers of labelled dialogues."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from data_builders.formats.separated import FALSE_REPLIES, DoubanCorpus
from data_builders.report import BuildReport
from tests.data_builders.formats.text_formats import (
    arbitrary_lines,
    dialogues,
    guess_of,
    read_text,
    rejected,
)


@given(dialogues, st.lists(st.booleans(), min_size=6, max_size=6))
def test_true_ones_are_read_back_and_false_ones_counted(written, labels):
    labelled = list(zip(written, labels, strict=False))
    text = "\n".join("\t".join([str(int(label)), *turns]) for turns, label in labelled)
    found, report = read_text(DoubanCorpus, text, encoding="utf-8")
    assert [raw.turns for raw in found] == [turns for turns, label in labelled if label]
    assert report.notes.get(FALSE_REPLIES, 0) == sum(not label for _, label in labelled)
    assert not report.rejected


@given(arbitrary_lines)
def test_each_line_is_yielded_or_rejected_or_false(lines):
    found, report = read_text(DoubanCorpus, "\n".join(lines), encoding="utf-8")
    filled = sum(bool(line.strip()) for line in lines)
    false = report.notes.get(FALSE_REPLIES, 0)
    assert filled == len({raw.line for raw in found}) + sum(report.rejected.values()) + false


def test_broken_lines():
    text = "1\t一\t二\n2\ta\tb\n1\talone\n1\t\tx\nlabel\tq\tr\n\n0\n"
    found, report = read_text(DoubanCorpus, text)
    assert [raw.turns for raw in found] == [("一", "二")]
    assert rejected(report) == [
        (2, "unknown label"),
        (3, "fewer than two turns"),
        (4, "empty text"),
        (5, "unknown label"),
    ]
    assert report.notes == {FALSE_REPLIES: 1}


def test_guess():
    assert guess_of(DoubanCorpus, "1\ta\tb\n0\ta\tc\n0\ta\td\n").score > 0.9
    assert guess_of(DoubanCorpus, "1\ta\n0\tb\n1\tc\n") is None
    assert guess_of(DoubanCorpus, "a\tb\tc\nd\te\tf\n") is None


def test_real_file(shared_data: Path):
    path = shared_data / "zh_chitchat" / "format_samples" / "douban.txt"
    report = BuildReport()
    config = DoubanCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    found = list(DoubanCorpus.read_sources(config, report))
    # 2,000 lines in all.
    assert len(found) + report.notes[FALSE_REPLIES] == 2_000 and not report.rejected
    assert len(found) == 253
