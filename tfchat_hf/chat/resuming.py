# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The output of a file of questions while it is made: nothing that was answered is lost.

Rows are written in the input's order to `OUTPUT.partial`. Batches are not answered in that order,
so replies that wait for an earlier row are noted in `OUTPUT.partial.ahead`, a batch a line.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from ..text.errors import UserError
from .question_rows import BatchRow, output_line


class PartialOutput:
    """Replies on their way into a file.

    Attributes:
        done: Rows written, in order.
        replies: What is added to rows that wait for an earlier one, by row number.

    Args:
        output: The file to be.
        rows: What it will hold.
    """

    def __init__(self, output: Path, rows: Sequence[BatchRow]) -> None:
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
            job: Everything that decides about the replies.
            overwrite: Throw away what another job left.

        Raises:
            UserError: The partial file belongs to another input, model or setting.
        """
        note = json.dumps(job, sort_keys=True, default=str)
        self.output.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            if _text_of(self.note_path) == note:
                self._take_up()
            elif not overwrite:
                raise UserError(
                    f"{self.path} was begun from another input, model or settings. Repeat that "
                    "command to finish it, or add --overwrite to begin anew."
                )
            else:
                self._remove()
        if not self.path.exists():
            self._remove()
            self.note_path.write_text(note, encoding="utf-8")

    def __enter__(self) -> PartialOutput:
        """Open for writing."""
        self._sink = self.path.open("ab")
        self._ahead = self.ahead_path.open("ab")
        self._write_ready()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the files; they stay for the next run."""
        self._sink.close()
        self._ahead.close()

    def has(self, row: int) -> bool:
        """Whether a row needs no answer any more."""
        return row < self.done or row in self.replies

    def add(self, replies: Mapping[int, Mapping[str, str]]) -> None:
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


def _text_of(path: Path) -> str | None:
    """Return a file's text, None where it is missing."""
    return path.read_text(encoding="utf-8") if path.is_file() else None
