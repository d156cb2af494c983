# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How lines of text become dialogues: gaps seen, blocks gathered, rows cut where a turn is empty.

A line that is lost (broken bytes, an empty utterance, an unknown marker) stood between two
others. Pairing its neighbours would make a reply out of what never was one, so a dialogue is
always cut there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from data_builders.dialogue import RawDialogue, checked_turns
from data_builders.report import BuildReport, RowError, SourceCount

# Real blocks have at most a few hundred utterances; a file without a single mark would otherwise
# be one dialogue and fill the memory.
MAX_TURNS = 1_000


def unbroken(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str | None]]:
    """Put None where a line was rejected while it was read, so that nothing slips out of step.

    Args:
        lines: Number from 1 and text of each line that could be decoded.

    Yields:
        Number and text; None as the text of each number that was left out.
    """
    expected = 1
    for number, text in lines:
        while expected < number:
            yield expected, None
            expected += 1
        yield number, text
        expected = number + 1


def gather(
    utterances: Iterable[tuple[int, str | None]], file: str, report: BuildReport
) -> Iterator[RawDialogue]:
    """Gather utterances into dialogues, one line each.

    Args:
        utterances: Line number and text, not blank; None as the text ends a dialogue.
        file: The name of the file, for messages.
        report: Takes utterances that stand alone.

    Yields:
        Dialogues of 2 to `MAX_TURNS` turns, with the line of the first.
    """
    turns: list[str] = []
    begin = 0
    for number, text in chain(utterances, [(0, None)]):
        if text is not None:
            begin = begin if turns else number
            turns.append(text)
            if len(turns) < MAX_TURNS:
                continue
            report.note(f"dialogues cut after {MAX_TURNS:,} utterances")
        if turns:
            yield from _closed(turns, begin, file, report)
            turns = []


def cut_turns(turns: Sequence[str], report: BuildReport) -> list[tuple[str, ...]]:
    """Check the turns of one row; where one is empty, cut the dialogue in two.

    Args:
        turns: The turns as they stand in the row.
        report: Takes the number of empty turns, and of turns that a cut left alone.

    Returns:
        Dialogues of at least two turns, at least one of them.

    Raises:
        RowError: If nothing is left: "empty text", or "fewer than two turns".
    """
    try:
        return [checked_turns(turns)]
    except RowError as error:
        if error.rule != "empty text":
            raise
    runs: list[list[str]] = [[]]
    for turn in turns:
        if turn.strip():
            runs[-1].append(turn)
        else:
            runs.append([])
    pieces = [checked_turns(run) for run in runs if len(run) > 1]
    if not pieces:
        raise RowError("empty text", " / ".join(turns))
    report.note("empty turns, where a dialogue was cut", len(runs) - 1)
    if alone := sum(len(run) == 1 for run in runs):
        report.note("turns left alone by such a cut", alone)
    return pieces


def read_rows(
    rows: Iterable[tuple[int, Sequence[str]]], file: str, report: BuildReport
) -> Iterator[RawDialogue]:
    """Make dialogues of rows that each hold a whole one.

    Args:
        rows: Line number and turns of each row.
        file: The name of the file, for messages.
        report: Takes the rows that break a rule.

    Yields:
        One dialogue a row, more where an empty turn cuts it.
    """
    for number, turns in rows:
        try:
            pieces = cut_turns(turns, report)
        except RowError as error:
            report.reject(file, number, error)
        else:
            for piece in pieces:
                yield RawDialogue(piece, line=number)


def one_origin(family: str, paths: Sequence[str], license: str | None) -> SourceCount:
    """Name the source of a family whose paths are not all in `files`.

    Args:
        family: The name of the family.
        paths: What is read.
        license: Licence of the data.

    Returns:
        The entry for the report.
    """
    names = [Path(path).name for path in paths]
    return SourceCount(" and ".join(names[:2]), family, license)


def _closed(turns: list[str], begin: int, file: str, report: BuildReport) -> Iterator[RawDialogue]:
    try:
        yield RawDialogue(checked_turns(turns), line=begin)
    except RowError as error:
        report.reject(file, begin, RowError(error.rule, " / ".join(turns)))
