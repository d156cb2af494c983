# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The beginning of a file, for guessing its format."""

from __future__ import annotations

import io
from itertools import islice
from typing import Any, NamedTuple

from data_builders.errors import UserError
from data_builders.reading.files import SourceFile
from data_builders.reading.json_rows import is_json, json_layout, json_rows
from data_builders.reading.lines import TextSource
from data_builders.report import BuildReport
from data_builders.translation import _

MAX_LINES = 400
MAX_ROWS = 50


class Sample(NamedTuple):
    """The beginning of a file.

    Attributes:
        name: The file, for messages.
        label: Its short name.
        suffix: Of the unpacked name, in lower case.
        lines: The first whole lines, at most 400.
        text: The beginning as text.
        rows: The first rows if it is JSON, at most 50 `JsonRow`; else none.
        layout: "lines", "array" or "object" if it is JSON; else None.
        encoding: What is to be said of it: "gb18030", or "cp1251, a guess"; "" of plain UTF-8.
        doubt: Why the text cannot be read; "" if it can.
        path: Where the file lies on the disk, if it is not packed.
    """

    name: str
    label: str
    suffix: str
    lines: list[str]
    text: str
    rows: list[Any]
    layout: str | None
    encoding: str = ""
    doubt: str = ""
    path: str | None = None


def sample_of(file: SourceFile, encoding: str | None = None) -> Sample:
    """Look at the beginning of a file; its stream still begins at the beginning.

    What is no text gives something that fits no format.
    """
    try:
        source = TextSource(file, encoding)
    except UserError:  # No such encoding: said when the file is read.
        source, encoding = TextSource(file, None), None
    text = source.head_text()
    layout = json_layout(text, file.suffix, source.whole)
    rows, rejected = _first_rows(file, encoding) if layout else ([], 0)
    # A text such as "[Anna] hello" begins like an array and is none.
    if rejected > len(rows) or (not rows and not is_json(text)):
        rows, layout = [], None
    layout = "lines" if layout == "values" else layout
    lines = _whole_lines(text, source.whole)
    plain = source.found.codec == "utf-8" and not source.found.bom
    said = "" if plain or not text else source.title
    if said and source.found.guessed:
        said = _("{encoding}, a guess", encoding=said)
    doubt = source.doubt()
    if b"\0" in file.head(4096) and not source.found.codec.startswith("utf-"):
        said = doubt = ""  # Bytes that are no text have no encoding.
    return Sample(
        file.name, file.label, file.suffix, lines, text, rows, layout, said, doubt, file.path
    )


def _first_rows(file: SourceFile, encoding: str | None) -> tuple[list[Any], int]:
    report = BuildReport()
    beginning = SourceFile(file.name, file.label, io.BytesIO(file.head()), file.suffix)
    try:
        rows = list(islice(json_rows(beginning, report, encoding), MAX_ROWS))
    except UserError:  # Its encoding cannot be told.
        return [], 1
    return rows, sum(report.rejected.values())


def _whole_lines(text: str, whole: bool) -> list[str]:
    ends = text if "\n" in text else text.replace("\r", "\n")
    lines = ends.replace("\r\n", "\n").split("\n", MAX_LINES)
    # The last piece is the rest: a cut line, what comes after the last end, or too much.
    rest = lines.pop()
    if whole and rest and len(lines) < MAX_LINES:
        lines.append(rest)
    return lines
