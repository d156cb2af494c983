# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Text that cannot steer the terminal."""

from __future__ import annotations

from tfchat_hf.text.console import one_line, printable


def test_terminal_output_cannot_steer_the_terminal():
    assert printable("a\x1b[2Jb\x9b\tc\n") == "a[2Jb\tc\n"
    assert one_line("a\nb\r") == "a b"
