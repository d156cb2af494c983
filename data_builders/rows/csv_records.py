# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Records of a CSV file, from lines that may hold stray quotation marks.

A quotation mark that nobody closes would swallow all rows up to the next one. Here it costs one
line: the lines after it are read again as if it were not there.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

# A cell that goes on for longer has lost its closing quotation mark.
MAX_LINES = 1000
MAX_CHARACTERS = 1 << 20
_MAX_CELL = 1 << 24


class Record(NamedTuple):
    """One record, with the line it begins at; `broken` is a line whose quotes make no record."""

    line: int
    cells: list[str]
    broken: str | None = None


class _Unclosed(Exception):
    pass


class CsvRecords:
    """An iterator over the records of one file; blank lines are passed over.

    Attributes:
        width: How many cells a record should have, once that is known: it tells a stray
            quotation mark from one that is meant.
    """

    def __init__(self, lines: Iterator[tuple[int, str]], delimiter: str) -> None:
        """Begin at the first line."""
        self.width: int | None = None
        self._delimiter = delimiter
        self._feed = _Feed(lines)
        # The limit is one for the whole process, and its 128 kB are less than a long reply.
        csv.field_size_limit(max(csv.field_size_limit(), _MAX_CELL))
        self._reader = csv.reader(self._feed, delimiter=delimiter, strict=True)

    def __iter__(self) -> Iterator[Record]:
        """Go on with the next record."""
        return self

    def __next__(self) -> Record:
        """Give the next record."""
        taken, width = self._feed.taken, self.width
        while True:
            taken.clear()
            self._feed.size = 0
            try:
                cells = next(self._reader)
            except (_Unclosed, csv.Error):
                return self._first_line()
            if len(cells) == width or width is None:
                if len(taken) == 1:
                    return Record(taken[0][0], cells)
            elif not cells:
                continue
            return self._doubtful(cells)

    def _doubtful(self, cells: list[str]) -> Record:
        # Of another width than the header, or over several lines.
        number, line = self._feed.taken[0]
        if self.width is None:
            return Record(number, cells)
        if len(cells) > self.width and not any(cells[self.width :]):
            cells = cells[: self.width]  # spreadsheets fill rows up with empty cells
        if self._swallowed(len(cells)):
            return self._first_line()
        if len(cells) != self.width and len(self._feed.taken) == 1:
            cells = self._mended(line) or cells
        return Record(number, cells)

    def _swallowed(self, width: int) -> bool:
        taken = self._feed.taken
        if len(taken) == 1 or self.width is None or self.width == 1:
            return False
        separators = self.width - 1
        if width != self.width:
            return taken[1][1].count(self._delimiter) == separators
        # Prose has one comma in a line often enough; tabs, or two commas in each, it has not.
        telling = self._delimiter == "\t" or separators > 1
        return telling and all(line.count(self._delimiter) == separators for _, line in taken)

    def _first_line(self) -> Record:
        number, line = self._feed.taken[0]
        self._feed.again()
        cells = self._mended(line)
        return Record(number, [], line) if cells is None else Record(number, cells)

    def _mended(self, line: str) -> list[str] | None:
        for cells in _readings(line, self._delimiter):
            if self.width is None or len(cells) == self.width:
                return cells
        return None


class _Feed:
    """Hands lines to the reader and remembers those of the record at hand."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self.taken: list[tuple[int, str]] = []
        self.size = 0
        self._lines = lines
        self._waiting: deque[tuple[int, str]] = deque()

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        taken = self.taken
        # Asked for more within a record: a quotation mark is open.
        if taken and (len(taken) >= MAX_LINES or self.size > MAX_CHARACTERS):
            raise _Unclosed
        item = self._waiting.popleft() if self._waiting else next(self._lines, None)
        if item is None:
            if taken:
                raise _Unclosed
            raise StopIteration
        taken.append(item)
        self.size += len(item[1])
        return item[1] + "\n"

    def again(self) -> None:
        """Hand out all lines of the record but the first once more."""
        self._waiting.extendleft(reversed(self.taken[1:]))


def _readings(line: str, delimiter: str) -> Iterator[list[str]]:
    """Give the cells of one line in ways that other programs write them."""
    if delimiter == "\t" or '"' not in line:
        yield line.split(delimiter)  # tab-separated files often mean their quotation marks
    line = line.replace("\r", " ")
    styles: list[dict[str, Any]] = [{"skipinitialspace": True, "strict": True}, {}]
    if '\\"' in line:
        styles.insert(0, {"escapechar": "\\", "doublequote": False, "strict": True})
    for style in styles:
        try:
            cells = next(csv.reader([line + "\n"], delimiter=delimiter, **style), [])
        except csv.Error:
            continue
        # The end of the line within a cell: the quotation mark is open.
        if cells and not cells[-1].endswith("\n"):
            yield cells
