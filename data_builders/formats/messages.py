# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Dialogues as lists of messages that name who speaks.

Rows of any of these shapes, or a file (or a key of an object) that is one such list:

    {"messages": [{"role": "user", "content": "Is it open?"}, {"role": "assistant", ...}]}
    {"conversations": [{"from": "human", "value": "Is it open?"}, {"from": "gpt", ...}]}
    {"conversation": [{"human": "Is it open?", "assistant": "Until nine."}, ...]}
    {"dialogue": ["Is it open?", "Until nine."]}
    [{"role": "client", "content": "..."}, {"role": "counselor", "content": "..."}]

Known: OpenAI and ShareGPT exports, BELLE, Firefly, MOSS, SmileChat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Any, ClassVar

from data_builders.dialogue import RawDialogue, clean_turn
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.reading import JsonRow, Sample, SourceFile, json_rows
from data_builders.report import BuildReport, RowError
from data_builders.rows.checks import MAX_MESSAGES, described, note_annotation, plain_turns
from data_builders.rows.role_messages import ROLE_KEYS, TEXT_KEYS, Turns, parse_messages

DIALOGUE_KEYS = (
    "messages",
    "conversations",
    "conversation",
    "dialogue",
    "dialog",
    "items",
    "utterances",
)

# A row that breaks one of these is still a row of this family.
_STILL_OURS = ("no reply", "empty text", "tool message", "fewer than two turns")
_BEFORE_JSON = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"


class MessagesCorpus(FileCorpus):
    """Reads lists of messages, whatever their keys and roles are called."""

    FORMAT: ClassVar[str] = "messages"
    TITLE: ClassVar[str] = 'messages with roles: {"messages": [{"role": "user", "content": ...}]}'

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family."""
        top = sample.layout == "array"
        rows = list(whole_dialogues(sample.rows, is_message, top))
        with_roles = sum(_fits(row.value) for row in rows)
        if with_roles * 2 > len(rows):
            return Guess(0.95 * with_roles / len(rows), why="lists of messages with known roles")
        plain = sum(_is_plain(row.value) for row in rows)
        if plain * 2 > len(rows):
            return Guess(0.5 * plain / len(rows), why="lists of turns without roles")
        return None

    @classmethod
    def read_file(
        cls, file: SourceFile, config: FilesConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file.

        Yields:
            Dialogues with their roles where the messages have any.
        """
        # Looked at before reading: a list of messages is one dialogue, but lines that are
        # one message each do not say where a dialogue ends.
        top = file.head(64).lstrip(_BEFORE_JSON)[:1] == b"["
        rows = json_rows(file, report, config.encoding)
        for row in whole_dialogues(rows, is_message, top):
            try:
                turns, roles = parse_dialogue(row.value)
            except RowError as error:
                report.reject(file.name, row.line, error)
                continue
            note_annotation(_messages_of(row.value), report)
            yield RawDialogue(turns, roles, line=row.line)


def parse_dialogue(row: Any) -> Turns:
    """Read one row: a list of messages, or an object that holds one.

    Args:
        row: The value of the row.

    Returns:
        Turns and roles; no roles if the messages are plain strings.

    Raises:
        RowError: If it is not of that kind.
    """
    messages = _messages_of(row)
    if messages is None:
        if not isinstance(row, dict):
            raise RowError("not an object", described(row))
        raise RowError("missing key", described(row))
    if isinstance(row, dict) and isinstance(messages, list) and _all_strings(messages):
        return plain_turns(messages), ()
    turns, roles = parse_messages(messages)
    # ShareGPT puts the system prompt beside the list.
    system = row.get("system") if isinstance(row, dict) else None
    if isinstance(system, str) and system.strip() and roles[0] != "system":
        return (clean_turn(system), *turns), ("system", *roles)
    return turns, roles


def whole_dialogues(
    rows: Iterable[JsonRow], is_part: Callable[[Any], bool], top: bool
) -> Iterator[JsonRow]:
    """Put dialogues together that are one list in their file, and so were read message by message.

    Args:
        rows: The rows of a file; those of one list have the same key.
        is_part: Whether a value is one message rather than a whole dialogue.
        top: Whether rows without a key are the elements of one list too.

    Yields:
        Other rows as they are, and each list of messages as one row. A longer list than
        `MAX_MESSAGES` is cut just behind that, for `parse_messages` to refuse.
    """
    for (part, key), group in groupby(rows, key=lambda row: (is_part(row.value), row.key)):
        if not part or (key is None and not top):
            yield from group
            continue
        first = next(group)
        values = [row.value for row in islice(group, MAX_MESSAGES)]
        yield JsonRow(first.line, key, [first.value, *values])


def is_message(value: Any) -> bool:
    """Say whether a value is one message and no row that holds a list of them.

    Args:
        value: The value of a row.

    Returns:
        True for an object with a role and a text.
    """
    return (
        isinstance(value, dict)
        and any(key in value for key in ROLE_KEYS)
        and any(isinstance(value.get(key), str) for key in TEXT_KEYS)
        and not any(key in value for key in DIALOGUE_KEYS)
    )


def _messages_of(row: Any) -> Any:
    if isinstance(row, list):
        return row
    if not isinstance(row, dict):
        return None
    return next((row[key] for key in DIALOGUE_KEYS if row.get(key) is not None), None)


def _all_strings(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(value, str) for value in values)


def _is_plain(row: Any) -> bool:
    messages = _messages_of(row) if isinstance(row, dict) else None
    return isinstance(messages, list) and _all_strings(messages)


def _fits(row: Any) -> bool:
    if _is_plain(row) or not _messages_of(row):
        return False
    try:
        parse_dialogue(row)
    except RowError as error:
        return error.rule in _STILL_OURS
    return True
