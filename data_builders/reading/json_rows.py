# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Rows of a JSON file: one value a line, the elements of an array, the members of an object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from data_builders.reading.files import SourceFile
from data_builders.reading.json_text import BrokenError, TextBuffer, go_on, skip_value
from data_builders.reading.lines import TextSource, text_lines
from data_builders.report import BuildReport, RowError

LINE_SUFFIXES = (".jsonl", ".ndjson")
# So many lines are tried on their own.
_TRIED = 50


class JsonRow(NamedTuple):
    """One value of a JSON file.

    Attributes:
        line: Where it begins, from 1.
        key: The key it stands under if the file is one object; else None.
        value: The value.
    """

    line: int
    key: str | None
    value: Any


class _CutOffError(Exception):
    """The file ends where an element should go on or follow."""


class _LostError(Exception):
    """Nothing after a broken element can be read."""


def json_rows(
    file: SourceFile, report: BuildReport, encoding: str | None = None
) -> Iterator[JsonRow]:
    """Yield the values of a JSON file without holding more than one of them.

    The content tells the layout: one value a line; one array, of which each element is a row;
    one object, of which each member is a row, and of a member that is an array each element.
    What is no JSON is rejected.
    """
    source = TextSource(file, encoding)
    layout = json_layout(source.head_text(), file.suffix, source.whole)
    if layout in ("lines", None):
        return _line_rows(file, report, encoding)
    reader = _Reader(TextBuffer(source.opened(report), report), file.name, report)
    return reader.values() if layout == "values" else reader.rows()


def _line_rows(file: SourceFile, report: BuildReport, encoding: str | None) -> Iterator[JsonRow]:
    decode = json.JSONDecoder().decode
    for number, line in text_lines(file, report, encoding):
        try:
            yield JsonRow(number, None, decode(line))
        except (ValueError, RecursionError):
            if line.strip():
                report.reject(file.name, number, RowError("bad JSON", line))


class _Reader:
    """Reads arrays and objects element by element."""

    def __init__(self, buffer: TextBuffer, name: str, report: BuildReport) -> None:
        self._buffer, self._name, self._report = buffer, name, report
        # The last element read: what comes after a broken one is known by its likeness.
        self._last: Any = None

    def rows(self) -> Iterator[JsonRow]:
        """Yield the rows of each array or object at the top; as a rule there is one."""
        try:
            while first := self._buffer.peek():
                if first not in "[{":
                    self._reject(self._buffer.shown())
                    return
                self._buffer.pos += 1
                yield from self._items(None) if first == "[" else self._members()
        except _LostError:
            return  # Rejected as a part of the broken element.
        except _CutOffError:
            shown = self._buffer.shown()
            self._reject(f"the file ends within an array or object: {shown}")

    def values(self) -> Iterator[JsonRow]:
        """Yield whole values that follow each other, each over several lines."""
        buffer = self._buffer
        while buffer.peek():
            try:
                yield JsonRow(buffer.line(), None, buffer.value())
            except BrokenError as error:
                self._report.reject(self._name, buffer.line(), error.error)
                if not error.behind:
                    return

    def _items(self, key: str | None) -> Iterator[JsonRow]:
        buffer = self._buffer
        while not self._closed("]"):
            line = buffer.line()
            try:
                value = buffer.value()
            except BrokenError as error:
                self._recover(error, "]")
            else:
                self._last = value
                yield JsonRow(line, key, value)
            self._separator("]")

    def _members(self) -> Iterator[JsonRow]:
        buffer = self._buffer
        while not self._closed("}"):
            line = buffer.line()
            try:
                key = self._key()
                if buffer.peek() == "[":
                    buffer.pos += 1
                    yield from self._items(key)
                    self._separator("}")
                    continue
                value = buffer.value()
            except BrokenError as error:
                self._recover(error, "}")
            else:
                yield JsonRow(line, key, value)
            self._separator("}")

    def _key(self) -> str:
        key = self._buffer.value()
        if not isinstance(key, str) or self._buffer.peek() != ":":
            found = f"a key and a colon must stand before {self._buffer.shown()}"
            raise BrokenError(RowError("bad JSON", found))
        self._buffer.pos += 1
        return key

    def _closed(self, close: str) -> bool:
        found = self._buffer.peek()
        if not found:
            raise _CutOffError
        self._buffer.pos += found == close
        return found == close

    def _separator(self, close: str) -> None:
        """Go behind the comma; without one, the next element is still worth a try."""
        found = self._buffer.peek()
        if not found:
            raise _CutOffError
        if found == ",":
            self._buffer.pos += 1
        elif found != close:
            self._report.note("commas missing between JSON elements")

    def _recover(self, error: BrokenError, close: str) -> None:
        """Reject what is broken and go behind it, as far as that can be found."""
        buffer = self._buffer
        if not error.behind and buffer.cut_off():
            raise _CutOffError
        self._report.reject(self._name, buffer.line(), error.error)
        if error.behind:
            return
        found = skip_value(buffer, close) if error.too_long else go_on(buffer, close, self._last)
        if not found:
            raise _LostError

    def _reject(self, found: str) -> None:
        self._report.reject(self._name, self._buffer.line(), RowError("bad JSON", found))


def json_layout(head: str, suffix: str, whole: bool) -> str | None:
    """Tell the layout of a JSON file by the beginning of its text; `whole`: that is all of it.

    It is "lines": a value a line; "values": values over several lines, one after the other;
    "array"; "object"; None if it is no JSON. The suffix settles what a file of a single value is.
    """
    text = head.strip(" \t\r\n")
    lines = _first_lines(head, whole)
    parsed = [is_json(line) for line in lines]
    # The first line alone: a broken first row must not hide that the others are rows.
    by_line = bool(parsed) and (parsed[0] or sum(parsed) > len(parsed) / 2)
    if text[:1] not in ("[", "{"):
        return "lines" if by_line else None
    if by_line and (len(lines) > 1 or not whole):
        return "lines"
    # Under such a name only a bracket on a line of its own begins something else.
    if suffix in LINE_SUFFIXES and not (lines and lines[0].strip() in ("[", "{")):
        return "lines"
    if text.startswith("{") and (_another_follows(text) or (whole and _is_one_row(text))):
        return "values"
    return "array" if text.startswith("[") else "object"


def _is_one_row(text: str) -> bool:
    """Say whether an object is a row itself: a text in it, and no value that holds rows."""
    if not is_json(text):
        return False
    value = json.loads(text)
    members = [m for v in value.values() for m in (v if isinstance(v, list) else [v])]
    holds_rows = any(isinstance(member, (list, dict)) for member in members)
    return any(isinstance(member, str) for member in value.values()) and not holds_rows


def _first_lines(head: str, whole: bool) -> list[str]:
    lines = head.replace("\r", "\n").split("\n", 4 * _TRIED)
    # The last one may be cut off.
    return [line for line in (lines if whole else lines[:-1]) if line.strip()][:_TRIED]


def is_json(text: str) -> bool:
    """Say whether a text is one whole value."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _another_follows(text: str) -> bool:
    value: Any
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and text[end:].lstrip(" \t\r\n").startswith("{")
