# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Two files, one of utterances and one of conversations, with `+++$+++` between columns.

    movie_lines.txt:          L2 +++$+++ u1 +++$+++ m0 +++$+++ ANN +++$+++ Where to?
                              L1 +++$+++ u0 +++$+++ m0 +++$+++ BOB +++$+++ Taxi!
    movie_conversations.txt:  u0 +++$+++ u1 +++$+++ m0 +++$+++ ['L1', 'L2']

Known corpora: Cornell Movie-Dialogs; egret-wenda (ids are numbers, with other columns between).
An utterance has its id in the first column and its text in the last; a conversation has the list
of ids in the last, whatever comes before.

A conversation of which a line is missing is rejected. An empty utterance cuts a conversation in
two; it is rejected if no two neighbours are left.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import SpooledTemporaryFile

import numpy as np

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.plain_text import (
    CORNELL_MARK,
    one_origin,
    read_rows,
    text_lines_of,
)
from data_builders.formats.speakers import share
from data_builders.reading import Sample, SourceFile, sample_of, source_files, text_lines
from data_builders.reading.files import disk_files
from data_builders.report import BuildReport, RowError, SourceCount

LINES, CONVERSATIONS, METADATA = "lines", "conversations", "metadata"
_ID = re.compile(r"[^\s,'\"\[\]]+")
# movie_characters_metadata, movie_titles_metadata and raw_script_urls begin like this.
_METADATA_ID = re.compile(r"[um]\d+")
# Conversations looked up at once: as fast as more of them, and no memory to speak of.
_BATCH = 2_000
_EXAMPLES = {LINES: "movie_lines.txt", CONVERSATIONS: "movie_conversations.txt"}
# Below this the texts stay in memory; the Cornell corpus with its 20 MB does.
_MEMORY_BYTES = 32 << 20


@dataclass
class CornellConfig(FilesConfig):
    """Settings of utterances and conversations in two files.

    Attributes:
        lines: The file of utterances, such as movie_lines.txt.
        conversations: The file of lists of ids, such as movie_conversations.txt.
            `files` may name both instead, or the folder or archive they are in: they are told
            apart by their content, and files of metadata are left out.
    """

    lines: str | None = None
    conversations: str | None = None

    def paths(self) -> tuple[str, ...]:
        """Give every path to read, once each."""
        return tuple(dict.fromkeys(path for side in self.sides().values() for path in side))

    def content_files(self) -> list[Path]:
        """List the files whose content decides whether the cache is still good."""
        return [Path(file) for file in disk_files(self.paths())]

    def sides(self) -> dict[str, tuple[str, ...]]:
        """Say where to look for each of the two: paths by "lines" and "conversations"."""
        sides = {}
        for role in (LINES, CONVERSATIONS):
            own = getattr(self, role)
            sides[role] = (str(own),) if own else self.files
            if not sides[role]:
                raise UserError(
                    f"`{role}` is not set: this format is two files. "
                    f"Set `{role}` to the one like {_EXAMPLES[role]}."
                )
        return sides


class CornellCorpus(FileCorpus):
    """Conversations put together from a file of utterances and a file of lists of ids."""

    FORMAT = "cornell"
    TITLE = "two files with `+++$+++` between columns: utterances, and conversations of their ids"
    BUILDER_CONFIG_CLASS = CornellConfig

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say whether a sample has the mark `+++$+++`, and which of the two files it is."""
        role = cornell_role(sample)
        if role is None:
            return None
        if role not in _EXAMPLES:
            return Guess(0.9, why="columns split by +++$+++, but neither lines nor conversations")
        return Guess(0.97, {role: sample.name}, f"columns split by +++$+++: {role}")

    @classmethod
    def origins(cls, config: CornellConfig) -> list[SourceCount]:
        """Name the source."""
        return [one_origin(cls.FORMAT, config.paths(), config.license)]

    @classmethod
    def read_sources(
        cls,
        config: CornellConfig,
        report: BuildReport,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[RawDialogue]:
        """Yield the conversations whose lines are all there; file and line are theirs."""
        sides = config.sides()
        if sides[LINES] == sides[CONVERSATIONS]:
            # Each file is opened twice.
            progress = progress and _halved(progress)
        with closing(LineTable()) as table:
            for file, sample in _files_of(LINES, config, report, progress):
                read_lines(file, sample, config.encoding, table, report)
            if repeated := table.finish():
                report.note("lines whose id was there before left out", repeated)
            for file, _ in _files_of(CONVERSATIONS, config, report, progress):
                for raw in read_conversations(file, config.encoding, table, report):
                    yield raw._replace(file=file.name, lang=config.language, source=file.label)


def _files_of(
    role: str,
    config: CornellConfig,
    report: BuildReport,
    progress: Callable[[int], None] | None,
) -> Iterator[tuple[SourceFile, Sample]]:
    own, found, others = getattr(config, role), False, []
    for file in source_files(config.sides()[role], progress=progress):
        sample = sample_of(file, config.encoding)
        is_role = cornell_role(sample)
        # Nothing is wrong with a file that is merely empty.
        if is_role == role or (own and not sample.text.strip()):
            found = True
            yield file, sample
            continue
        others.append(f"{file.label} ({is_role or 'no +++$+++'})")
        if role == LINES and is_role != CONVERSATIONS:
            report.note("files that are neither lines nor conversations left out")
    if not found:
        where = f"`{role}` ({own})" if own else f"`files` ({', '.join(config.files)})"
        raise UserError(
            f"The file of {role} is missing: {where} holds {_listed(others) or 'no file'}. "
            f"Name the one like {_EXAMPLES[role]} in `{role}`."
        )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _halved(progress: Callable[[int], None]) -> Callable[[int], None]:
    rest = 0

    def count(size: int) -> None:
        nonlocal rest
        half, rest = divmod(rest + size, 2)
        progress(half)

    return count


def cornell_role(sample: Sample) -> str | None:
    """Say which file of such a corpus this is: lines, conversations or metadata; else None."""
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

    It is named like it, with "conversations" for "lines" or the other way round; its suffix may
    differ.
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
    """Put the utterances of one file into the table; too few columns are rejected."""
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
    """Yield the conversations of one file, with the line of each."""
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


class LineTable:
    """Utterances by id, first filled, then read.

    In memory are one 8-byte hash and one 8-byte offset a line: 5 MB for the 305,000 lines of
    Cornell, some 150 MB for 1 GB of such text (and twice that for a moment while they are
    sorted). The texts lie in a temporary file once they are more than 32 MB. Each stands beside
    its id, so that two ids with one hash are seen.
    """

    def __init__(self) -> None:
        """Begin an empty table."""
        self._texts = SpooledTemporaryFile(max_size=_MEMORY_BYTES)
        self._size = 0
        self._hashes, self._offsets = array("q"), array("q")
        self._sorted = self._places = np.empty(0, dtype=np.int64)
        self._pending: list[bytes] = []

    def add(self, name: str, text: str) -> None:
        """Take in an utterance without line ends by its id; a NUL may be in neither."""
        record = f"{name}\0{text}\n".encode("utf-8", "surrogatepass")
        self._hashes.append(hash(name))
        self._offsets.append(self._size)
        self._size += len(record)
        self._pending.append(record)
        if len(self._pending) >= 1_000:
            self._flush()

    def finish(self) -> int:
        """Make the table ready to be read, and count ids added again: the first text counts."""
        self._flush()
        hashes = np.frombuffer(self._hashes, dtype=np.int64)
        # Stable: of equal ids the first added comes first, and is what a search finds.
        order = np.argsort(hashes, kind="stable")
        self._sorted = hashes[order]
        self._places = np.frombuffer(self._offsets, dtype=np.int64)[order]
        self._hashes, self._offsets = array("q"), array("q")
        return int(np.count_nonzero(self._sorted[1:] == self._sorted[:-1]))

    def texts(self, names: Sequence[str]) -> Iterator[str | None]:
        """Look up many lines at once; None for an id that is not in the table."""
        hashes = np.fromiter(map(hash, names), dtype=np.int64, count=len(names))
        places = np.searchsorted(self._sorted, hashes)
        for name, key, place in zip(names, hashes.tolist(), places.tolist(), strict=True):
            yield self._text_at(name, key, place)

    def close(self) -> None:
        """Delete the temporary file."""
        self._texts.close()

    def _flush(self) -> None:
        self._texts.write(b"".join(self._pending))
        self._pending.clear()

    def _text_at(self, name: str, key: int, place: int) -> str | None:
        while place < len(self._sorted) and self._sorted[place] == key:
            self._texts.seek(int(self._places[place]))
            record = self._texts.readline().decode("utf-8", "surrogatepass")
            found, _, text = record[:-1].partition("\0")
            if found == name:
                return text
            place += 1
        return None
