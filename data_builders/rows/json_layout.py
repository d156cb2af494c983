# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the values of a JSON file are: rows, turns of one dialogue, parts of one row, or columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain, groupby, islice
from typing import Any

from data_builders.reading import JsonRow, Sample
from data_builders.rows.columns import kind_of_objects, kind_of_value, known_columns, known_sides
from data_builders.rows.turns import are_named
from data_builders.rows.values import MAX_MESSAGES
from data_builders.rows.vocabulary import (
    DIALOGUES,
    GROUPS,
    MARKED,
    QUESTIONS,
    REPLIES,
    ROLE_KEYS,
    SPEAKER_KEYS,
    SURE_SPEAKERS,
    TEXT_KEYS,
    fold,
    names_speaker,
    role_of_text,
    snake,
)

# So many rows say what a file is; a whole dialogue may be one.
FIRST_ROWS = 20
# So many members of an object are kept while it is not known whether it is one row; so many cells
# while it is not known whether the other columns are as long.
_MOST_MEMBERS, _MOST_CELLS = 1_000, 1_000_000


def whole_dialogues(
    rows: Iterable[JsonRow], top: bool, columns: Mapping[str, str] = {}
) -> Iterator[JsonRow]:
    """Put together what is one row or one dialogue, and was read piece by piece.

    Gives an object of which a member is a list of turns (which `columns` may name) as one row, a
    list of turns as one dialogue, an object of columns row by row, and all others as they are.
    `top`: the file is an array.
    """
    rows = _members(iter(rows), {columns.get("dialogue"), columns.get("messages")} - {None})
    head = list(islice(rows, FIRST_ROWS))
    named = top and are_named([row.value for row in head], strict=True)
    for (part, key), group in groupby(
        chain(head, rows), key=lambda row: (named or _is_turn(row, top), row.key)
    ):
        if not part:
            yield from group
            continue
        first = next(group)
        values = [row.value for row in islice(group, MAX_MESSAGES)]
        # One text under a key is no list of turns.
        single = isinstance(first.value, str) and not values
        yield first if single else JsonRow(first.line, key, [first.value, *values])


def _members(rows: Iterator[JsonRow], told: Set[str | None]) -> Iterator[JsonRow]:
    """Take the members of an object together where it is one row, or holds columns."""
    waiting: list[JsonRow] = []
    for row in rows:
        waiting.append(row)
        if row.key in told or _tells_of_one_row(waiting):
            yield _object_of(chain(waiting, rows), told)
            return
        most = _MOST_CELLS if column_of(waiting[0].key) else _MOST_MEMBERS
        if row.key is None or _is_row(row.value) or len(waiting) > most:
            break
    else:
        waiting = _table_of(waiting) or waiting
    yield from waiting
    yield from rows


def _tells_of_one_row(members: Sequence[JsonRow]) -> bool:
    """Say whether the last of the members read begins the dialogue of an object that is a row."""
    last = members[-1]
    if last.key is None or fold(last.key) not in DIALOGUES:
        return False
    if isinstance(last.value, str):
        return len(members) > 2 and members[-2].key == last.key != members[0].key
    if isinstance(last.value, list):
        return are_named([last.value] * 2, strict=True)
    # Beside a number or a title they are turns; alone they may be pairs of their own.
    pairs = isinstance(last.value, dict) and kind_of_objects(tuple(last.value)) != "list"
    pairs = pairs and members[0].key != last.key
    return pairs or is_message(last.value, sure=False) or is_tree(last.value)


def _object_of(rows: Iterable[JsonRow], told: Set[str | None]) -> JsonRow:
    line, found = 1, dict[str, Any]()
    for key, members in groupby(rows, key=lambda row: row.key):
        values = []
        for row in islice(members, MAX_MESSAGES + 1):
            values.append(row.value)
            line = row.line if not found else line
        turns = key in told or (fold(key) in DIALOGUES and not is_tree(values[0]))
        listed = len(values) > 1 or (turns and not isinstance(values[0], str))
        found[str(key)] = values if listed else values[0]
    return JsonRow(line, None, found)


def column_of(key: str | None) -> str | None:
    """Give the name of the cells of a column, of "questions" "question"."""
    names = (fold(key or ""), fold(key or "").removesuffix("s"))
    return next((name for name in names if name in (*QUESTIONS, *REPLIES)), None)


def _table_of(members: Sequence[JsonRow]) -> list[JsonRow]:
    """Read {"questions": [...], "answers": [...]} row by row."""
    columns: dict[str, list[JsonRow]] = {}
    for row in members:
        cells = row.value.values() if isinstance(row.value, dict) else [row.value]
        columns.setdefault(str(row.key), []).extend(row._replace(value=v) for v in cells)
    named = {column_of(name) or name: cells for name, cells in columns.items()}
    if len({len(cells) for cells in named.values()}) > 1 or not known_columns(list(named)):
        return []
    return [
        JsonRow(cells[0].line, None, dict(zip(named, (cell.value for cell in cells), strict=True)))
        for cells in zip(*named.values(), strict=True)
    ]


def _is_row(value: Any) -> bool:
    """Say whether a member of an object is a row, and not something that is known of it."""
    if not isinstance(value, dict):
        return isinstance(value, list)
    kinds = tuple(map(kind_of_value, value.values()))
    sides = known_sides(tuple(map(str, value)), kinds)
    return any(side.parts.get("dialogue", "") not in MARKED for side in sides)


def _is_turn(row: JsonRow, top: bool) -> bool:
    if isinstance(row.value, str):
        return row.key is not None and column_of(row.key) is None
    return (top or row.key is not None) and is_message(row.value)


def is_message(value: Any, sure: bool = True) -> bool:
    """Say whether a value is one message and no row that holds a list of them.

    If the list may be one of anything (`sure`), a "user" does not make it one of messages: it may
    also be one of reviews.
    """
    if not isinstance(value, dict) or any(
        fold(key) in (*DIALOGUES, *GROUPS, "parent_id") or snake(key) in GROUPS for key in value
    ):
        return False
    told = any(snake(key).split("_")[0] in SURE_SPEAKERS for key in value)
    if not sure:
        keys = (*ROLE_KEYS, *SPEAKER_KEYS)
        told = told or any(key in keys or names_speaker(key) for key in value)
        if any(map(role_of_text, value)):
            return True
    return told and any(isinstance(value.get(key), (str, list)) for key in TEXT_KEYS)


def row_names(sample: Sample) -> list[str]:
    """Give the names of the fields of JSON rows, those of most rows first."""
    rows = [row.value for row in sample.rows if isinstance(row.value, dict)]
    counts = Counter(str(key) for row in rows for key in row)
    return [name for name, count in counts.most_common() if count * 2 > len(rows)]


def is_tree(value: Any) -> bool:
    """Say whether an object is a tree of messages by their ids."""
    if not isinstance(value, dict) or not value:
        return False
    first = next(iter(value.values()))
    return isinstance(first, dict) and {"parent", "message"} <= first.keys()
