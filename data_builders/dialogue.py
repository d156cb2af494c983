# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One dialogue between reading and cleaning, and the checks of its turns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from data_builders.report import RowError


class RawDialogue(NamedTuple):
    """One dialogue as it stands in a file, before cleaning.

    Attributes:
        turns: What was said, in order; at least two, none blank.
        roles: One of system, user, assistant per turn; empty when the source does not tell.
        file: The file's name as the user gave it, for messages.
        line: Where in the file it begins, from 1.
        lang: "zh", "en" and so on where the source tells; None lets the text be looked at.
        source: What stands in the dataset's column of that name.
        origin: Which source of a mixture it is from.
        split: "train", "validation" or "test" where the corpus has sides of its own; None leaves
            that to its first question.
    """

    turns: tuple[str, ...]
    roles: tuple[str, ...] = ()
    file: str = ""
    line: int = 0
    lang: str | None = None
    source: str = ""
    origin: int = 0
    split: str | None = None


def as_tuple(value: Any) -> tuple[str, ...]:
    """Make a tuple of strings of one name or path, or of many."""
    # Not isinstance: `datasets` puts a class of its own for `Path` into the modules of builders.
    one = isinstance(value, str) or hasattr(value, "__fspath__")
    return (str(value),) if one else tuple(str(v) for v in value or ())


def trimmed(text: str) -> str:
    """Strip the blanks around a text, but for the indentation that its other lines share.

    " a " gives "a"; of two lines of code with four blanks each both keep theirs.
    """
    bare = text.strip()
    if "\n" not in bare:
        return bare
    begin = text.index(bare)
    line = text.rfind("\n", 0, begin) + 1
    indent = text[line:begin]
    shared = indent.strip(" \t") == "" and (len(indent) > 1 or indent == "\t")
    return indent + bare if shared and "\n" + indent in bare else bare


def clean_turn(value: Any) -> str:
    """Strip the blanks around one turn; it must be a string, not empty, and fit for UTF-8."""
    if not isinstance(value, str):
        # Not repr: a list may be nested deeper than that can go.
        shown = type(value).__name__ if isinstance(value, (list, dict)) else repr(value)
        raise RowError("not a string", shown)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise RowError("not valid Unicode", value) from None
    text = trimmed(value)
    if not text:
        raise RowError("empty text", value)
    return text


def checked_turns(values: Iterable[Any]) -> tuple[str, ...]:
    """Strip the blanks around the turns of one dialogue; there must be two of them, none empty."""
    turns = tuple(clean_turn(value) for value in values)
    if len(turns) < 2:
        raise RowError("fewer than two turns", turns)
    return turns
