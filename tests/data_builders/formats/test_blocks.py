# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Readers of dialogues split by blank lines."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given

from data_builders.formats.alternating import BlockCorpus
from data_builders.report import BuildReport
from tests.data_builders.formats.text_formats import (
    arbitrary_lines,
    guess_of,
    read_text,
    rejected,
)


@given(arbitrary_lines)
def test_each_line_is_yielded_or_rejected(lines):
    found, report = read_text(BlockCorpus, "\n".join(lines), encoding="utf-8")
    filled = sum(bool(line.strip()) for line in lines)
    assert filled == sum(len(raw.turns) for raw in found) + sum(report.rejected.values())


def test_lone_utterance_is_rejected_where_it_stands():
    found, report = read_text(BlockCorpus, "\n你好\n你好呀\n \nalone\n\n\none\ntwo\nthree")
    assert [(raw.line, raw.turns) for raw in found] == [
        (2, ("你好", "你好呀")),
        (8, ("one", "two", "three")),
    ]
    assert rejected(report) == [(5, "fewer than two turns")]


def test_line_that_cannot_be_decoded_cuts():
    content = b"a\nb\n\xff\xfe\xff\nc\nd\n"
    found, _ = read_text(BlockCorpus, content, encoding="utf-8")
    assert [raw.turns for raw in found] == [("a", "b"), ("c", "d")]


def test_guess():
    talk = "Hi there.\nhello\n\nBye now.\nsee you\nsoon\n\nYes?\nNo, thanks.\n\n"
    assert guess_of(BlockCorpus, talk).score > 0.6
    assert guess_of(BlockCorpus, "hi\nhello\nbye\n") is None
    assert guess_of(BlockCorpus, "one line.\n\nanother one.\n\nand one more.\n\n") is None
    assert guess_of(BlockCorpus, talk, name="a.md") is None


def test_real_file(shared_data: Path):
    path = shared_data / "zh_chitchat" / "format_samples" / "xiaohuangjie.txt"
    report = BuildReport()
    config = BlockCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    found = list(BlockCorpus.read_sources(config, report))
    # 1,001 lines, 200 of them blank.
    assert len(found) == 201 and not report.rejected
    assert sum(len(raw.turns) for raw in found) == 801
    assert found[0].source == "xiaohuangjie.txt" and found[0].file == str(path)
