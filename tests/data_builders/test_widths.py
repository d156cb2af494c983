# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Widths in cells, and lines broken where a reader would break them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.widths import display_width, padded, wrapped


@pytest.mark.parametrize(
    ("text", "cells"), [("abc", 3), ("你好", 4), ("，", 2), ("Ａ", 2), ("e\u0301", 1), ("", 0)]
)
def test_width_in_cells(text, cells):
    assert display_width(text) == cells


def test_padded_to_cells():
    assert padded("你好", 6) + "|" == "你好  |" and padded("longer", 3) == "longer"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("一二三四五", 6, ["一二三", "四五"]),
        ("一二三。四五", 6, ["一二", "三。四", "五"]),  # no full stop at the start of a line
        ("一二（三四）", 6, ["一二", "（三", "四）"]),  # and no bracket at the end of one
        ("用 `--help` 看", 9, ["用", "`--help`", "看"]),
        ("a/very/long/path", 6, ["a/very/long/path"]),
        ("", 6, [""]),
    ],
)
def test_lines_break_between_words_and_between_hanzi(text, width, lines):
    assert wrapped(text, width) == lines


@given(st.text("ab 你好，。（）", max_size=40), st.integers(8, 20))
def test_nothing_but_blanks_is_lost_by_breaking(text, width):
    lines = wrapped(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_word_longer_than_a_line_is_broken_where_it_need_not_stay_whole():
    assert wrapped("unbreakable 好", 5, whole=False) == ["unbre", "akabl", "e 好"]


@given(st.text("ab 你好，。（）", max_size=40), st.integers(8, 20))
def test_no_line_is_wider_than_asked(text, width):
    lines = wrapped(text, width, whole=False)
    assert all(display_width(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
