# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""CrossWOZ: task dialogues between a user and a system, under their number.

    {"11290": {"messages": [{"role": "usr", "content": "Find me a tea house.",
                             "dialog_act": [...], "user_state": [...]},
                            {"role": "sys", "content": "There is one by the lake.", ...}],
               "goal": [...], "type": "..."}}

Nearly all of a file is annotation of goals and states; only what was said is read. Also read:
an array, or lines, of the inner objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from data_builders.dialogue import RawDialogue
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.reading import Sample, SourceFile, json_rows
from data_builders.report import BuildReport, RowError
from data_builders.rows.checks import described, note_annotation
from data_builders.rows.role_messages import Turns, parse_messages

# Here `sys` is the one who answers, not a system prompt.
ROLES = {"usr": "user", "user": "user", "sys": "assistant", "system": "assistant"}


class CrossWozCorpus(FileCorpus):
    """Reads the files of CrossWOZ and of corpora that took over its layout."""

    FORMAT: ClassVar[str] = "crosswoz"
    TITLE: ClassVar[str] = (
        'CrossWOZ: {id: {"messages": [{"role": "usr" or "sys", "content": ...}]}}'
    )

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family."""
        fitting = sum(_fits(row.value) for row in sample.rows)
        if fitting * 2 <= len(sample.rows):
            return None
        return Guess(0.97 * fitting / len(sample.rows), why="messages of the roles usr and sys")

    @classmethod
    def read_file(
        cls, file: SourceFile, config: FilesConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file.

        Yields:
            Dialogues with the roles user and assistant.
        """
        for row in json_rows(file, report, config.encoding):
            try:
                turns, roles = parse_task_dialogue(row.value)
            except RowError as error:
                report.reject(file.name, row.line, error)
                continue
            note_annotation(row.value["messages"], report)
            yield RawDialogue(turns, roles, line=row.line)


def parse_task_dialogue(row: Any) -> Turns:
    """Read one dialogue of CrossWOZ.

    Args:
        row: The object under its number.

    Returns:
        Turns and roles of equal length.

    Raises:
        RowError: If it is not of that kind.
    """
    if not isinstance(row, dict):
        raise RowError("not an object", described(row))
    if "messages" not in row:
        raise RowError("missing field", described(row))
    return parse_messages(row["messages"], ROLES)


def _fits(row: Any) -> bool:
    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list) or not messages:
        return False
    roles = [message.get("role") for message in messages if isinstance(message, dict)]
    return len(roles) == len(messages) and "sys" in roles and all(role in ROLES for role in roles)
