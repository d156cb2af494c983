# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Text of unknown content made fit for one line of a terminal and for Markdown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import partial

_BIDI = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# References where a backslash is read differently inside and outside a table.
_ESCAPES = str.maketrans(
    {c: f"&#{ord(c)};" for c in "\\|`"}
    | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
    | {c: f"\\{c}" for c in "*_[]~$#"}
)


def one_line(text: str, width: int) -> str:
    """Make any text printable on one line of at most `width` characters.

    Control characters (of terminals and of text direction) are taken out, each run of white space
    is one blank, and what is longer is cut with "…".
    """
    # Cut first: one reply may be as long as a book. Four times leaves room for white space.
    words = " ".join(text[: 4 * width + 4].split())
    clean = "".join(
        c for c in words if unicodedata.category(c) not in ("Cc", "Cs") and c not in _BIDI
    )
    clean = " ".join(clean.split())
    whole = len(clean) <= width and len(text) <= 4 * width + 4
    return clean if whole else clean[: width - 1].rstrip() + "…"


def escape(text: str) -> str:
    """Write one line so that Markdown shows it as it is: no markup, HTML, link or column in it."""
    escaped = text.translate(_ESCAPES).replace("://", "&#58;//")
    return re.sub(r"\b(www)\.", r"\1&#46;", escaped, flags=re.IGNORECASE)


def table(head: Sequence[str], rows: Iterable[Sequence[object]], plain: bool = False) -> str:
    """Write a Markdown table.

    Args:
        head: The names of the columns; those of numbers begin with ">" to stand right.
        rows: The cells; whole numbers get their thousands marked, all else is escaped.
        plain: For a terminal, where people read escapes: only "|" gets one.

    Returns:
        The table without a line end.
    """
    written = partial(re.sub, r"\|", r"\\|") if plain else escape
    names = " | ".join(written(name.lstrip(">")) for name in head)
    rule = "|".join("---:" if name.startswith(">") else "---" for name in head)
    lines = [f"| {names} |", f"|{rule}|"]
    for row in rows:
        cells = [f"{one:,}" if isinstance(one, int) else written(str(one)) for one in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
