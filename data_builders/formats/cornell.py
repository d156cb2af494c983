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
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess, without_images
from data_builders.formats.plain_text import CORNELL_MARK, read_rows, text_lines_of
from data_builders.formats.speakers import share
from data_builders.reading import Progress, Reading, Sample, source_files
from data_builders.report import BuildReport
from data_builders.translation import _, listed

LINES, CONVERSATIONS, METADATA = "lines", "conversations", "metadata"
_ID = re.compile(r"[^\s,'\"\[\]]+")
# movie_characters_metadata, movie_titles_metadata and raw_script_urls begin like this.
_METADATA_ID = re.compile(r"[um]\d+")
_EXAMPLES = {LINES: "movie_lines.txt", CONVERSATIONS: "movie_conversations.txt"}
# Below this the texts stay in memory; the Cornell corpus with its 20 MB does.
_CACHE_KB = 32 << 10


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

    def sides(self) -> dict[str, tuple[str, ...]]:
        """Say where to look for each of the two: paths by "lines" and "conversations"."""
        sides = {}
        for role in (LINES, CONVERSATIONS):
            own = getattr(self, role)
            sides[role] = (str(own),) if own else self.files
            if not sides[role]:
                raise UserError(
                    "`{role}` is not set: this format is two files. Set `{role}` to the one like "
                    "{example}.",
                    role=role,
                    example=_EXAMPLES[role],
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
            return Guess(
                0.9, why=_("columns split by +++$+++, but neither lines nor conversations")
            )
        return Guess(0.97, {role: sample.name}, _("columns split by +++$+++: {role}", role=role))

    @classmethod
    def read_sources(
        cls, config: CornellConfig, report: BuildReport, progress: Progress | None = None
    ) -> Iterator[RawDialogue]:
        """Yield the conversations whose lines are all there; file and line are theirs."""
        sides = config.sides()
        if sides[LINES] == sides[CONVERSATIONS]:
            # Each file is opened twice.
            progress = progress and _halved(progress)
        with closing(LineTable()) as table:
            for file, sample in _files_of(LINES, config, report, progress):
                _read_lines(file, sample, table)
            if table.repeated:
                report.note("lines whose id was there before left out", table.repeated)
            for file, _ in _files_of(CONVERSATIONS, config, report, progress):
                rows = read_rows(_with_texts(file, table), file)
                for raw in without_images(rows, file):
                    label = file.file.label
                    yield raw._replace(file=file.name, lang=config.language, source=label)


def _files_of(
    role: str, config: CornellConfig, report: BuildReport, progress: Progress | None
) -> Iterator[tuple[Reading, Sample]]:
    own, found, others = getattr(config, role), False, []
    for file in source_files(config.sides()[role], progress=progress):
        reading = Reading(file, report, config.encoding)
        sample = reading.sample()
        is_role = cornell_role(sample)
        # Nothing is wrong with a file that is merely empty.
        if is_role == role or (own and not sample.text.strip()):
            found = True
            yield reading, sample
            continue
        others.append(f"{file.label} ({is_role or _('no +++$+++')})")
        if role == LINES and is_role != CONVERSATIONS:
            report.note("files that are neither lines nor conversations left out")
    if not found:
        where = f"`{role}` ({own})" if own else f"`files` ({listed(config.files)})"
        raise UserError(
            "The file of {role} is missing: {where} holds {others}. Name the one like {example} in "
            "`{role}`.",
            role=role,
            where=where,
            others=_listed(others) or _("no file"),
            example=_EXAMPLES[role],
        )


def _listed(names: list[str]) -> str:
    if len(names) <= 5:
        return listed(names)
    return _("{names} and {number} more", names=listed(names[:5]), number=len(names) - 5)


def _halved(progress: Progress) -> Progress:
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


def _read_lines(file: Reading, sample: Sample, table: LineTable) -> None:
    """Put the utterances of one file into the table; too few columns are rejected."""
    counts = Counter(line.count(CORNELL_MARK) for line in text_lines_of(sample))
    # With one column less the name of the speaker would be taken for the text. More of them are
    # a text with the mark in it.
    marks = max(1, counts.most_common(1)[0][0]) if counts else 1
    for number, line in file.lines():
        columns = line.split(CORNELL_MARK, marks)
        if len(columns) > marks and (name := columns[0].strip()):
            table.add(name, columns[-1].strip())
        elif line.strip():
            file.reject(number, "wrong number of columns", line)


def _columns(line: str) -> list[str]:
    return [column.strip() for column in line.split(CORNELL_MARK)]


def _is_id_list(text: str) -> bool:
    # Titles end with a list too, of genres: no digits in it.
    names = _ID.findall(text) if text[:1] == "[" and text[-1:] == "]" else []
    return bool(names) and all(re.search(r"\d", name) for name in names)


def _with_texts(file: Reading, table: LineTable) -> Iterator[tuple[int, list[str]]]:
    """Put the texts in the place of the ids that each conversation lists."""
    for number, line in file.lines():
        last = line.rpartition(CORNELL_MARK)[2].strip()
        if last[:1] == "[" and last[-1:] == "]":
            names = _ID.findall(last)
            texts = [table.text(name) for name in names]
            missing = [name for name, text in zip(names, texts, strict=True) if text is None]
            if missing:
                file.reject(number, "missing line", ", ".join(missing))
            else:
                yield number, [text for text in texts if text is not None]
        elif line.strip():
            file.reject(number, "not a list", line)


class LineTable:
    """Utterances by id; of equal ids the first one counts.

    They lie in a temporary database of SQLite, which is on the disk once they are more than its
    cache in memory holds.

    Attributes:
        repeated: How many were added under an id that was there.
    """

    def __init__(self) -> None:
        """Begin an empty table."""
        self.repeated = 0
        self._base = sqlite3.connect("")
        self._base.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        self._base.execute("CREATE TABLE lines (id BLOB PRIMARY KEY, text BLOB) WITHOUT ROWID")

    def add(self, name: str, text: str) -> None:
        """Take in an utterance by its id."""
        row = [part.encode("utf-8", "surrogatepass") for part in (name, text)]
        added = self._base.execute("INSERT OR IGNORE INTO lines VALUES (?, ?)", row).rowcount
        self.repeated += 1 - added

    def text(self, name: str) -> str | None:
        """Give the utterance of an id; None if there is none."""
        key = (name.encode("utf-8", "surrogatepass"),)
        row = self._base.execute("SELECT text FROM lines WHERE id = ?", key).fetchone()
        return None if row is None else row[0].decode("utf-8", "surrogatepass")

    def close(self) -> None:
        """Let go of all of it."""
        self._base.close()
