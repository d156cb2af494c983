# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Tables of text with a header: CSV, and TSV with a header.

    department,title,ask,answer
    eyes,Red eyes,"My eyes are red, and they itch.","Do not rub them.
    See a doctor if it lasts."

The Toyhom clinic is of this kind, as are most tables exported from a spreadsheet. Cells with the
delimiter or a line break in them stand in double quotes. The columns are found by their names,
see `data_builders/rows/columns.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from operator import itemgetter

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.reading import Sample, SourceFile, sample_of, text_lines
from data_builders.report import BuildReport, RowError, shorten
from data_builders.rows.columns import RowReader, check_columns, known_columns, row_reader
from data_builders.rows.csv_records import CsvRecords, Record

DELIMITERS = ",\t;|"
# How many lines of the beginning are looked at.
_LOOK = 50


@dataclass
class CsvConfig(FilesConfig):
    """Settings of tables of text.

    Attributes:
        delimiter: What stands between two cells; None finds it out of `DELIMITERS`.
        columns: Which columns are what: question=ask reply=text, messages=chat; empty looks for
            well-known names.
        header: Whether the first row names the columns; without it they are "1", "2" and so on.
    """

    delimiter: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    header: bool = True

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        self.columns = check_columns(self.columns)
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise UserError(
                f"`delimiter` must be one character other than a quotation mark "
                f"(got {self.delimiter!r}). Use a comma, or leave it out to have it found."
            )


class CsvCorpus(FileCorpus):
    """Builder of tables of text with a header.

    Example:
        builder = CsvCorpus(files=("clinic.csv",), columns={"question": "ask", "reply": "answer"})
    """

    FORMAT = "csv"
    TITLE = "a table of text: CSV or TSV whose first row names the columns"
    BUILDER_CONFIG_CLASS = CsvConfig

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family.

        Args:
            sample: The beginning of the file.

        Returns:
            The guess; None for JSON, or where no delimiter gives rows of one width.
        """
        if sample.layout is not None:
            return None
        delimiter, header, share = _look(sample.lines)
        if delimiter is None:
            return None
        said = known_columns(header)
        if said and share > 0.5:
            return Guess(0.95, {"delimiter": delimiter}, f"a header with {said}")
        if sample.suffix == ".csv" and share > 0.9 and delimiter != "|":
            return Guess(0.3, {"delimiter": delimiter}, f"rows of {len(header)} cells")
        return None

    @classmethod
    def read_file(
        cls, file: SourceFile, config: CsvConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the rows of one table.

        Args:
            file: The file, at its beginning.
            config: The settings.
            report: Takes the rows of another width and those without a question or reply.

        Yields:
            Question and reply, or what `columns` names.
        """
        sample = sample_of(file, config.encoding)
        if not any(line.strip() for line in sample.lines) and not sample.text.strip():
            return
        delimiter = config.delimiter or _delimiter(sample, file.name)
        lines = text_lines(file, report, config.encoding)
        records = CsvRecords(lines, delimiter)
        first = next((record for record in records if not _mark(record)), None)
        if first is None:
            return
        records.width = len(first.cells)
        header = [cell.strip() for cell in first.cells]
        if not config.header:
            header = [str(number) for number in range(1, len(header) + 1)]
        reader = row_reader(header, config.columns, file.name)
        if reader.left_out:
            report.note(f"tables with unused columns ({shorten(', '.join(reader.left_out))})")
        rows = records if config.header else chain([first], records)
        yield from _rows(file.name, rows, header, reader, report)


def _rows(
    file: str, records: Iterable[Record], header: list[str], reader: RowReader, report: BuildReport
) -> Iterator[RawDialogue]:
    places = [header.index(name) for name in reader.names]
    pick = itemgetter(*places) if len(places) > 1 else lambda cells: (cells[places[0]],)
    width = len(header)
    for line, cells, broken in records:
        if broken is not None:
            report.reject(file, line, RowError("unclosed quote", broken))
        elif len(cells) != width:
            found = f"{len(cells)} cells, not {width}: {' , '.join(cells)}"
            report.reject(file, line, RowError("wrong number of cells", found))
        else:
            yield from reader.dialogues(pick(cells), file, line, report)


def _mark(record: Record) -> bool:
    # Excel's way of saying the delimiter: "sep=;" (its own delimiter splits it in two).
    return record.line == 1 and record.cells[:1] in ([f"sep={mark}"] for mark in (*DELIMITERS, ""))


def _delimiter(sample: Sample, name: str) -> str:
    delimiter, header, _ = _look(sample.lines)
    if delimiter is not None:
        return delimiter
    if known_columns([sample.lines[0].strip()] if sample.lines else []):
        return ","  # a single column needs none
    raise UserError(
        f"{name}: no delimiter out of {', '.join(map(repr, DELIMITERS))} gives rows as wide as "
        f"the first one ({shorten(sample.lines[0] if sample.lines else '')!r}). Set `delimiter`."
    )


def _look(lines: Sequence[str]) -> tuple[str | None, list[str], float]:
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
    records = CsvRecords(iter(enumerate(lines, start=1)), delimiter)
    first = next(records, None)
    if first is None:
        return [], 0.0
    records.width = len(first.cells)
    widths = [len(record.cells) for record in islice(records, _LOOK)]
    # The sample may end within a record: its last one does not count.
    widths = widths[:-1] or widths
    share = sum(width == records.width for width in widths) / len(widths) if widths else 1.0
    return [cell.strip() for cell in first.cells], share
