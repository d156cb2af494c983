# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Text on a terminal: streams, quiet libraries, and nothing that steers the terminal."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Sequence

from data_builders.widths import display_width, padded, wrapped

# Where the second column would be narrower, its texts stand below those of the first.
_NARROW, _INDENT = 24, "    "

_KEPT = "\n\t\u200c\u200d"
# Control, format, surrogate and private characters, and the separators of lines and paragraphs.
_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")


def quiet_libraries() -> None:
    """Keep the bars and warnings of the libraries off the screen; this loads them."""
    import datasets
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def printable(text: str) -> str:
    """Take out what steers a terminal or turns text around, and what cannot be seen.

    Line ends and tabs stay, and the joiners that emoji and Persian are written with.
    """
    return "".join(c for c in text if c in _KEPT or unicodedata.category(c) not in _UNSEEN)


def one_line(text: str) -> str:
    """Put a reply on one line, for pipes that pair questions and replies by line."""
    return printable(" ".join(text.splitlines()))


def paragraph(text: str) -> str:
    """Break a text into lines of the terminal, never within a word."""
    return "\n".join(wrapped(text, _room()))


def two_columns(rows: Sequence[tuple[str, str]]) -> str:
    """Lay out words with what is said of each, as a help has them, for the terminal's width."""
    first = max(display_width(word) for word, _text in rows) + 2
    is_narrow = _room() - first < _NARROW
    indent = _INDENT if is_narrow else " " * first
    lines = []
    for word, text in rows:
        texts = wrapped(text, _room() - len(indent))
        head = [word.rstrip()] if is_narrow else [padded(word, first) + texts.pop(0)]
        lines += [*head, *(indent + line for line in texts)]
    return "\n".join(lines)


def _room() -> int:
    return shutil.get_terminal_size().columns - 1  # some break a line that is full
