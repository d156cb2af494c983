# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A file of replies while it is made: what was answered is kept, whatever stops the run.

Rows are written in the input's order to `OUTPUT.partial`. Batches are not answered in that order,
so replies that wait for an earlier row are noted in `OUTPUT.partial.ahead`, a batch a line.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_builders.errors import UserError
from data_builders.translation import _, marked
from data_builders.writing import write_json


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
        done: Rows written, in order.
        replies: What is added to rows that wait for an earlier one, by row number.

    Args:
        output: The file to be.
        rows: What it will hold.
    """

    def __init__(self, output: Path, rows: Sequence[QuestionRow]) -> None:
        """Name the files; `begin` opens them."""
        self.output = output
        self.rows = rows
        self.path = output.with_name(output.name + ".partial")
        self.ahead_path = self.path.with_name(self.path.name + ".ahead")
        self.note_path = self.path.with_name(self.path.name + ".settings")
        self.done = 0
        self.replies: dict[int, dict[str, str]] = {}

    def begin(self, job: Mapping[str, object], overwrite: bool) -> None:
        """Open the files, and take up what an earlier run of the same job left.

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
        self._ahead = self.ahead_path.open("ab")
        self._write_ready()
        return self

    def __exit__(self, *error: object) -> None:
        """Close the files; they stay for the next run."""
        self._sink.close()
        self._ahead.close()

    def has(self, row: int) -> bool:
        """Tell whether a row needs no answer any more."""
        return row < self.done or row in self.replies

    def add(self, replies: Mapping[int, dict[str, str]]) -> None:
        """Note the replies of a batch, and write the rows whose turn has come."""
        self._ahead.write((json.dumps(replies) + "\n").encode("ascii"))
        self._ahead.flush()
        self.replies.update(replies)
        self._write_ready()

    def finish(self) -> None:
        """Give the file its name."""
        os.replace(self.path, self.output)
        self._remove()

    def _write_ready(self) -> None:
        """Write the rows that wait for nothing; when none waits, nothing needs to be noted."""
        while self.done in self.replies:
            self._sink.write(output_line(self.rows[self.done], self.replies.pop(self.done)))
            self.done += 1
        self._sink.flush()
        if not self.replies:
            self._ahead.truncate(0)

    def _take_up(self) -> None:
        """Read what was done; what follows a file's last newline is torn and cut off."""
        self.done = len(_whole_lines(self.path))
        for line in _whole_lines(self.ahead_path):
            replies = {int(row): reply for row, reply in json.loads(line).items()}
            self.replies.update((row, reply) for row, reply in replies.items() if row >= self.done)

    def _remove(self) -> None:
        for path in (self.path, self.ahead_path, self.note_path):
            path.unlink(missing_ok=True)


def _whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a file that end with a newline; cut off what follows."""
    with contextlib.suppress(FileNotFoundError):
        lines = path.read_bytes().split(b"\n")[:-1]
        os.truncate(path, sum(len(line) + 1 for line in lines))
        return lines
    return []
