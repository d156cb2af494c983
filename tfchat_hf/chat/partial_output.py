# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A file of replies while it is made: what was answered is kept, whatever stops the run.

`OUTPUT.partial` has a batch a line, as they are answered; the rows are put in the input's order
when the last one is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_builders.errors import UserError
from data_builders.translation import _, marked
from data_builders.writing import whole_file, write_json


@dataclass
class QuestionRow:
    """One line of a file of questions.

    Attributes:
        line: Its number in the file, from 1.
        row: What the output keeps of it.
        turns: What the model is to read; empty for a bad row.
        error: What is wrong with a bad row.
    """

    line: int
    row: dict[str, object]
    turns: list[str] = field(default_factory=list)
    error: str = ""


def output_line(row: QuestionRow, answer: Mapping[str, str]) -> bytes:
    """Return the row with its reply and where that is from, or its error, as a line of JSON."""
    merged = {**row.row, **({"error": row.error} if row.error else answer)}
    try:
        return (json.dumps(merged, ensure_ascii=False) + "\n").encode("utf-8")
    except UnicodeEncodeError:  # the row kept holds a lone surrogate
        return (json.dumps(merged) + "\n").encode("utf-8")


class PartialOutput:
    """The output while it is made: nothing that was answered is lost.

    Attributes:
        replies: What is added to the rows that were answered, by row number.

    Args:
        output: The file to be.
        rows: What it will hold.
    """

    def __init__(self, output: Path, rows: Sequence[QuestionRow]) -> None:
        """Name the files."""
        self.output = output
        self.rows = rows
        self.path = output.with_name(output.name + ".partial")
        self.note_path = self.path.with_name(self.path.name + ".settings")
        self.replies: dict[int, dict[str, str]] = {}

    def begin(self, job: Mapping[str, object], overwrite: bool) -> None:
        """Take up what an earlier run of the same job left.

        Args:
            job: Everything that the replies depend on.
            overwrite: Throw away what another job left.

        Raises:
            UserError: The partial file belongs to another input, model or setting.
        """
        self.output.parent.mkdir(parents=True, exist_ok=True)
        changed = self._changed(job) if self.path.exists() else []
        if changed and not overwrite:
            raise UserError(
                "{path} was begun from another {changed}. Repeat that command to finish it, "
                "or add --overwrite to begin anew.",
                path=self.path,
                changed=_(" and ").join(map(_, changed)),
            )
        if self.path.exists() and not changed:
            self._take_up()
            return
        self._remove()
        write_json(self.note_path, job)

    def _changed(self, job: Mapping[str, object]) -> list[str]:
        """Name what is not as it was when the partial file was begun."""
        try:
            before = json.loads(self.note_path.read_text(encoding="utf-8"))
            return [name for name in job if before.get(name) != job[name]]
        except (OSError, ValueError, AttributeError):
            return [marked("input, model or settings")]

    def __enter__(self) -> PartialOutput:
        """Open for writing."""
        self._sink = self.path.open("ab")
        return self

    def __exit__(self, *error: object) -> None:
        """Close; the file stays for the next run."""
        self._sink.close()

    def has(self, row: int) -> bool:
        """Tell whether a row needs no answer any more."""
        return row in self.replies

    def add(self, replies: Mapping[int, dict[str, str]]) -> None:
        """Note the replies of a batch."""
        self._sink.write((json.dumps(replies) + "\n").encode("ascii"))
        self._sink.flush()
        self.replies.update(replies)

    def finish(self) -> None:
        """Write the output; every row has been answered."""
        with whole_file(self.output) as fresh, fresh.open("wb") as sink:
            for number, row in enumerate(self.rows):
                sink.write(output_line(row, self.replies[number]))
        self._remove()

    def _take_up(self) -> None:
        """Read what was answered; what follows the last newline is torn and cut off."""
        lines = self.path.read_bytes().split(b"\n")[:-1]
        os.truncate(self.path, sum(len(line) + 1 for line in lines))
        for line in lines:
            self.replies.update((int(row), reply) for row, reply in json.loads(line).items())

    def _remove(self) -> None:
        for path in (self.path, self.note_path):
            path.unlink(missing_ok=True)
