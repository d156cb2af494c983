# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Dialogues split by blank lines, one utterance a line.

    早上好
    早，睡得好吗

    Where is the key?
    On the table.
    Thanks.

Known corpora: xiaohuangjie.txt as nlp-dialogue ships it. An utterance between two blank lines is
rejected, since nobody replies to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from data_builders.dialogue import RawDialogue
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.gathering import gather, unbroken
from data_builders.formats.marks import talk_lines_of
from data_builders.reading import Sample, SourceFile, text_lines
from data_builders.report import BuildReport

# Longer lines are paragraphs of prose rather than talk.
_MAX_MEAN_CHARS = 150


class BlockCorpus(FileCorpus):
    """Dialogues of a file in which blank lines stand between them."""

    FORMAT = "blocks"
    TITLE = "dialogues split by blank lines, one utterance a line"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say whether blank lines make blocks of several short lines.

        Args:
            sample: The beginning of the file.

        Returns:
            Up to 0.65; None if there are no blank lines, or hardly a block of two.
        """
        lines = talk_lines_of(sample)
        if not lines or sum(map(len, lines)) > _MAX_MEAN_CHARS * len(lines):
            return None
        filled = groupby(sample.lines, key=lambda line: bool(line.strip()))
        # The end of a sample may cut its last block short.
        sizes = [len(list(group)) for is_text, group in filled if is_text][:-1]
        whole = sum(size > 1 for size in sizes)
        if not sizes or whole < 0.6 * len(sizes) or len(lines) > 30 * (len(sizes) + 1):
            return None
        return Guess(0.65 * whole / len(sizes), why="blank lines between groups of lines")

    @classmethod
    def read_file(
        cls, file: SourceFile, config: FilesConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file.

        Args:
            file: The file, unpacked, at its beginning.
            config: The settings.
            report: Takes utterances that stand alone.

        Yields:
            One dialogue a block.
        """
        lines = unbroken(text_lines(file, report, config.encoding))
        utterances = ((number, line and line.strip() or None) for number, line in lines)
        yield from gather(utterances, file.name, report)
