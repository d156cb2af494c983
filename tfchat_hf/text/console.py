# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Text on a terminal: streams that take it, and nothing in it that steers the terminal."""

from __future__ import annotations

import os
import sys


def printable(text: str) -> str:
    """Take out control characters: what a model says must not steer the terminal."""
    return "".join(c for c in text if c in "\n\t" or not (c < " " or "\x7f" <= c <= "\x9f"))


def one_line(text: str) -> str:
    """Put a reply on one line, for pipes that pair questions and replies by line."""
    return " ".join(printable(text).split("\n"))


def prepare_streams() -> None:
    """Make the terminal speak UTF-8 everywhere, and let invalid input arrive to be reported."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    if sys.stdin is not None and sys.stdin.isatty() and os.name != "nt":
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
