# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How wide a text is in a terminal, and where it may be broken: Chinese has no blanks."""

from __future__ import annotations

import re
import unicodedata

_HANZI = "\u2e80-\u2fff\u3021-\u9fff\uf900-\ufaff"
_OPENING, _CLOSING = "（《「『【“‘", "，。、；：！？）》」』】”’…"
# What stays on one line: a word or a single Hanzi, with the punctuation that belongs to it.
_PIECE = re.compile(
    rf"[{_OPENING}]*(?:[{_HANZI}]|[^\s{_HANZI}{_OPENING}{_CLOSING}]+)?[{_CLOSING}]*\s*"
)


def display_width(text: str) -> int:
    """Count terminal cells: a Chinese character takes two, an accent put on a letter none."""
    return sum(map(cells, text))


def cells(character: str) -> int:
    """Count the cells of one character."""
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, width: int) -> str:
    """Fill a text up with blanks to so many cells."""
    return text + " " * (width - display_width(text))


def wrapped(text: str, width: int, whole: bool = True) -> list[str]:
    """Break a text into lines of at most so many cells; a longer word is left `whole`, or not."""
    lines = [""]
    for piece in filter(None, _PIECE.findall(text)):
        if not whole and display_width(piece.rstrip()) > width:
            for character in piece:
                if lines[-1] and display_width(lines[-1] + character.rstrip()) > width:
                    lines.append("")
                lines[-1] += character
            continue
        if lines[-1] and display_width(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]
