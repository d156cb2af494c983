# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Columns that line up whatever the script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.output.terminal import columns, fit, shorten
from data_builders.widths import display_width


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("你好吗", 6, "你好吗"),
        ("你好吗", 5, "你好…"),
        ("你好吗", 4, "你…"),  # half of a character cannot be shown
        ("two\nlines\there", 20, "two lines here"),
        ("red\x1b[31m\x07", 20, "red[31m"),  # no escape sequence reaches the terminal
    ],
)
def test_shortened_to_one_line(text, width, expected):
    assert shorten(text, width) == expected


def test_columns_of_a_line_share_it_equally():
    lines = columns([("ab", "cd", "e"), ("你好", "一二三四五六七八", "f")], width=30)
    # three columns of 8 cells and two gaps of 2
    assert lines == ["ab        cd        e", "你好      一二三…   f"]
    assert all(display_width(line) <= 30 for line in lines)


def test_columns_are_as_wide_as_their_widest_cell_and_numbers_stand_right():
    rows = [["你好", "1", "x"], ["a", "22", "x"], ["e\u0301好", "333", "x"]]
    lines = columns(rows, right=(1,))
    assert lines == ["你好    1  x", "a      22  x", "e\u0301好   333  x"]


def test_no_rows_are_no_lines():
    assert columns([]) == []


@given(st.text(max_size=50), st.integers(1, 30))
def test_fitted_text_fits(text, width):
    assert display_width(fit(text, width)) <= width
