# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One dialogue a line, its turns ended by `__eou__`.

    Is it far ? __eou__ Ten minutes on foot . __eou__ Good . __eou__
    远吗？__eou__走路十分钟。__eou__<TAB>3<TAB>2 1<TAB>0 0

Known corpora: DailyDialog (dialogues_train.txt and so on) and XDailyDialog, which puts
topic, acts and emotions behind, with tabs before them. Columns without `__eou__` are left out
and counted. The spaces that tokenisation put around punctuation stay, for cleaning to see to.

An empty turn in the middle is a lost one: the dialogue is cut there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from data_builders.dialogue import RawDialogue
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.gathering import read_rows
from data_builders.formats.marks import TURN_END_MARK, share, text_lines_of
from data_builders.reading import Sample, SourceFile, text_lines
from data_builders.report import BuildReport


class DailyDialogCorpus(FileCorpus):
    """Dialogues of a file in the manner of DailyDialog."""

    FORMAT = "dailydialog"
    TITLE = "one dialogue a line, turns ended by `__eou__`, perhaps annotations behind tabs"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how many lines of a sample have the mark `__eou__`.

        Args:
            sample: The beginning of the file.

        Returns:
            0.97 if most have, None if less than half.
        """
        marked = share(text_lines_of(sample), lambda line: TURN_END_MARK in line)
        if marked < 0.5:
            return None
        return Guess(0.97 if marked > 0.9 else 0.9, why=f"turns end with {TURN_END_MARK}")

    @classmethod
    def read_file(
        cls, file: SourceFile, config: FilesConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file.

        Args:
            file: The file, unpacked, at its beginning.
            config: The settings.
            report: Takes lines with fewer than two turns, and the number of annotations.

        Yields:
            One dialogue a line, more where it is cut.
        """
        lines = text_lines(file, report, config.encoding)
        yield from read_rows(_rows(lines, report), file.name, report)


def _rows(lines: Iterable[tuple[int, str]], report: BuildReport) -> Iterator[tuple[int, list[str]]]:
    for number, line in lines:
        if not line.strip():
            continue
        columns = line.split("\t")
        if len(columns) == 1:
            yield number, _turns(line)
            continue
        spoken = [column for column in columns if TURN_END_MARK in column]
        if left_out := sum(map(bool, map(str.strip, columns))) - len(spoken):
            report.note("annotation columns left out", left_out)
        # A line without any mark is shown whole in its reject.
        yield number, [turn for column in spoken or [line] for turn in _turns(column)]


def _turns(text: str) -> list[str]:
    turns = text.split(TURN_END_MARK)
    # The mark ends a turn, so what follows the last one is no turn; some files leave it out.
    if not turns[-1].strip():
        turns.pop()
    return turns
