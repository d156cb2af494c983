# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The two files of a Cornell-like corpus: which is which, and how each is read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from data_builders.dialogue import RawDialogue
from data_builders.formats.cornell_lines import LineTable
from data_builders.formats.gathering import read_rows
from data_builders.formats.marks import CORNELL_MARK, share, text_lines_of
from data_builders.reading import Sample, SourceFile, text_lines
from data_builders.report import BuildReport, RowError

LINES, CONVERSATIONS, METADATA = "lines", "conversations", "metadata"
_ID = re.compile(r"[^\s,'\"\[\]]+")
# movie_characters_metadata, movie_titles_metadata and raw_script_urls begin like this.
_METADATA_ID = re.compile(r"[um]\d+")
# Conversations looked up at once: as fast as more of them, and no memory to speak of.
_BATCH = 2_000


def cornell_role(sample: Sample) -> str | None:
    """Say which file of a Cornell-like corpus a sample is from.

    Args:
        sample: The beginning of the file.

    Returns:
        "lines", "conversations", "metadata", or None if it is not from such a corpus.
    """
    lines = text_lines_of(sample)[:100]
    if share(lines, lambda line: CORNELL_MARK in line) < 0.8:
        return None
    rows = [_columns(line) for line in lines]
    if share(rows, lambda row: _is_id_list(row[-1])) > 0.8:
        return CONVERSATIONS
    if share(rows, lambda row: _METADATA_ID.fullmatch(row[0])) > 0.8:
        return METADATA
    return LINES


def find_companion(name: str, names: Sequence[str]) -> str | None:
    """Find the other one of lines and conversations among the files of a folder, by their names.

    Args:
        name: A name such as "movie_lines.txt.gz"; may have folders before it.
        names: The names to choose from, written in the same way.

    Returns:
        The name like it with "conversations" for "lines", or the other way round, also with
        another suffix; None if there is none, or if `name` is neither.
    """
    companions = _companion_names(name)
    exact = [other for other in names if other.lower() in companions]
    if exact:
        return exact[0]
    stems = {_stem(other) for other in companions}
    return next((other for other in names if _stem(other.lower()) in stems), None)


def read_lines(
    file: SourceFile,
    sample: Sample,
    encoding: str | None,
    table: LineTable,
    report: BuildReport,
) -> None:
    """Put the utterances of one file into the table.

    Args:
        file: The file, at its beginning.
        sample: Its beginning, which tells how many columns there are.
        encoding: Its encoding; None finds it out.
        table: Takes id and text of each line.
        report: Takes lines that have too few columns.
    """
    counts = Counter(line.count(CORNELL_MARK) for line in text_lines_of(sample))
    # With one column less the name of the speaker would be taken for the text. More of them are
    # a text with the mark in it.
    marks = max(1, counts.most_common(1)[0][0]) if counts else 1
    for number, line in text_lines(file, report, encoding):
        columns = line.split(CORNELL_MARK, marks)
        if len(columns) > marks and (name := columns[0].strip()):
            table.add(name, columns[-1].strip())
        elif line.strip():
            report.reject(file.name, number, RowError("wrong number of columns", line))


def read_conversations(
    file: SourceFile, encoding: str | None, table: LineTable, report: BuildReport
) -> Iterator[RawDialogue]:
    """Yield the conversations of one file.

    Args:
        file: The file, at its beginning.
        encoding: Its encoding; None finds it out.
        table: All utterances.
        report: Takes conversations with missing or empty lines.

    Yields:
        Dialogues with the line of their conversation.
    """
    lists = _id_lists(text_lines(file, report, encoding))
    while batch := list(islice(lists, _BATCH)):
        rows = _with_texts(batch, table, file.name, report)
        yield from read_rows(rows, file.name, report)


def _columns(line: str) -> list[str]:
    return [column.strip() for column in line.split(CORNELL_MARK)]


def _is_id_list(text: str) -> bool:
    # Titles end with a list too, of genres: no digits in it.
    names = _ID.findall(text) if text[:1] == "[" and text[-1:] == "]" else []
    return bool(names) and all(re.search(r"\d", name) for name in names)


def _id_lists(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, list[str] | str]]:
    # A line without a list is handed on, for rejects to be in the order of the lines.
    for number, line in lines:
        last = line.rpartition(CORNELL_MARK)[2].strip()
        if last[:1] == "[" and last[-1:] == "]":
            yield number, _ID.findall(last)
        elif line.strip():
            yield number, line


def _with_texts(
    lists: Sequence[tuple[int, list[str] | str]], table: LineTable, file: str, report: BuildReport
) -> Iterator[tuple[int, list[str]]]:
    texts = table.texts(
        [name for _, names in lists if not isinstance(names, str) for name in names]
    )
    for number, names in lists:
        if isinstance(names, str):
            report.reject(file, number, RowError("not a list", names))
            continue
        found = dict(enumerate(next(texts) for _ in names))
        turns = [turn for turn in found.values() if turn is not None]
        if len(turns) < len(names):
            missing = [name for place, name in enumerate(names) if found[place] is None]
            report.reject(file, number, RowError("missing line", ", ".join(missing)))
        else:
            yield number, turns


def _companion_names(name: str) -> set[str]:
    folder, slash, base = name.lower().rpartition("/")
    swaps = [("lines", "conversations"), ("lines", "conversation"), ("line", "conversation")]
    swaps += [(new, old) for old, new in swaps]
    return {folder + slash + base.replace(old, new) for old, new in swaps if old in base}


def _stem(name: str) -> str:
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.split(".", 1)[0]
