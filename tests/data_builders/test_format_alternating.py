# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Readers of lines that alternate between question and reply."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.formats.alternating import LOOKAHEAD, AlternatingCorpus
from data_builders.report import BuildReport
from tests.data_builders.text_formats import (
    arbitrary_lines,
    guess_of,
    pairs,
    read_text,
    rejected,
)


def turns_of(text, **settings):
    found, report = read_text(AlternatingCorpus, text, **settings)
    return [raw.turns for raw in found], report


@given(pairs)
def test_written_and_read_back(expected):
    text = "\n".join(line for pair in expected for line in pair)
    found, report = turns_of(text, encoding="utf-8")
    assert found == expected
    assert not report.rejected


@given(pairs, st.lists(st.integers(0, 2), min_size=9, max_size=9))
def test_blank_lines_between_pairs_change_nothing(expected, blanks):
    lines = []
    for number, pair in enumerate(expected):
        lines += [""] * blanks[number] + list(pair)
    found, report = turns_of("\n".join(lines), encoding="utf-8")
    assert found == expected
    assert not report.rejected


@given(st.lists(st.booleans(), min_size=2, max_size=20), st.integers(0, 19), st.sampled_from("qr"))
def test_an_empty_half_costs_one_pair_and_nothing_slips(sizes, place, half):
    expected = [(f"question {n}", f"reply {n}") for n in range(len(sizes))]
    lost = expected.pop(place % len(sizes))
    halves = ("", lost[1]) if half == "q" else (lost[0], "")
    lines = [line for pair in expected for line in pair]
    at = 2 * (place % len(sizes))
    # A line end after the last one: an empty last reply is a line of its own.
    text = "".join(f"{line}\n" for line in [*lines[:at], *halves, *lines[at:]])
    found, report = turns_of(text)
    assert found == expected
    assert sum(report.rejected.values()) == 1


@given(arbitrary_lines)
def test_each_line_is_yielded_or_rejected(lines):
    found, report = turns_of("\n".join(lines), encoding="utf-8")
    filled = sum(bool(line.strip()) for line in lines)
    assert filled == 2 * len(found) + sum(report.rejected.values())


@given(st.binary(max_size=200))
def test_bytes_never_crash(content):
    read_text(AlternatingCorpus, content)


def test_odd_last_line_has_no_reply():
    found, report = turns_of("你好\n你好呀\nAnd now?\n")
    assert found == [("你好", "你好呀")]
    assert rejected(report) == [(3, "no reply")]


def test_stray_blank_far_from_any_other_is_an_empty_question():
    pair_lines = "".join(f"q{n}\nr{n}\n" for n in range(LOOKAHEAD))
    found, report = turns_of("q\nr\n\nlost\n" + pair_lines)
    assert found[:2] == [("q", "r"), ("q0", "r0")] and len(found) == LOOKAHEAD + 1
    assert rejected(report) == [(4, "empty text")]


def test_line_that_cannot_be_decoded_keeps_its_place():
    for broken in (b"\xff\xfe\xff\nr1\n", b"q1\n\xff\xfe\xff\n"):
        found, report = turns_of(b"q0\nr0\n" + broken + b"q2\nr2\n", encoding="utf-8")
        assert found == [("q0", "r0"), ("q2", "r2")]
        assert report.rejected["missing line"] == 1 and sum(report.rejected.values()) == 2


def test_guess_is_a_weak_one():
    assert 0.2 < guess_of(AlternatingCorpus, "how are you\nfine\nand you\nfine too\n").score < 0.5
    assert guess_of(AlternatingCorpus, "a\tb\nc\td\n") is None
    assert guess_of(AlternatingCorpus, '{"a": 1}\n{"a": 2}\n') is None
    assert guess_of(AlternatingCorpus, "id,ask,answer\n1,how,so\n2,why,thus\n") is None


@pytest.mark.parametrize(
    ("name", "pairs", "unpaired"),
    [
        ("train.enc", 37_165, 0),
        ("train.dec", 27_652, 0),
        ("test.enc", 13_869, 1),
        ("test.dec", 11_058, 0),
    ],
)
def test_real_files(shared_data: Path, name: str, pairs: int, unpaired: int):
    path = shared_data / "zh_chitchat" / "kenhenry_zh" / name
    report = BuildReport()
    config = AlternatingCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    assert sum(1 for _ in AlternatingCorpus.read_sources(config, report)) == pairs
    assert report.rejected.get("no reply", 0) == unpaired == sum(report.rejected.values())
    assert not report.notes
