# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Tables as rows by name: CSV and TSV with a header, Parquet, Feather and Arrow files."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet as pq

from data_builders.errors import UserError
from data_builders.reading import Reading, Sample, SourceFile
from data_builders.report import FileReport, RowError, shorten
from data_builders.rows.arrow_rows import BATCH, kind_of, rows_of
from data_builders.rows.cells import list_in_text, marked_turns
from data_builders.rows.columns import kind_of_value, known_columns, known_sides
from data_builders.rows.csv_records import CsvRecords, Record
from data_builders.translation import listed

DELIMITERS = ",\t;|"
PARQUET, ARROW, ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
ARROW_MARKS = (PARQUET.decode(), ARROW.decode() + "\0")
ARROW_SUFFIXES = (".parquet", ".pq", ".arrow", ".feather", ".ipc")
# How many lines of the beginning are looked at for the delimiter, and records for lists in them.
_LOOK = 50
_FIRST_RECORDS = 20
_BUFFER = 1 << 20
_NUMBER = re.compile(r"\s*-?\d+(\.\d+)?\s*")

Row = tuple[int, dict[str, Any]]
# Gives pieces of the columns named, and how much of the table is then read, from 0 to 1.
Batches = Callable[[Sequence[str]], Iterator[tuple[pa.RecordBatch, float]]]


def check_delimiter(delimiter: str | None) -> None:
    """Refuse a delimiter that cannot be one."""
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise UserError(
            "`delimiter` must be one character other than a quotation mark (got {delimiter!r}). "
            "Use a comma, or leave it out to have it found.",
            delimiter=delimiter,
        )


class CsvTable:
    """A table of text.

    Attributes:
        names: Its columns.
        kinds: Which of them hold lists as JSON, or nothing but numbers.
    """

    def __init__(self, header: list[str], records: Iterable[Record]) -> None:
        """Remember what `opened` has found."""
        self.names = header
        first = list(islice(records := iter(records), _FIRST_RECORDS))
        self._records = chain(first, records)
        cells = [one.cells for one in first if one.broken is None and len(one.cells) == len(header)]
        columns = list(zip(header, zip(*cells, strict=True), strict=False))
        self.kinds = {
            name: kind_of_value(_listed(next(filter(str.strip, column))))
            for name, column in columns
            if _are_lists(column)
        }
        self._lists = frozenset(self.kinds)
        self.kinds |= {name: "number" for name, column in columns if _are_numbers(column)}

    @classmethod
    def opened(cls, file: Reading, config: Any) -> CsvTable | None:
        """Read the header of a table."""
        sample = file.sample()
        if not any(line.strip() for line in sample.lines) and not sample.text.strip():
            return None
        alone = bool(sample.lines) and _bare(sample.lines[0]) in config.columns.values()
        delimiter = config.delimiter or ("," if alone else _delimiter(sample, file.name))
        records = CsvRecords(file.lines(), delimiter)
        first = next((record for record in records if not _mark(record)), None)
        if first is None:
            return None
        records.width = len(first.cells)
        if config.header:
            return cls([cell.strip() for cell in first.cells], records)
        numbers = [str(number) for number in range(1, len(first.cells) + 1)]
        return cls(numbers, chain([first], records))

    def rows(self, wanted: Sequence[str], report: FileReport) -> Iterator[Row]:
        """Give the rows."""
        places = [(column, self.names.index(column)) for column in wanted]
        listed = self._lists.intersection(wanted)
        width = len(self.names)
        for line, cells, broken in self._records:
            if broken is not None:
                report.reject(line, "unclosed quote", broken)
            elif len(cells) != width:
                found = f"{len(cells)} cells, not {width}: {' , '.join(cells)}"
                report.reject(line, "wrong number of cells", found)
            else:
                row: dict[str, Any] = {column: cells[place] for column, place in places}
                for column in listed:
                    row[column] = _listed(row[column])
                yield line, row


def _beginning(lines: Sequence[str], delimiter: str) -> tuple[list[str], list[Record]]:
    """Give the header and the first records; the last line may be cut within one."""
    records = CsvRecords(iter(enumerate(lines, start=1)), delimiter)
    if (header := next(records, None)) is None:
        return [], []
    records.width = len(header.cells)
    first = list(islice(records, _LOOK))
    return [cell.strip() for cell in header.cells], first[:-1] or first


def kinds_of(lines: Sequence[str], delimiter: str) -> Mapping[str, str]:
    """Say what the columns of a table hold, by the beginning of it."""
    return CsvTable(*_beginning(lines, delimiter)).kinds


def _are_lists(column: Sequence[str]) -> bool:
    filled = [cell for cell in column if cell.strip()]
    return bool(filled) and all(isinstance(_listed(cell), (list, dict)) for cell in filled)


def _are_numbers(column: Sequence[str]) -> bool:
    filled = [cell for cell in column if cell.strip()]
    return bool(filled) and all(map(_NUMBER.fullmatch, filled))


def _listed(cell: str) -> Any:
    """Give the list or the object that stands in a cell as JSON, or the cell."""
    bare = cell.strip()
    if bare[:1] + bare[-1:] in ("[]", "{}"):
        with suppress(RowError):
            return list_in_text(bare)
    return cell


def _mark(record: Record) -> bool:
    # Excel's way of saying the delimiter: "sep=;" (its own delimiter splits it in two).
    return record.line == 1 and record.cells[:1] in ([f"sep={mark}"] for mark in (*DELIMITERS, ""))


def _bare(line: str) -> str:
    return line.strip().strip('"').strip()


def marked_column(lines: Sequence[str], delimiter: str) -> str | None:
    """Find the column of a table whose texts have marks of who speaks."""
    header, records = _beginning(lines, delimiter)
    rows = [one.cells for one in records if len(one.cells) == len(header)]
    for name, column in zip(header, zip(*rows, strict=True), strict=False):
        if sum(bool(marked_turns(cell)) for cell in column) * 2 > len(column):
            return name
    return None


def _delimiter(sample: Sample, name: str) -> str:
    delimiter, _, _ = look(sample.lines)
    if delimiter is not None:
        return delimiter
    if sample.lines and known_sides((_bare(sample.lines[0]),)):
        return ","  # a single column needs none
    raise UserError(
        "{name}: no delimiter out of {known} gives rows as wide as the first one ({found!r}). Set "
        "`delimiter`.",
        name=name,
        known=listed(map(repr, DELIMITERS)),
        found=shorten(sample.lines[0] if sample.lines else ""),
    )


def look(lines: Sequence[str]) -> tuple[str | None, list[str], float]:
    """Find the delimiter, the header under it, and the share of rows as wide as that."""
    best: tuple[str | None, list[str], float] = (None, [], 0.0)
    best_score = 0.0
    for delimiter in DELIMITERS:
        if lines and lines[0].strip() == f"sep={delimiter}":
            return (delimiter, *_fit(lines[1:], delimiter))
        header, share = _fit(lines, delimiter)
        # Known names outweigh a few rows that another delimiter happens to fit.
        score = share * (2.0 if known_columns(header) else 1.0) if len(header) > 1 else 0.0
        if score > best_score:
            best, best_score = (delimiter, header, share), score
    return best


def _fit(lines: Sequence[str], delimiter: str) -> tuple[list[str], float]:
    header, records = _beginning(lines, delimiter)
    fitting = sum(len(one.cells) == len(header) for one in records)
    return header, fitting / len(records) if records else float(bool(header))


# --- Arrow ---------------------------------------------------------------------------------------


def is_arrow(file: SourceFile) -> bool:
    """Say whether a file is a table of Arrow, by its mark."""
    mark = file.head(8)
    return mark.startswith((PARQUET, ARROW)) or file.suffix in ARROW_SUFFIXES


class ArrowTable:
    """A Parquet, Feather or Arrow file, to be used in a `with`.

    Attributes:
        names: Its columns.
        kinds: What each can be used for.
    """

    names: list[str]
    kinds: Mapping[str, str]

    def __init__(self, file: SourceFile) -> None:
        """Remember the file."""
        self._file, self._stack = file, ExitStack()

    def __enter__(self) -> ArrowTable:
        """Open it."""
        schema, self._batches = _opened(self._file, self._stack)
        self.names = schema.names
        self.kinds = {column.name: kind_of(column.type) for column in schema}
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self._stack.close()

    def rows(self, wanted: Sequence[str], report: FileReport) -> Iterator[Row]:
        """Give the rows."""
        line, bar = 0, _Bar(self._file)
        try:
            for batch, share in self._batches(wanted):
                for values in rows_of(batch, wanted):
                    line += 1
                    yield line, dict(zip(wanted, values, strict=True))
                bar.go_to(share)
        except (pa.ArrowException, OSError) as error:
            report.reject(line + 1, "damaged file", _first_line(error))


class _Bar:
    """Moves the progress of a file that is not read from its beginning to its end."""

    def __init__(self, file: SourceFile) -> None:
        self._stream = file.stream
        self._size = Path(file.path).stat().st_size if file.path is not None else 0
        self._read = 0

    def go_to(self, share: float) -> None:
        # Bytes just read by Arrow are still in the page cache: 0.1 s a gigabyte.
        while self._read + _BUFFER <= share * self._size and self._stream.read(_BUFFER):
            self._read += _BUFFER


def _opened(file: SourceFile, stack: ExitStack) -> tuple[pa.Schema, Batches]:
    mark = file.head(8)
    try:
        if mark.startswith(PARQUET):
            return _parquet(_seekable(file, stack), stack)
        if mark.startswith(ARROW):
            return _arrow_file(_seekable(file, stack))
        if mark.startswith(ARROW_STREAM):
            return _arrow_stream(_seekable(file, stack))
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            "{file} cannot be read as a table of Arrow ({reason}). Fetch or write it again, or "
            "leave it out.",
            file=file.name,
            reason=_first_line(error),
        ) from None
    raise UserError(
        "{file} is no table of Arrow: it begins with {found!r}, where Parquet has {parquet!r} and "
        "Feather {feather!r}. Choose another format, or leave the file out.",
        file=file.name,
        found=mark[:6],
        parquet=PARQUET,
        feather=ARROW,
    )


def _seekable(file: SourceFile, stack: ExitStack) -> pa.NativeFile:
    """Open a file that can be read from its end, as Parquet must be."""
    if file.path is not None:
        return stack.enter_context(pa.OSFile(file.path))
    # Compressed, or out of an archive: unpacked on the disk rather than into memory.
    spool = stack.enter_context(tempfile.TemporaryFile())
    shutil.copyfileobj(file.stream, spool, _BUFFER)
    spool.seek(0)
    return stack.enter_context(pa.PythonFile(spool, mode="r"))


def _parquet(source: pa.NativeFile, stack: ExitStack) -> tuple[pa.Schema, Batches]:
    # Read page by page: whole column chunks can be as large as the file.
    table = pq.ParquetFile(source, pre_buffer=False, buffer_size=_BUFFER)
    stack.callback(table.close)
    rows = max(1, table.metadata.num_rows)

    def batches(names: Sequence[str]) -> Iterator[tuple[pa.RecordBatch, float]]:
        done = 0
        # Group by group: a batch out of a good and a damaged group would be lost whole.
        for group in range(table.num_row_groups):
            for batch in table.iter_batches(BATCH, row_groups=[group], columns=list(names)):
                done += batch.num_rows
                yield batch, done / rows

    return table.schema_arrow, batches


def _arrow_file(source: pa.NativeFile) -> tuple[pa.Schema, Batches]:
    table = pa.ipc.open_file(source)

    def batches(names: Sequence[str]) -> Iterator[tuple[pa.RecordBatch, float]]:
        columns = [table.schema.names.index(name) for name in names]
        source.seek(0)
        chosen = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=columns))
        for number in range(chosen.num_record_batches):
            yield chosen.get_batch(number), (number + 1) / chosen.num_record_batches

    return table.schema, batches


def _arrow_stream(source: pa.NativeFile) -> tuple[pa.Schema, Batches]:
    table = pa.ipc.open_stream(source)
    size = source.size()
    return table.schema, lambda names: ((batch, source.tell() / size) for batch in table)


def _first_line(error: Exception) -> str:
    return shorten((str(error).splitlines() or [type(error).__name__])[0])
