# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Tables of Arrow: Parquet files, Feather files, and the .arrow files that `datasets` keeps.

    instruction: string    output: string
    conversations: list<struct<from: string, value: string>>

Such are most datasets on the Hub. The columns are found by their names
(`data_builders/rows/columns.py`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet as pq

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.reading import Sample, SourceFile
from data_builders.report import BuildReport, RowError, shorten
from data_builders.rows.arrow_rows import BATCH, kind_of, rows_of
from data_builders.rows.columns import check_columns, row_reader

PARQUET, ARROW, ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
SUFFIXES = (".parquet", ".pq", ".arrow", ".feather", ".ipc")

_BUFFER = 1 << 20

# Gives pieces of the columns named, and how much of the table is then read, from 0 to 1.
Batches = Callable[[Sequence[str]], Iterator[tuple[pa.RecordBatch, float]]]


@dataclass
class ParquetConfig(FilesConfig):
    """Settings of tables of Arrow.

    Attributes:
        columns: Which columns are what: question=ask reply=text, messages=chat; empty looks for
            well-known names.
    """

    columns: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        self.columns = check_columns(self.columns)


class ParquetCorpus(FileCorpus):
    """Builder of Parquet, Feather and Arrow files.

    Example:
        builder = ParquetCorpus(files=("data/",), columns={"messages": "conversations"})
    """

    FORMAT = "parquet"
    TITLE = "tables of Arrow: Parquet, Feather, .arrow"
    BUILDER_CONFIG_CLASS = ParquetConfig

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family.

        Args:
            sample: The beginning of the file.

        Returns:
            The guess, by suffix and mark; None for any text.
        """
        if sample.text.startswith((PARQUET.decode(), ARROW.decode() + "\0")):
            return Guess(1.0, {}, "the mark of an Arrow table")
        if sample.suffix in SUFFIXES:
            return Guess(0.9, {}, f"the suffix {sample.suffix}")
        return None

    @classmethod
    def read_file(
        cls, file: SourceFile, config: ParquetConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the rows of one table.

        Args:
            file: The file, at its beginning.
            config: The settings.
            report: Takes the rows that hold no dialogue.

        Yields:
            Question and reply, or what `columns` names; `line` is the number of the row.
        """
        with ExitStack() as stack:
            schema, batches = _opened(file, stack)
            kinds = {column.name: kind_of(column.type) for column in schema}
            reader = row_reader(schema.names, config.columns, file.name, kinds)
            if reader.left_out:
                report.note(f"tables with unused columns ({shorten(', '.join(reader.left_out))})")
            line, bar = 0, _Bar(file)
            try:
                for batch, share in batches(reader.names):
                    for values in rows_of(batch, reader.names):
                        line += 1
                        yield from reader.dialogues(values, file.name, line, report)
                    bar.go_to(share)
            except (pa.ArrowException, OSError) as error:
                report.reject(file.name, line + 1, RowError("damaged file", _first_line(error)))


class _Bar:
    """Moves the progress of a file that is not read from its beginning to its end."""

    def __init__(self, file: SourceFile) -> None:
        self._stream = file.stream
        self._size = Path(file.name).stat().st_size if Path(file.name).is_file() else 0
        self._read = 0

    def go_to(self, share: float) -> None:
        # Bytes just read by Arrow are still in the page cache: 0.1 s a gigabyte.
        while self._read + _BUFFER <= share * self._size and self._stream.read(_BUFFER):
            self._read += _BUFFER


def _opened(file: SourceFile, stack: ExitStack) -> tuple[pa.Schema, Batches]:
    mark = file.head(8)
    try:
        if mark.startswith(PARQUET):
            return _parquet(_seekable(file, mark, stack), stack)
        if mark.startswith(ARROW):
            return _arrow_file(_seekable(file, mark, stack))
        if mark.startswith(ARROW_STREAM):
            return _arrow_stream(_seekable(file, mark, stack))
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{file.name} cannot be read as a table of Arrow ({_first_line(error)}). "
            "Fetch or write it again, or leave it out."
        ) from None
    raise UserError(
        f"{file.name} is no table of Arrow: it begins with {mark[:6]!r}, where Parquet has "
        f"{PARQUET!r} and Feather {ARROW!r}. Choose another format, or leave the file out."
    )


def _seekable(file: SourceFile, mark: bytes, stack: ExitStack) -> pa.NativeFile:
    """Open a file that can be read from its end, as Parquet must be."""
    path = Path(file.name)
    if path.is_file():
        source = stack.enter_context(pa.OSFile(file.name))
        if source.read(len(mark)) == mark:
            source.seek(0)
            return source
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
