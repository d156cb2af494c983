# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Checks of the values of JSON rows, for everything that may stand where a text should."""

from __future__ import annotations

from itertools import islice
from typing import Any

from data_builders.dialogue import clean_turn
from data_builders.report import BuildReport, RowError

# One list of a file that is one dialogue: beyond this it is none, and would fill the memory.
MAX_MESSAGES = 10_000


def as_list(value: Any) -> list[Any]:
    """Check that something is a list of a bearable length.

    Args:
        value: What stands in the row.

    Returns:
        The same.

    Raises:
        RowError: If it is no list, or longer than `MAX_MESSAGES`.
    """
    if not isinstance(value, list):
        raise RowError("not a list", described(value))
    if len(value) > MAX_MESSAGES:
        raise RowError("too many messages", f"more than {MAX_MESSAGES:,}")
    return value


def text_of(value: Any) -> str:
    """Check one text and strip the blanks around it.

    Args:
        value: What stands in the row.

    Returns:
        The text, not empty.

    Raises:
        RowError: If it is no string, is empty, or cannot be written as UTF-8.
    """
    # Not left to clean_turn: it shows the value, which may be too deep or too large to show.
    if not isinstance(value, str):
        raise RowError("not a string", described(value))
    return clean_turn(value)


def plain_turns(values: Any) -> tuple[str, ...]:
    """Read a list of strings as the turns of a dialogue.

    Args:
        values: What stands in the row.

    Returns:
        At least two turns, none empty.

    Raises:
        RowError: If it is no list, too short or too long, or one of them is no text.
    """
    turns = tuple(text_of(value) for value in as_list(values))
    if len(turns) < 2:
        raise RowError("fewer than two turns", f"{len(turns)}: {''.join(turns)}")
    return turns


def described(value: Any) -> str:
    """Say in a few words what a value is, however large it may be.

    Args:
        value: Anything that JSON can hold.

    Returns:
        Its keys, its length, or the value itself.
    """
    if isinstance(value, dict):
        return f"keys: {', '.join(islice(value, 8)) or 'none'}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return repr(value)


def note_annotation(messages: Any, report: BuildReport) -> None:
    """Count a dialogue whose messages say more than who speaks and what.

    Args:
        messages: The messages of a dialogue that was read.
        report: Gets the count.
    """
    if any(isinstance(message, dict) and len(message) > 2 for message in messages):
        report.note("dialogues whose annotation was left out")
