# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Two files of which line n of one is replied to by line n of the other.

    src-train.txt        tgt-train.txt
    你 吃 了 吗          吃 过 了
    Where are you?       At home.

Known corpora: PTT_charactors (src-train, tgt-train), stc_weibo_train_post and _response, and the
.enc and .dec files of many tutorials (those of tensorflow-seq2seq-chatbot-zh are not: each of
them alternates by itself).

A line that is empty or cannot be decoded on one side costs its partner on the other and nothing
else: lines are matched by their numbers. Lines beyond the end of the other file are rejected one
by one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.gathering import one_origin, unbroken
from data_builders.formats.marks import talk_lines_of
from data_builders.formats.partners import find_pairs, is_well_named, parallel_partner
from data_builders.reading import Sample, SourceFile, source_files, text_lines
from data_builders.reading.files import disk_files
from data_builders.report import BuildReport, RowError, SourceCount

logger = logging.getLogger(__name__)


@dataclass
class ParallelConfig(FilesConfig):
    """Settings of two parallel files.

    Attributes:
        questions: The file of questions, or a folder or pattern of several.
        replies: The file of replies, or as many of them in the same order.
            `files` may name the two instead: questions first, unless their names say otherwise.
    """

    questions: str | None = None
    replies: str | None = None

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        if bool(self.questions) != bool(self.replies):
            missing = "replies" if self.questions else "questions"
            raise UserError(
                f"`{missing}` is not set: parallel text needs a file of questions and a file of "
                f"replies. Set `{missing}`."
            )
        if self.questions and self.files:
            raise UserError(
                "Set either `files` or `questions` and `replies`, not both "
                f"(got {', '.join(self.files)} too)."
            )

    def content_files(self) -> list[Path]:
        """List the files whose content decides whether the cache is still good."""
        return [Path(file) for file in disk_files(self.sides())]

    def sides(self) -> tuple[str, str]:
        """Say which file is which.

        Returns:
            The questions and the replies.

        Raises:
            UserError: If there are not two of them.
        """
        if self.questions and self.replies:
            return str(self.questions), str(self.replies)
        if len(self.files) != 2:
            raise UserError(
                f"Parallel text needs two files, questions and replies (got {len(self.files)}). "
                "Set `questions` and `replies`, or name both in `files`."
            )
        first, second = self.files
        if find_pairs(self.files) == [(second, first)]:
            logger.info("%s holds the questions, by its name", second)
            return second, first
        return first, second


class ParallelCorpus(FileCorpus):
    """Pairs of two files, matched line by line."""

    FORMAT = "parallel"
    TITLE = "two files; line n of the second replies to line n of the first"
    BUILDER_CONFIG_CLASS = ParallelConfig

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say whether a sample is plain lines of a file named like one of two.

        Args:
            sample: The beginning of one of the files.

        Returns:
            0.6, or 0.3 for names that are also in use for files of another kind; whoever has
            both files should see whether they have equally many lines.
        """
        partner = parallel_partner(sample.name)
        if partner is None or not talk_lines_of(sample):
            return None
        score = 0.6 if is_well_named(sample.name) else 0.3
        return Guess(score, why=f"named like one of two files (the other one: {partner})")

    @classmethod
    def origins(cls, config: ParallelConfig) -> list[SourceCount]:
        """Name the source.

        Args:
            config: The settings of the family.

        Returns:
            One entry.
        """
        return [one_origin(cls.FORMAT, config.sides(), config.license)]

    @classmethod
    def read_sources(
        cls,
        config: ParallelConfig,
        report: BuildReport,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[RawDialogue]:
        """Yield the pairs.

        Args:
            config: The settings of the family.
            report: Takes lines without a partner.
            progress: Called with the number of bytes of the files on disk that were read.

        Yields:
            Whole raw dialogues of two turns.

        Raises:
            UserError: If there are more files on one side than on the other.
        """
        sides = config.sides()
        files = (source_files([side], progress=progress) for side in sides)
        for questions, replies in zip_longest(*files):
            if questions is None or replies is None:
                extra = (questions or replies).name
                raise UserError(
                    f"{extra} has no partner: {sides[0]} and {sides[1]} must name equally many "
                    "files, in the same order. Name two single files."
                )
            yield from _read_two(questions, replies, config, report)


def _read_two(
    questions: SourceFile, replies: SourceFile, config: ParallelConfig, report: BuildReport
) -> Iterator[RawDialogue]:
    sides = (unbroken(text_lines(f, report, config.encoding)) for f in (questions, replies))
    for question, reply in zip_longest(*sides):
        number = (question or reply)[0]
        texts = [(line[1] or "").strip() if line else "" for line in (question, reply)]
        if all(texts):
            yield RawDialogue(
                (texts[0], texts[1]), (), questions.name, number, config.language, questions.label
            )
        elif any(texts):
            present, missing = (questions, reply) if texts[0] else (replies, question)
            # An empty partner differs from one that was rejected or is not in the file.
            rule = "empty text" if missing and missing[1] is not None else "missing line"
            report.reject(present.name, number, RowError(rule, texts[0] or texts[1]))
