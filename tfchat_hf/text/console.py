# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Text on a terminal: streams that take it, and nothing in it that steers the terminal."""

from __future__ import annotations

from data_builders.command_line import prepare_streams

__all__ = ["one_line", "prepare_streams", "printable"]


def printable(text: str) -> str:
    """Take out control characters: what a model says must not steer the terminal."""
    return "".join(c for c in text if c in "\n\t" or not (c < " " or "\x7f" <= c <= "\x9f"))


def one_line(text: str) -> str:
    """Put a reply on one line, for pipes that pair questions and replies by line."""
    return " ".join(printable(text).split("\n"))
