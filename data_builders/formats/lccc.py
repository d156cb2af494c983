# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""LCCC and CDial-GPT: a dialogue is an array of strings.

    [["Where is the cat?", "On the roof.", "Again?"], ["Hello!", "Hi."]]

Also one such array a line, an object of split names ({"train": [...], "valid": [...]}; the names
are counted, but the splits of the build apply), and an object of dialogues by their number. The
text of both corpora has a space between words or characters, which is joined by cleaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from data_builders.dialogue import RawDialogue
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.messages import whole_dialogues
from data_builders.reading import Sample, SourceFile, json_rows
from data_builders.report import BuildReport, RowError
from data_builders.rows.checks import plain_turns

# Only these are counted by name: keys may also be the numbers of a million dialogues.
SPLIT_NAMES = frozenset(("train", "valid", "validation", "dev", "val", "test"))


class LcccCorpus(FileCorpus):
    """Reads dialogues that are arrays of strings."""

    FORMAT: ClassVar[str] = "lccc"
    TITLE: ClassVar[str] = 'LCCC: [["turn", "turn", ...], ...], perhaps by split'

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family."""
        rows = list(whole_dialogues(sample.rows, _is_turn, top=False))
        fitting = sum(_fits(row.value) for row in rows)
        if fitting * 2 <= len(rows):
            return None
        # Lists of strings under a key may be anything: a vocabulary, options of a program.
        sure = all(isinstance(row.value, list) for row in sample.rows)
        score = 0.9 if sure else 0.4
        return Guess(score * fitting / len(rows), why="arrays of strings")

    @classmethod
    def read_file(
        cls, file: SourceFile, config: FilesConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file.

        Yields:
            Dialogues without roles.
        """
        rows = json_rows(file, report, config.encoding)
        for row in whole_dialogues(rows, _is_turn, top=False):
            try:
                turns = plain_turns(row.value)
            except RowError as error:
                report.reject(file.name, row.line, error)
                continue
            if row.key in SPLIT_NAMES:
                report.note(f"dialogues of the split {row.key!r} of a file, split anew")
            yield RawDialogue(turns, line=row.line)


def _is_turn(value: Any) -> bool:
    return isinstance(value, str)


def _fits(row: Any) -> bool:
    return isinstance(row, list) and bool(row) and all(isinstance(turn, str) for turn in row)
