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

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.cornell_lines import LineTable
from data_builders.formats.cornell_parts import (
    CONVERSATIONS,
    LINES,
    cornell_role,
    read_conversations,
    read_lines,
)
from data_builders.formats.gathering import one_origin
from data_builders.reading import Sample, SourceFile, sample_of, source_files
from data_builders.reading.files import disk_files
from data_builders.report import BuildReport, SourceCount

_EXAMPLES = {LINES: "movie_lines.txt", CONVERSATIONS: "movie_conversations.txt"}


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
        """Say where to look for each of the two.

        Returns:
            Paths by "lines" and "conversations".

        Raises:
            UserError: If one of them is named nowhere.
        """
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
        """Say whether a sample has the mark `+++$+++`, and which of the two files it is.

        Args:
            sample: The beginning of one of the files.

        Returns:
            0.97 with its name under `lines` or `conversations`; 0.9 for metadata; else None.
        """
        role = cornell_role(sample)
        if role is None:
            return None
        if role not in _EXAMPLES:
            return Guess(0.9, why="columns split by +++$+++, but neither lines nor conversations")
        return Guess(0.97, {role: sample.name}, f"columns split by +++$+++: {role}")

    @classmethod
    def origins(cls, config: CornellConfig) -> list[SourceCount]:
        """Name the source.

        Args:
            config: The settings of the family.

        Returns:
            One entry.
        """
        return [one_origin(cls.FORMAT, config.paths(), config.license)]

    @classmethod
    def read_sources(
        cls,
        config: CornellConfig,
        report: BuildReport,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[RawDialogue]:
        """Yield the conversations whose lines are all there.

        Args:
            config: The settings of the family.
            report: Takes conversations with missing or empty lines, and broken rows of both.
            progress: Called with the number of bytes of the files on disk that were read.

        Yields:
            Whole raw dialogues; the file and the line are those of the conversation.

        Raises:
            UserError: If one of the two files is missing.
        """
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
