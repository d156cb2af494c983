# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What stands in one cell of a table: a text, or a list that is a whole dialogue.

A list is of texts, of pairs of texts, or of objects with a text; in a cell of text it is JSON:

    ["Is it open?", "Until nine."]
    [["Is it open?", "Until nine."], ["And Sundays?", "Closed."]]
    [{"speaker": "A", "text": "Is it open?"}, {"speaker": "B", "text": "Until nine."}]
"""

from __future__ import annotations

import json
from typing import Any

from data_builders.dialogue import checked_turns, clean_turn
from data_builders.report import RowError
from data_builders.rows.role_messages import ROLE_KEYS, ROLES, parse_messages

Turns = tuple[tuple[str, ...], tuple[str, ...]]

_TEXT_KEYS = ("text", "utterance", "content", "value", "sentence")
_SPEAKER_KEYS = ("role", "from", "speaker", "sender", "user", "name")
_QUESTION_KEYS = ("question", "prompt", "query", "instruction", "user", "q", "input")
_REPLY_KEYS = ("reply", "response", "answer", "output", "assistant", "bot", "a")


def dialogue_or_messages(items: list[Any]) -> Turns:
    """Read a list that may tell the roles of its speakers, or not.

    Args:
        items: What `list_in` gave.

    Returns:
        Turns and roles; no roles where they cannot be told.

    Raises:
        RowError: If it is no dialogue.
    """
    return parse_messages(items) if any(map(_has_role, items)) else (spoken_turns(items), ())


def _has_role(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    found = [item[key] for key in ROLE_KEYS if key in item]
    named = any(isinstance(role, str) and role.casefold() in ROLES for role in found)
    return named or ("human" in item and "assistant" in item)


def spoken_turns(items: list[Any]) -> tuple[str, ...]:
    """Read the turns of a list, whoever speaks.

    Args:
        items: Texts, pairs of texts, or objects with a text.

    Returns:
        At least two turns; neighbours of one named speaker are one.

    Raises:
        RowError: If an item is none of these, or a text is empty.
    """
    texts: list[Any] = []
    last = None
    for item in items:
        if isinstance(item, dict) and (pair := _pair(item)):
            item = pair
        if isinstance(item, list):
            texts.extend(map(text_in, item))
            last = None
            continue
        speaker = None
        if isinstance(item, dict):
            speaker = next((item[key] for key in _SPEAKER_KEYS if key in item), None)
            item = _text_of(item)
        # Two messages of one speaker in a row are one turn.
        if speaker is not None and speaker == last:
            texts[-1] = f"{texts[-1]}\n{clean_turn(text_in(item))}"
        else:
            texts.append(clean_turn(text_in(item)))
        last = speaker
    return checked_turns(texts)


def _pair(item: dict[str, Any]) -> list[Any] | None:
    if any(key in item for key in _TEXT_KEYS):
        return None
    question = next((key for key in _QUESTION_KEYS if key in item), None)
    reply = next((key for key in _REPLY_KEYS if key in item), None)
    return [item[question], item[reply]] if question and reply else None


def _text_of(item: dict[str, Any]) -> Any:
    for key in _TEXT_KEYS:
        if item.get(key) is not None:
            return item[key]
    raise RowError("missing key", f"keys of a turn: {', '.join(map(str, item)) or 'none'}")


def list_in(value: Any) -> list[Any]:
    """Give the list that a cell holds.

    Args:
        value: A list, a list as JSON, or an object of lists of one length.

    Returns:
        The list; objects in it have no empty fields.

    Raises:
        RowError: If it is empty, or none of these.
    """
    value = _unpacked(value)
    if value is None or value == "":
        raise RowError("empty text", value)
    if isinstance(value, dict):
        value = _stacked(value)
    if not isinstance(value, list):
        raise no_text(value) if isinstance(value, bytes) else RowError("not a list", repr(value))
    # Arrow gives every object all the keys that any object has.
    return [_without_nulls(item) if isinstance(item, dict) else item for item in value]


def _stacked(value: dict[str, Any]) -> Any:
    # A list of objects that was stored column by column.
    columns = list(value.values())
    if all(isinstance(c, list) for c in columns) and len({len(c) for c in columns}) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    return value


def _without_nulls(item: dict[str, Any]) -> dict[str, Any]:
    if None not in item.values():
        return item
    return {key: value for key, value in item.items() if value is not None}


def history_in(value: Any) -> list[Any]:
    """Give the turns that a cell says went before.

    Args:
        value: A list of texts or of pairs of texts, or that as JSON; blank for none.

    Returns:
        The turns, not yet checked.

    Raises:
        RowError: If it is none of these.
    """
    value = _unpacked(value)
    if value is None or value == "":
        return []
    if not isinstance(value, list):
        raise RowError("not a list", repr(value))
    return [text for item in value for text in (item if isinstance(item, list) else [item])]


def _unpacked(value: Any) -> Any:
    # A cell of text holds a list as JSON.
    if not isinstance(value, str) or not (text := value.strip()):
        return value.strip() if isinstance(value, str) else value
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise RowError("bad JSON", text) from None


def text_in(value: Any) -> Any:
    """Give a cell for `clean_turn` to check.

    Args:
        value: The cell.

    Returns:
        The same, and a missing text as an empty one.

    Raises:
        RowError: If it is bytes.
    """
    if value is None:
        return ""
    if isinstance(value, bytes):
        raise no_text(value)
    return value


def no_text(value: Any) -> RowError:
    """Say what is wrong with a cell that should be a text.

    Args:
        value: Anything else.

    Returns:
        The error, to be raised.
    """
    return RowError("not valid UTF-8" if isinstance(value, bytes) else "not a string", value)
