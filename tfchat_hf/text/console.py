# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Text on a terminal: streams, quiet libraries, and nothing that steers the terminal."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Sequence

from data_builders.command_line import prepare_streams
from data_builders.widths import display_width, padded, wrapped

__all__ = ["one_line", "prepare_streams", "printable", "quiet_libraries", "two_columns"]

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


def two_columns(rows: Sequence[tuple[str, str]], width: int | None = None) -> str:
    """Lay out words with what is said of each, as a help has them.

    Args:
        rows: Word and text.
        width: Cells of a line; None takes those of the terminal.
    """
    room = (width or shutil.get_terminal_size().columns) - 1  # some break a line that is full
    first = max(display_width(word) for word, _text in rows) + 2
    is_narrow = room - first < _NARROW
    lines = []
    for word, text in rows:
        texts = wrapped(text, room - (len(_INDENT) if is_narrow else first))
        if is_narrow:
            lines += [word.rstrip(), *(_INDENT + line for line in texts)]
        else:
            lines.append(padded(word, first) + texts[0])
            lines += [" " * first + line for line in texts[1:]]
    return "\n".join(lines)
