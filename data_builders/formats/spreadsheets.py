# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Tables of a spreadsheet (.xlsx) or of a SQLite database.

    | question    | answer      |
    |-------------|-------------|
    | Is it open? | Until nine. |

Every table is read whose columns are known, or named with `columns`. A database is only looked
at: nothing is written beside it, and none of its views, triggers or functions is ever run.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import pathname2url

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError, shown
from data_builders.formats.base import Guess
from data_builders.formats.rows import RowsConfig, RowsCorpus, read_rows, table_reader
from data_builders.reading import Reading, Sample
from data_builders.reading.streams import DAMAGE, damaged, missing_extra
from data_builders.report import FileReport, shorten
from data_builders.rows.columns import known_columns
from data_builders.translation import _

SQLITE, ZIP = "SQLite format 3", "PK\x03\x04"
# What sqlite3 and openpyxl raise for damage: the latter anything that comes.
_DAMAGE = (sqlite3.Error, LookupError, AttributeError, TypeError, SyntaxError, *DAMAGE)


class Table(NamedTuple):
    """One table: its name, its columns, and the numbers and cells of its rows."""

    title: str
    names: Sequence[str]
    rows: Iterator[tuple[int, Sequence[Any]]]


class TablesCorpus(RowsCorpus):
    """Builder of spreadsheets and databases.

    Example:
        builder = TablesCorpus(files=("faq.xlsx",), columns={"question": "ask", "reply": "text"})
    """

    FORMAT = "tables"
    TITLE = "a spreadsheet (.xlsx) or a SQLite database: its tables with known columns"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Guess by the mark of such files, and the columns of those on the disk."""
        if not cls.is_marked(sample):
            return None
        if sample.path is None:
            return Guess(0.95, {}, _("tables in another file, not looked into"), alone=True)
        with ExitStack() as stack:
            for table in _tables(sample.path, sample.name, stack):
                if said := known_columns(table.names):
                    return Guess(
                        1.0,
                        {},
                        _("table {table}: {columns}", table=shown(table.title), columns=said),
                    )
        return Guess(0.95, {}, _("no table has columns that are known"), alone=True)

    @classmethod
    def is_marked(cls, sample: Sample) -> bool:
        """Say whether a file has the mark of such tables."""
        return sample.text.startswith((SQLITE, ZIP))

    @classmethod
    def read_file(cls, file: Reading, config: RowsConfig) -> Iterator[RawDialogue]:
        """Yield the rows of all tables whose columns are known; `line` numbers them."""
        seen, errors = False, []
        with ExitStack() as stack:
            path = stack.enter_context(file.file.on_disk())
            for table in _tables(path, file.name, stack):
                report = FileReport(f"{file.name}/{shown(table.title)}", file.report)
                try:
                    reader = table_reader(table.names, {}, config, report)
                except UserError as error:
                    report.note(f"tables passed over, columns not known ({shown(table.title)})")
                    errors.append(error)
                    continue
                seen = True
                lines = ((line, reader, row) for line, row in _named(table, report))
                yield from read_rows(lines, report)
        if not seen:
            none = UserError("{file} holds no table. Check where it is from.", file=file.name)
            raise errors[0] if errors else none


def _named(table: Table, report: FileReport) -> Iterator[tuple[int, dict[str, Any]]]:
    line = 1
    try:
        for line, cells in table.rows:
            yield line, {name: _text(cell) for name, cell in zip(table.names, cells)}  # noqa: B905
    except UserError:
        raise
    except _DAMAGE as error:
        report.reject(line + 1, "damaged file", shorten(error))


def _text(cell: Any) -> Any:
    known = cell is None or isinstance(cell, (str, bytes, bool, int, float))
    return cell if known else str(cell)  # dates and the like


def _tables(path: str, name: str, stack: ExitStack) -> Iterator[Table]:
    with open(path, "rb") as file:
        is_database = file.read(len(SQLITE)) == SQLITE.encode()
    try:
        yield from _of_database(path, stack) if is_database else _of_workbook(path, name, stack)
    except _DAMAGE as error:
        kind = _("database") if is_database else _("spreadsheet")
        raise damaged(name, kind, error) from None


def _of_database(path: str, stack: ExitStack) -> Iterator[Table]:
    # Immutable: no lock, no journal, nothing is created beside the file.
    place = f"file:{pathname2url(str(Path(path).absolute()))}?mode=ro&immutable=1"
    base = stack.enter_context(closing(sqlite3.connect(place, uri=True)))
    base.text_factory = _decoded
    listed = base.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name")
    # A virtual table is code: its module answers. So are columns worked out, which are not listed.
    titles = [name for name, made in listed if not made.upper().startswith("CREATE VIRTUAL")]
    tables = {title: base.execute(f"PRAGMA table_info({_quoted(title)})") for title in titles}
    columns = {title: [column[1] for column in found] for title, found in tables.items()}
    base.set_authorizer(_only_reading)
    for title, names in columns.items():
        rows = base.execute(f"SELECT {', '.join(map(_quoted, names))} FROM {_quoted(title)}")
        yield Table(title, names, enumerate(rows, 1))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _only_reading(action: int, *_: Any) -> int:
    reading = action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
    return sqlite3.SQLITE_OK if reading else sqlite3.SQLITE_DENY


def _decoded(text: bytes) -> Any:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text


def _of_workbook(path: str, name: str, stack: ExitStack) -> Iterator[Table]:
    try:
        import openpyxl
    except ImportError:
        raise missing_extra(name, _("spreadsheet"), "xlsx") from None
    file = stack.enter_context(open(path, "rb"))
    # What a formula gives, and not the formula: `data_only`.
    book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    stack.callback(book.close)
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # Some programs write wrong ones.
        rows = enumerate(sheet.iter_rows(values_only=True), 1)
        filled = ((line, cells) for line, cells in rows if any(c is not None for c in cells))
        _line, header = next(filled, (0, ()))
        yield Table(sheet.title, ["" if cell is None else str(cell) for cell in header], filled)
