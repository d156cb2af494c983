# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Lines and columns of a terminal, whatever the script: a Chinese character takes two cells."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from data_builders.widths import cells, display_width

GAP = "  "


def fit(text: str, width: int) -> str:
    """Cut a line to at most `width` cells; "…" stands for what is cut off."""
    if display_width(text) <= width:
        return text
    used, kept = 1, ""
    for character in text:
        used += cells(character)
        if used > width:
            break
        kept += character
    return kept.rstrip() + "…"


def shorten(text: str, width: int) -> str:
    """Put any text on one line of at most `width` cells.

    Control characters are taken out: what a model says must not steer the terminal.
    """
    return fit("".join(c for c in " ".join(text.split()) if c.isprintable()), width)


def columns(
    rows: Sequence[Sequence[str]],
    right: Collection[int] = (),
    width: int | None = None,
    indent: str = "",
) -> list[str]:
    """Lay rows out in columns.

    Args:
        rows: Cells, equally many in each row.
        right: Which columns hold numbers, aligned to the right.
        width: Cells of a whole line, shared equally by the columns, whose texts are shortened;
            None makes each column as wide as its widest text.
        indent: What each line begins with, beside `width`.
    """
    if width is None:
        widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    else:
        count = len(rows[0])
        widths = [(width - len(GAP) * (count - 1)) // count] * count
        rows = [[shorten(cell, widths[0]) for cell in row] for row in rows]
    lines = []
    for row in rows:
        filled = []
        for place, (cell, room) in enumerate(zip(row, widths, strict=True)):
            padding = " " * (room - display_width(cell))
            filled.append(padding + cell if place in right else cell + padding)
        lines.append((indent + GAP.join(filled)).rstrip())
    return lines
