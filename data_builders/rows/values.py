# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What single values of a row or a turn are: lists, texts, parts, numbers."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice
from typing import Any

from data_builders.placeholders import is_placeholder
from data_builders.report import RowError
from data_builders.rows import vocabulary as known
from data_builders.rows.vocabulary import fold

# One list of a file that is one dialogue: beyond this it is none, and would fill the memory.
MAX_MESSAGES = 10_000

# Stands for what a tool did before the answer that is shown.
TOOL_STEP = object()


def as_list(value: Any) -> list[Any]:
    """Check that something is a list of a bearable length."""
    if not isinstance(value, list):
        raise no_text(value) if isinstance(value, bytes) else RowError("not a list", shown(value))
    if len(value) > MAX_MESSAGES:
        raise RowError("too many messages", f"more than {MAX_MESSAGES:,}")
    return value


def shown(value: Any) -> str:
    """Say in a few words what a value is, however large it may be."""
    if isinstance(value, dict):
        return f"keys: {', '.join(map(str, islice(value, 8))) or 'none'}"
    return f"a list of {len(value)}" if isinstance(value, list) else repr(value)


def is_filled(value: Any) -> bool:
    """Say whether a field that names something has anything in it."""
    if isinstance(value, (list, tuple)):
        return any(map(is_filled, value))
    if isinstance(value, dict):
        return any(map(is_filled, value.values()))
    return not is_placeholder(value) if isinstance(value, str) else bool(value)


def no_text(value: Any) -> RowError:
    """Give the error for a value that should be a text."""
    if isinstance(value, bytes):
        return RowError("not valid UTF-8", value)
    return RowError("not a string", shown(value))


def number_as_text(value: Any) -> Any:
    """Write a number as text, of 3.0 (a column with gaps) "3"; give anything else as it is."""
    if not isinstance(value, (int, float, Decimal)) or isinstance(value, bool):
        return value
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def text_in(content: Any) -> str:
    """Give the text of a turn that may consist of parts."""
    content = content if isinstance(content, str) else number_as_text(content)
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [text for part in as_list(content) if (text := _text_of_part(part)) is not None]
        return "\n".join(parts)
    if isinstance(content, dict):
        return _text_of_part(content) or ""
    raise no_text(content)


def _text_of_part(part: Any) -> str | None:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise no_text(part)
    kind = fold(part.get("type") or part.get("content_type") or "")
    if kind in known.IMAGE_PARTS or any(fold(key) in known.IMAGE_PARTS for key in part):
        raise RowError("image", shown(part))
    if kind in known.TOOL_PARTS or any(key in part for key in known.TOOL_KEYS):
        raise RowError("tool message", shown(part))
    if kind in known.THOUGHT_PARTS or part.get("thought") is True:
        return None
    for key in ("text", "value", "content", "parts"):
        if isinstance(part.get(key), str):
            return part[key]
        if key == "parts" and isinstance(part.get(key), list):
            return text_in(part[key])
    raise no_text(part)
