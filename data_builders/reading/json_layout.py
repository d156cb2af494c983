# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How the rows of a JSON file are laid out, told from its beginning."""

from __future__ import annotations

import json
from typing import Any

LINE_SUFFIXES = (".jsonl", ".ndjson")
# So many lines are tried on their own.
_TRIED = 50


def json_layout(head: str, suffix: str, whole: bool) -> str | None:
    """Tell the layout of a JSON file.

    Args:
        head: The beginning of its text.
        suffix: Of its name, in lower case: settles what a file of a single value is.
        whole: Whether that is all of it.

    Returns:
        "lines": a value a line; "values": values over several lines, one after the other;
        "array"; "object"; None if it is no JSON.
    """
    text = head.strip(" \t\r\n")
    lines = _first_lines(head, whole)
    parsed = [_parses(line) for line in lines]
    # The first line alone: a broken first row must not hide that the others are rows.
    by_line = bool(parsed) and (parsed[0] or sum(parsed) > len(parsed) / 2)
    if text[:1] not in ("[", "{"):
        return "lines" if by_line else None
    if by_line and (len(lines) > 1 or not whole):
        return "lines"
    # Under such a name only a bracket on a line of its own begins something else.
    if suffix in LINE_SUFFIXES and not (lines and lines[0].strip() in ("[", "{")):
        return "lines"
    if text.startswith("{") and (_another_follows(text) or (whole and _is_one_row(text))):
        return "values"
    return "array" if text.startswith("[") else "object"


def _is_one_row(text: str) -> bool:
    """Say whether an object is a row itself: a text in it, and no value that holds rows."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    members = [m for v in value.values() for m in (v if isinstance(v, list) else [v])]
    holds_rows = any(isinstance(member, (list, dict)) for member in members)
    return any(isinstance(member, str) for member in value.values()) and not holds_rows


def _first_lines(head: str, whole: bool) -> list[str]:
    lines = head.replace("\r", "\n").split("\n", 4 * _TRIED)
    # The last one may be cut off.
    return [line for line in (lines if whole else lines[:-1]) if line.strip()][:_TRIED]


def _parses(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _another_follows(text: str) -> bool:
    value: Any
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and text[end:].lstrip(" \t\r\n").startswith("{")
