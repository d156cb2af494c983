# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Labelled dialogues: a label, then the turns, all split by tabs.

    1<TAB>周末 去 哪儿<TAB>去 爬山 吧
    0<TAB>周末 去 哪儿<TAB>这 本 书 很 厚

Known corpora: the Douban and E-commerce conversation corpora for response selection. Label 1
says that the last turn was really said there; with label 0 it is drawn at random. Lines with
label 0 are no dialogues and are dropped and counted; their context stands in a line of label 1
too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from data_builders.dialogue import RawDialogue
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.gathering import read_rows
from data_builders.formats.marks import share, text_lines_of
from data_builders.reading import Sample, SourceFile, text_lines
from data_builders.report import BuildReport, RowError

FALSE_REPLIES = "false replies dropped (label 0)"


class DoubanCorpus(FileCorpus):
    """Dialogues whose last turn is labelled as true or false."""

    FORMAT = "douban"
    TITLE = "label, tab, turn, tab, turn ...; label 1 is a true reply, 0 a random one"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say whether each line of a sample begins with a label.

        Args:
            sample: The beginning of the file.

        Returns:
            0.95 if nearly all do and have two turns at least, else None.
        """
        lines = text_lines_of(sample)
        if share(lines, lambda line: line[:2] in ("0\t", "1\t") and line.count("\t") > 1) < 0.95:
            return None
        return Guess(0.95 if len(lines) > 2 else 0.7, why="lines begin with a label, 0 or 1")

    @classmethod
    def read_file(
        cls, file: SourceFile, config: FilesConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file whose last turn is a true reply.

        Args:
            file: The file, unpacked, at its beginning.
            config: The settings.
            report: Takes lines that break a rule, and the number of false replies.

        Yields:
            One dialogue a line of label 1.
        """
        lines = text_lines(file, report, config.encoding)
        yield from read_rows(_true_rows(lines, file.name, report), file.name, report)


def _true_rows(
    lines: Iterable[tuple[int, str]], file: str, report: BuildReport
) -> Iterator[tuple[int, list[str]]]:
    for number, line in lines:
        label, *turns = line.split("\t")
        label = label.strip()
        if label == "1":
            yield number, turns
        elif label == "0":
            report.note(FALSE_REPLIES)
        elif line.strip():
            report.reject(file, number, RowError("unknown label", line))
