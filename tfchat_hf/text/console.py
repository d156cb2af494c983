# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Text on a terminal: streams, columns of any script, and nothing that steers the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from data_builders.command_line import prepare_streams

__all__ = [
    "GAP",
    "display_width",
    "one_line",
    "prepare_streams",
    "printable",
    "quiet_libraries",
    "shorten",
    "table_lines",
]

GAP = "  "


def quiet_libraries() -> None:
    """Keep the bars and warnings of the libraries off the screen; this loads them."""
    import datasets
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def printable(text: str) -> str:
    """Take out control characters: what a model says must not steer the terminal."""
    return "".join(c for c in text if c in "\n\t" or not (c < " " or "\x7f" <= c <= "\x9f"))


def one_line(text: str) -> str:
    """Put a reply on one line, for pipes that pair questions and replies by line."""
    return " ".join(printable(text).split("\n"))


def display_width(text: str) -> int:
    """Count terminal cells: a Chinese character takes two, an accent put on a letter none."""
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    """Count the cells of one character."""
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(text: str, width: int) -> str:
    """Put a text on one line of at most `width` cells; "…" stands for what is cut off.

    Control characters are taken out: what a model says must not steer the terminal.
    """
    line = "".join(c for c in " ".join(text.split()) if c.isprintable())
    if display_width(line) <= width:
        return line
    kept = ""
    left = width - 1
    for character in line:
        left -= _cells(character)
        if left < 0:
            break
        kept += character
    return kept.rstrip() + "…"


def table_lines(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lay rows out in columns of equal width.

    Args:
        rows: cells, equally many in each row.
        width: terminal cells of a whole line.
    """
    lines = []
    for row in rows:
        room = (width - len(GAP) * (len(row) - 1)) // len(row)
        cells = [shorten(cell, room) for cell in row]
        padded = [cell + " " * (room - display_width(cell)) for cell in cells]
        lines.append(GAP.join(padded).rstrip())
    return lines
