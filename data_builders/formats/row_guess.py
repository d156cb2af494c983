# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which rows of JSON are dialogues, which only might be, and what is beside them in a file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from data_builders.formats.base import Guess
from data_builders.reading import JsonRow
from data_builders.report import RowError
from data_builders.rows.columns import is_weak
from data_builders.rows.json_layout import column_of, is_tree
from data_builders.rows.reader import JsonReaders, RowReader
from data_builders.rows.values import as_list, shown
from data_builders.rows.vocabulary import ROLES, SPLIT_NAMES, WEAK_QUESTIONS, fold
from data_builders.translation import _

# A row that breaks one of these is still a row of its kind.
_STILL_OURS = ("no reply", "empty text", "tool message", "fewer than two turns", "image")

# No blank, no sentence mark, and in Chinese few characters.
_WORD = re.compile(r"\s*(?:[^\s.,!?。，！？、…\u2e80-\uffef]+|[\u3400-\u9fff]{1,4})\s*")

# Beside a name and a text these make the export of a messenger, which has readers of its own.
_STAMPS = frozenset(
    "date timestamp ts timestamp_ms date_unixtime created_at createtime create_time time".split()
)


def understood(value: Any, readers: JsonReaders) -> tuple[Mapping[str, Any], RowReader]:
    """Give the fields of a row, which may be a list or a tree too, and their reader."""
    if isinstance(value, list) and readers.has_columns:
        value = {str(place): item for place, item in enumerate(as_list(value))}
    elif isinstance(value, list) or is_tree(value):
        value = {"dialogue": value}
    if not isinstance(value, dict):
        raise RowError("not an object", shown(value))
    return value, readers.of(value)


def is_lone(row: JsonRow) -> bool:
    """Say whether a member of an object is a value such as the version of a file."""
    if row.key is None or isinstance(row.value, (list, dict)):
        return False
    return column_of(row.key) is None or fold(row.key) in WEAK_QUESTIONS


def can_be_read(value: Any, readers: JsonReaders) -> bool:
    """Say whether a value is a row of dialogue, or one that only breaks a rule."""
    try:
        fields, reader = understood(value, readers)
        if reader.group is not None:
            return isinstance(reader.turn_of(fields)["text"], str)
        # An intent may have no ways to ask.
        if "patterns" not in reader.parts:
            reader.read(fields)
    except RowError as error:
        return error.rule == "image" or (readers.is_named and error.rule in _STILL_OURS)
    return True


def guess_of(read: Sequence[JsonRow], rows: int, readers: JsonReaders, sure: float) -> Guess:
    """Say how sure so many rows that can be read make it."""
    share = len(read) / rows
    first = read[0]
    try:
        fields, reader = understood(first.value, readers)
    except RowError:
        return Guess(sure * share)
    said = _("lists of turns") if isinstance(first.value, list) else reader.said
    score = sure * share if share > 0.5 else 0.4 + 0.2 * share
    strings = isinstance(first.value, list) and first.key is not None
    strings = strings and isinstance(first.value[0], str) and first.key not in SPLIT_NAMES
    # Lists of strings under a key may be anything: a vocabulary, options of a program.
    alone = strings or is_weak(reader.parts) or share <= 0.5 or _are_words(read)
    return Guess(0.4 * share if strings else score, why=said, alone=alone)


def _are_words(rows: Sequence[JsonRow]) -> bool:
    """Say whether lists of texts are lists of single words: synonyms, names of animals."""
    texts = [text for row in rows if isinstance(row.value, list) for text in row.value]
    if not texts or not all(isinstance(text, str) for text in texts):
        return False
    return sum(_WORD.fullmatch(text) is not None for text in texts) > 0.9 * len(texts)


def is_export(rows: Sequence[JsonRow]) -> bool:
    """Say whether the rows are messages with stamps by people with names."""
    values = [
        row.value.get("messages") if isinstance(row.value, dict) else row.value for row in rows
    ]
    lists = [items for items in values if items and isinstance(items, list)]
    first = next((items[0] for items in lists if isinstance(items[0], dict)), {})
    if not _STAMPS & {fold(key) for key in first}:
        return False
    who = first.get("role") or first.get("from") or first.get("sender_name")
    return not (isinstance(who, str) and fold(who) in ROLES)


def is_column(rows: Sequence[JsonRow]) -> bool:
    """Say whether the rows are the texts of one column."""
    first = rows[0].key
    return bool(column_of(first)) and all(
        row.key == first and isinstance(row.value, str) for row in rows
    )
