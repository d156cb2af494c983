# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""KdConv: two people talk about a film, a song or a place, with the facts they use.

    [{"name": "The Lake",
      "messages": [{"message": "Do you know the film The Lake?"},
                   {"message": "Yes, it is from 1998.",
                    "attrs": [{"name": "The Lake", "attrname": "year", "attrvalue": "1998"}]}]}]

The speakers take turns and have no roles. The facts under `attrs` are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from data_builders.dialogue import RawDialogue
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.reading import Sample, SourceFile, json_rows
from data_builders.report import BuildReport, RowError
from data_builders.rows.checks import as_list, described, plain_turns


class KdConvCorpus(FileCorpus):
    """Reads the files of KdConv."""

    FORMAT: ClassVar[str] = "kdconv"
    TITLE: ClassVar[str] = 'KdConv: [{"messages": [{"message": ..., "attrs": [...]}], "name": ...}]'

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family."""
        fitting = sum(_fits(row.value) for row in sample.rows)
        if fitting * 2 <= len(sample.rows):
            return None
        return Guess(0.97 * fitting / len(sample.rows), why="messages with the key `message`")

    @classmethod
    def read_file(
        cls, file: SourceFile, config: FilesConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file.

        Yields:
            Dialogues without roles.
        """
        for row in json_rows(file, report, config.encoding):
            try:
                turns = parse_knowledge_dialogue(row.value)
            except RowError as error:
                report.reject(file.name, row.line, error)
                continue
            if any(len(message) > 1 for message in row.value["messages"]):
                report.note("dialogues whose annotation was left out")
            yield RawDialogue(turns, line=row.line)


def parse_knowledge_dialogue(row: Any) -> tuple[str, ...]:
    """Read one dialogue of KdConv.

    Args:
        row: An element of the array.

    Returns:
        At least two turns.

    Raises:
        RowError: If it is not of that kind.
    """
    if not isinstance(row, dict):
        raise RowError("not an object", described(row))
    if "messages" not in row:
        raise RowError("missing field", described(row))
    texts = []
    for message in as_list(row["messages"]):
        if not isinstance(message, dict):
            raise RowError("not an object", described(message))
        if "message" not in message:
            raise RowError("missing field", described(message))
        texts.append(message["message"])
    return plain_turns(texts)


def _fits(row: Any) -> bool:
    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list) or not messages:
        return False
    return all(
        isinstance(message, dict)
        and isinstance(message.get("message"), str)
        # With a role it is one of the `messages` family.
        and not {"role", "from", "speaker"} & message.keys()
        for message in messages
    )
