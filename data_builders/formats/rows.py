# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Rows of named fields and lists of turns, as JSON, CSV, Parquet or Arrow.

    {"question": "...", "answer": "..."}
    {"query": "...", "response": "...", "history": [["...", "..."]]}
    {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}
    ["...", "...", "..."]

What the names mean is said once, in `data_builders/rows`; kinds of rows that are known by name are
in `known.yaml`, and one of the user's own is a file like it (`describe`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby, islice
from typing import Any, ClassVar

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.row_guess import (
    can_be_read,
    guess_of,
    is_column,
    is_export,
    is_lone,
    understood,
)
from data_builders.formats.separated import SeparatedConfig, SeparatedCorpus
from data_builders.reading import JsonRow, Reading, Sample, SourceFile
from data_builders.reading.sample import MAX_ROWS
from data_builders.report import FileReport, RowError, shorten
from data_builders.rows import tables
from data_builders.rows.cells import tree_of
from data_builders.rows.columns import check_columns, is_weak, known_columns
from data_builders.rows.description import (
    Description,
    check_numbers,
    description_of,
    known_descriptions,
    parsed,
)
from data_builders.rows.json_layout import FIRST_ROWS, whole_dialogues
from data_builders.rows.reader import JsonReaders, RowReader, missing_column, note_cuts, row_reader
from data_builders.rows.turns import read_turns
from data_builders.rows.values import MAX_MESSAGES
from data_builders.rows.vocabulary import SPLIT_NAMES
from data_builders.translation import _

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
_BEFORE_JSON = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"
Line = tuple[int, RowReader, Mapping[str, Any]]


@dataclass
class RowsConfig(FilesConfig):
    """Settings of rows of named fields.

    Attributes:
        columns: Which fields are what: question=ask reply=text, messages=chat; empty looks for
            well-known names.
        describe: A YAML file that describes the rows; see "A description of your own" in the docs.
        minimum: Leave out rows of which a number is lower: stars=3.
        delimiter: What stands between two cells of a CSV file; None finds it.
        header: Whether the first row of a CSV file names the columns, which else are "1", "2", ....
    """

    columns: dict[str, str] = field(default_factory=dict)
    describe: Mapping[str, Any] | str | None = None
    minimum: dict[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    header: bool = True

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        self.columns = check_columns(self.columns)
        tables.check_delimiter(self.delimiter)
        entry: Any = {} if self.describe is None else description_of(self.describe)
        # What stands in the file decides what is built, and not its name.
        self.describe = entry or None
        least = {**parsed(entry, "`describe`").minimum, **check_numbers(self.minimum, "`minimum`")}
        self._described = parsed({**entry, "minimum": least}, "`describe`")

    def described_as(self, named: Description | None = None) -> Description:
        """Give what is known of the rows."""
        if self.describe is not None or named is None:
            return self._described
        return replace(named, minimum={**named.minimum, **self._described.minimum})


class RowsCorpus(FileCorpus):
    """Builder of rows in any container.

    Example:
        builder = RowsCorpus(files=("shop.jsonl",), columns={"question": "问题", "reply": "客服"})
        builder.download_and_prepare()
        dataset = builder.as_dataset()
    """

    FORMAT: ClassVar[str] = "json"
    TITLE: ClassVar[str] = 'rows of any known names: {"query": ..., "response": ...}'
    BUILDER_CONFIG_CLASS = RowsConfig
    NAMED: ClassVar[Description | None] = None

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this kind of rows."""
        whole = whole_dialogues(sample.rows, sample.layout == "array")
        rows = [row for row in whole if not is_lone(row)]
        if not rows or is_export(rows):
            return None
        if cls.NAMED is None and len(sample.rows) == MAX_ROWS and is_column(rows):
            why = _("one column of texts, perhaps with another behind it")
            return Guess(0.36, why=why, alone=True)
        named = cls.NAMED or Description()
        fitting = [row for row in rows if cls.NAMED is None or named.fits(row.value)]
        readers = JsonReaders({}, named)
        read = [row for row in fitting if can_be_read(row.value, readers)]
        if not read or (cls.NAMED and len(fitting) * 2 <= len(rows)):
            return None
        return guess_of(read, len(rows), readers, 0.97 if cls.NAMED else 0.9)

    @classmethod
    def read_file(cls, file: Reading, config: RowsConfig) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file."""
        if tables.is_arrow(file.file):
            yield from _read_arrow(file, config, cls.NAMED)
        elif file.file.suffix in JSON_SUFFIXES or file.sample().layout is not None:
            top = file.file.head(64).lstrip(_BEFORE_JSON)[:1] == b"["
            yield from read_rows(lines_of(file.json_rows(), top, config, cls.NAMED, file), file)
        elif cls.FORMAT == "pairs":
            yield from SeparatedCorpus.read_file(file, SeparatedConfig(separator="\t"))
        else:
            yield from _read_csv(file, config, cls.NAMED)


class CsvCorpus(RowsCorpus):
    """Builder of tables of text with a header.

    Example:
        builder = CsvCorpus(files=("clinic.csv",), columns={"question": "ask", "reply": "answer"})
    """

    FORMAT = "csv"
    TITLE = "a table of text: CSV or TSV whose first row names the columns"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family."""
        if sample.layout is not None:
            return None
        delimiter, header, share = tables.look(sample.lines)
        kinds = tables.kinds_of(sample.lines, delimiter) if delimiter else {}
        if not (said := known_columns(header, kinds)):
            mark = delimiter or ","
            if marked := tables.marked_column(sample.lines, mark):
                options: dict[str, Any] = {"delimiter": mark, "columns": {"dialogue": marked}}
                return Guess(0.96, options, _("its texts have marks of who speaks"))
        if delimiter is None:
            return None
        options = {"delimiter": delimiter}
        if (named := _named_table(header, kinds)) and named.columns and share > 0.5:
            reader = row_reader(header, {}, sample.label, kinds, named)
            return Guess(0.98, options, _("a header with {columns}", columns=reader.said))
        if said and share > 0.5:
            weak = is_weak(row_reader(header, {}, sample.label, kinds).parts)
            return Guess(0.95, options, _("a header with {columns}", columns=said), alone=weak)
        if sample.suffix == ".csv" and share > 0.9 and delimiter != "|":
            return Guess(0.3, options, _("rows of {number} cells", number=len(header)))
        return None

    @classmethod
    def read_file(cls, file: Reading, config: RowsConfig) -> Iterator[RawDialogue]:
        """Yield the rows of one table."""
        yield from _read_csv(file, config)


class ParquetCorpus(RowsCorpus):
    """Builder of Parquet, Feather and Arrow files.

    Example:
        builder = ParquetCorpus(files=("data/",), columns={"messages": "conversations"})
    """

    FORMAT = "parquet"
    TITLE = "tables of Arrow: Parquet, Feather, .arrow"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well a file fits this family, by the columns that it says it has."""
        if not cls.is_marked(sample):
            return None
        if sample.path is None:
            return Guess(0.95, {}, _("a table in another file, not looked into"), alone=True)
        with open(sample.path, "rb") as stream:
            file = SourceFile(sample.name, sample.label, stream, sample.suffix, path=sample.path)
            with tables.ArrowTable(file) as table:
                named = _named_table(table.names, table.kinds)
                reader = row_reader(table.names, {}, sample.name, table.kinds, named)
        return Guess(
            1.0, {}, _("columns {columns}", columns=reader.said), alone=is_weak(reader.parts)
        )

    @classmethod
    def is_marked(cls, sample: Sample) -> bool:
        """Say whether a file has the mark, or the suffix, of such tables."""
        mark = sample.text.startswith(tables.ARROW_MARKS)
        return mark or sample.suffix in tables.ARROW_SUFFIXES

    @classmethod
    def read_file(cls, file: Reading, config: RowsConfig) -> Iterator[RawDialogue]:
        """Yield the rows of one table."""
        yield from _read_arrow(file, config)


def _of_kind(name: str, description: Description) -> type[RowsCorpus]:
    title = "".join(part.title() for part in name.split("_"))
    doc = f"Builder of {description.title}"
    fields = {"FORMAT": name, "TITLE": description.title, "NAMED": description, "__doc__": doc}
    return type(f"{title}Corpus", (RowsCorpus,), fields | {"__module__": __name__})


# A builder for each kind in known.yaml, by its name.
KNOWN_ROWS: dict[str, type[FileCorpus]] = {
    name: _of_kind(name, known) for name, known in known_descriptions().items()
}
PairsCorpus = KNOWN_ROWS["pairs"]


# --- rows of any container -----------------------------------------------------------------------


def read_rows(rows: Iterable[Line], report: FileReport) -> Iterator[RawDialogue]:
    """Read rows with their readers.

    Of rows that each repeat the turns before only the last one is given, and rows of one turn are
    put together.
    """
    waiting: RawDialogue | None = None
    for (group, several), members in groupby(rows, key=_group_of):
        each = (reader.read_row(row, line, report) for line, reader, row in members)
        for raw in _of_group(members, report) if several else chain.from_iterable(each):
            if waiting is not None and _goes_on(waiting, raw):
                report.note("rows whose turns stand in the history of the next one")
            elif waiting is not None:
                yield waiting
            waiting = raw if group == _HISTORY and not several else None
            if waiting is None:
                yield raw
    if waiting is not None:
        yield waiting


_HISTORY = "history"


def _goes_on(before: RawDialogue, raw: RawDialogue) -> bool:
    size = len(before.turns)
    longer = len(raw.turns) > size and raw.turns[:size] == before.turns
    return longer and raw.roles[:size] == before.roles


def _group_of(item: Line) -> tuple[Any, bool]:
    _, reader, row = item
    if reader.group is not None:
        return str(row.get(reader.group)), True
    return (_HISTORY if reader.has_history else None), False


def _of_group(members: Iterator[Line], report: FileReport) -> Iterator[RawDialogue]:
    line, reader, row = next(members)
    style = reader.style()
    rows = [row, *(row for _, _, row in islice(members, MAX_MESSAGES))]
    turns = [reader.turn_of(row) for row in rows]
    try:
        for way in tree_of(turns, "message_id", "parent_id") if "parent_id" in row else [turns]:
            for found in read_turns(way, style):
                lang = reader.description.lang
                yield RawDialogue(found.turns, found.roles, line=line, lang=lang)
    except RowError as error:
        report.reject(line, error.rule, error.found)
    note_cuts(style, line, report)


def _named_table(names: Sequence[str], kinds: Mapping[str, str]) -> Description | None:
    """Find the known kind of a table by its columns."""
    row = {name: [] if kinds.get(name) in ("list", "turns") else "" for name in names}
    return next((known for known in known_descriptions().values() if known.fits(row)), None)


def table_reader(
    names: Sequence[str],
    kinds: Mapping[str, str],
    config: Any,
    report: FileReport,
    named: Description | None = None,
) -> RowReader:
    """Find the reader of a table, and note the columns that it does not use."""
    if named is None and not config.columns:
        named = _named_table(names, kinds)
    reader = row_reader(names, config.columns, report.name, kinds, config.described_as(named))
    _note_unused(reader, report)
    return reader


def _note_unused(reader: RowReader, report: FileReport) -> None:
    if reader.left_out:
        report.note(f"files with unused columns ({shorten(', '.join(reader.left_out))})")


def _read_csv(
    file: Reading, config: RowsConfig, named: Description | None = None
) -> Iterator[RawDialogue]:
    if (table := tables.CsvTable.opened(file, config)) is not None:
        yield from _read_table(table, file, config, named)


def _read_arrow(
    file: Reading, config: RowsConfig, named: Description | None = None
) -> Iterator[RawDialogue]:
    with tables.ArrowTable(file.file) as table:
        yield from _read_table(table, file, config, named)


def _read_table(
    table: tables.CsvTable | tables.ArrowTable,
    file: Reading,
    config: RowsConfig,
    named: Description | None,
) -> Iterator[RawDialogue]:
    reader = table_reader(table.names, table.kinds, config, file, named)
    rows = table.rows(reader.names, file)
    yield from read_rows(((line, reader, row) for line, row in rows), file)


# --- JSON ----------------------------------------------------------------------------------------


def lines_of(
    values: Iterable[JsonRow],
    top: bool,
    config: RowsConfig,
    named: Description | None,
    report: FileReport,
) -> Iterator[Line]:
    """Find the reader of each row of a file; `top` says whether they stand in one list."""
    rows = whole_dialogues(values, top, config.columns)
    first = list(islice(rows, FIRST_ROWS))
    _check_names(config.columns, first, report.name)
    if named is None and not config.columns:
        named = _named_rows(first)
    readers, noted = JsonReaders(config.columns, config.described_as(named)), False
    keys = [row.key for row in first if isinstance(row.value, (list, dict))]
    are_by_key = len(keys) > 1 and len(set(keys)) == len(keys)
    for row in chain(first, rows):
        if is_lone(row) and not are_by_key:
            report.note("single values beside the rows of a file, not read")
            continue
        if row.key in SPLIT_NAMES:
            report.note(f"rows of the split {row.key!r} of a file, split anew")
        try:
            fields, reader = understood(row.value, readers)
        except RowError as error:
            report.reject(row.line, error.rule, error.found)
            continue
        if not noted:
            _note_unused(reader, report)
            noted = True
        yield row.line, reader, fields


def _named_rows(rows: Sequence[JsonRow]) -> Description | None:
    kinds = known_descriptions().values()
    return next((k for k in kinds if 2 * sum(k.fits(row.value) for row in rows) > len(rows)), None)


def _check_names(columns: Mapping[str, str], rows: Sequence[JsonRow], where: str) -> None:
    fields = [row.value for row in rows if isinstance(row.value, dict)]
    names = tuple(dict.fromkeys(str(key) for row in fields for key in row))
    for part, written in columns.items() if names else ():
        top = written if written in names else written.partition(".")[0]
        if not set("+|&") & set(written) and top not in names:
            raise UserError(missing_column(where, part, written, names))
