# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""C3: dialogues of Chinese exams, with questions about them.

    [[["女：你去哪儿？", "男：去买菜。"],
      [{"question": "男的要做什么？", "choice": ["买菜", "看书"], "answer": "买菜"}],
      "7-12"], ...]

Only the first list is dialogue; the exam questions are left out and counted. The speaker before
the colon is removed; lines of one speaker that follow each other are joined by a newline, and so
is a line without a speaker to the one before it. A text with fewer than two speakers, such as
those of the `m` files, is no dialogue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from data_builders.dialogue import RawDialogue
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.reading import Sample, SourceFile, json_rows
from data_builders.report import BuildReport, RowError
from data_builders.rows.checks import as_list, described, text_of

# Longest name in the training file: 5 characters. No sentence mark stands in a name; a half-width
# colon is also in "12:30", so it counts only after the usual one-letter speakers.
_SPEAKER = re.compile(r"\s*(?:([^\s：:，。！？；、,!?;]{1,10})：|([男女问答甲乙A-Z])\s*:)")


class C3Corpus(FileCorpus):
    """Reads the dialogues of C3."""

    FORMAT: ClassVar[str] = "c3"
    TITLE: ClassVar[str] = 'C3: [[["女：...", "男：..."], [{"question": ...}], "id"], ...]'

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family."""
        fitting = sum(_fits(row.value) for row in sample.rows)
        if fitting * 2 <= len(sample.rows):
            return None
        return Guess(0.97 * fitting / len(sample.rows), why="turns, exam questions and an id")

    @classmethod
    def read_file(
        cls, file: SourceFile, config: FilesConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file.

        Yields:
            Dialogues without roles: who asks and who answers changes.
        """
        for row in json_rows(file, report, config.encoding):
            try:
                if not _is_document(row.value):
                    raise RowError("missing field", described(row.value))
                lines, questions = row.value[:2]
                turns = parse_turns(lines, report)
            except RowError as error:
                report.reject(file.name, row.line, error)
                continue
            report.note("exam questions left out", len(questions))
            yield RawDialogue(turns, line=row.line)


def parse_turns(lines: Any, report: BuildReport) -> tuple[str, ...]:
    """Join the lines of each speaker to turns.

    Args:
        lines: What stands in the row: strings that begin with a speaker.
        report: Counts the lines that were joined or left out.

    Returns:
        At least two turns, without the names of their speakers.

    Raises:
        RowError: If a line is no text, or fewer than two turns have a speaker.
    """
    turns: list[str] = []
    last, joined, outside = None, 0, 0
    for line in as_list(lines):
        speaker, text = split_speaker(line)
        if turns and speaker in (None, last):
            turns[-1] += "\n" + text
            joined += 1
        elif speaker is None:
            outside += 1
        else:
            turns.append(text)
            last = speaker
    if len(turns) < 2:
        raise RowError("fewer than two turns", lines[0] if lines else "no turns")
    if joined:
        report.note("lines joined to the one before, of the same speaker", joined)
    if outside:
        report.note("lines before the first speaker left out", outside)
    return tuple(turns)


def split_speaker(line: Any) -> tuple[str | None, str]:
    """Take the speaker off a line.

    Args:
        line: What stands in the row.

    Returns:
        The speaker, None if there is none, and what was said.

    Raises:
        RowError: If it is no text, or nothing but the speaker.
    """
    text = text_of(line)
    match = _SPEAKER.match(text)
    if match is None:
        return None, text
    said = text[match.end() :].strip()
    if not said:
        raise RowError("empty text", text)
    return match[1] or match[2], said


def _is_document(row: Any) -> bool:
    return (
        isinstance(row, list)
        and len(row) >= 2
        and isinstance(row[0], list)
        and isinstance(row[1], list)
    )


def _fits(row: Any) -> bool:
    return (
        _is_document(row)
        and bool(row[0])
        and all(isinstance(line, str) for line in row[0])
        and all(isinstance(question, dict) for question in row[1])
    )
