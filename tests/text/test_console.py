# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Columns that line up whatever the script, and text that cannot steer the terminal."""

from __future__ import annotations

import pytest

from tfchat_hf.text.console import display_width, one_line, printable, shorten, table_lines


@pytest.mark.parametrize(
    ("text", "cells"), [("abc", 3), ("你好", 4), ("，", 2), ("Ａ", 2), ("e\u0301", 1), ("", 0)]
)
def test_width_in_cells(text, cells):
    assert display_width(text) == cells


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


def test_columns_line_up_in_cells():
    lines = table_lines([("ab", "cd", "e"), ("你好", "一二三四五六七八", "f")], 30)
    # three columns of 8 cells and two gaps of 2
    assert lines == ["ab        cd        e", "你好      一二三…   f"]
    assert all(display_width(line) <= 30 for line in lines)


def test_terminal_output_cannot_steer_the_terminal():
    assert printable("a\x1b[2Jb\x9b\tc\n") == "a[2Jb\tc\n"
    assert one_line("a\nb\r") == "a b"
