# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Text that cannot steer the terminal."""

from __future__ import annotations

from tfchat_hf.text.console import one_line, printable


def test_terminal_output_cannot_steer_the_terminal():
    assert printable("a\x1b[2Jb\x9b\tc\n") == "a[2Jb\tc\n"
    assert one_line("a\nb\r") == "a b"


def test_nothing_turns_text_around_or_hides_in_it_and_emoji_stay():
    steering = "\u202e\u2066\u200e\u061c\u200b\ue000\U000e0041\ufeff\ud800"
    assert printable(f"a{steering}b") == "ab"
    assert printable("👩\u200d💻❤\ufe0f 你好") == "👩\u200d💻❤\ufe0f 你好"
    assert one_line("a\u2028b\x0bc\r\nd") == "a b c d"
