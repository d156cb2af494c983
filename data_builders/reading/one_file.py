# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One file while it is read: its text, and the report on it."""

from __future__ import annotations

from collections.abc import Iterator

from data_builders.reading.files import SourceFile
from data_builders.reading.json_rows import JsonRow, json_rows
from data_builders.reading.lines import text_lines
from data_builders.reading.sample import Sample, sample_of
from data_builders.report import BuildReport, FileReport


class Reading(FileReport):
    """A file, the report on it, and its encoding if the user says it."""

    def __init__(self, file: SourceFile, report: BuildReport, encoding: str | None = None) -> None:
        """Begin at the beginning; nothing is read yet."""
        super().__init__(file.name, report)
        self.file, self.encoding = file, encoding

    def sample(self) -> Sample:
        """Look at the beginning."""
        return sample_of(self.file, self.encoding)

    def lines(self) -> Iterator[tuple[int, str]]:
        """Give the lines with their numbers."""
        return text_lines(self.file, self.report, self.encoding)

    def lines_and_gaps(self) -> Iterator[tuple[int, str | None]]:
        """Give the lines, with None where one was rejected, so that nothing slips out of step."""
        expected = 1
        for number, text in self.lines():
            while expected < number:
                yield expected, None
                expected += 1
            yield number, text
            expected = number + 1

    def json_rows(self) -> Iterator[JsonRow]:
        """Give the values of a JSON file."""
        return json_rows(self.file, self.report, self.encoding)
