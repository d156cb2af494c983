# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Lines that alternate: a question, its reply, the next question, its reply.

    今天星期几
    星期三
    Do you like tea?
    Yes, with milk.

Known corpora: tensorflow-seq2seq-chatbot-zh, whose train.enc and train.dec are each such a file.

One line too many or too few would make questions of all replies after it, so every line that is
not there has to be told:

- A line that could not be decoded keeps its place; the other half of its pair is rejected.
- A blank line where a reply is due is an empty reply: the pair is rejected.
- A blank line where a question is due stands between two pairs, or is an empty question. It is
  an empty question if the lines from there to the next blank one, or to the end, do not come out
  even. With no other blank line among the next `LOOKAHEAD` lines it is one too: whoever divides
  pairs by blank lines does so more often.
- The last line of an odd number is rejected.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from data_builders.formats.base import FileCorpus, FilesConfig, Guess, RawDialogue
from data_builders.parsing.gathering import unbroken
from data_builders.parsing.marks import talk_lines_of
from data_builders.reading import Sample, SourceFile, text_lines
from data_builders.report import BuildReport, RowError

LOOKAHEAD = 100
# Longer lines are paragraphs of prose rather than talk.
_MAX_MEAN_CHARS = 150

# A text, "" for a blank line, None for a line that was rejected.
_Line = tuple[int, str | None]


class AlternatingCorpus(FileCorpus):
    """Pairs of a file in which question and reply follow each other."""

    FORMAT = "alternating"
    TITLE = "a question on one line, its reply on the next"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say whether a sample is plain lines without any mark.

        Args:
            sample: The beginning of the file.

        Returns:
            At most 0.4, since nothing speaks for it but that nothing speaks for another family.
        """
        lines = talk_lines_of(sample)
        if len(lines) < 2 or len(lines) < 0.9 * len(sample.lines):
            return None
        prose = sum(map(len, lines)) > _MAX_MEAN_CHARS * len(lines)
        return Guess(0.2 if prose else 0.4, why="plain lines without a separator")

    @classmethod
    def read_file(
        cls, file: SourceFile, config: FilesConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the pairs of one file.

        Args:
            file: The file, unpacked, at its beginning.
            config: The settings.
            report: Takes the lines that have no partner.

        Yields:
            Dialogues of two turns.
        """
        lines = unbroken(text_lines(file, report, config.encoding))
        halves = _without_dividers(((number, _stripped(text)) for number, text in lines), report)
        for question in halves:
            reply = next(halves, None)
            if question[1] and reply is not None and reply[1]:
                yield RawDialogue((question[1], reply[1]), line=question[0])
            else:
                _reject_half(question, reply, file.name, report)


def _stripped(text: str | None) -> str | None:
    return text and text.strip()


def _reject_half(question: _Line, reply: _Line | None, file: str, report: BuildReport) -> None:
    if reply is None or (question[1] and reply[1] == ""):
        if question[1]:
            report.reject(file, question[0], RowError("no reply", question[1]))
        return
    # Both may be missing; then there is no text left to reject.
    for (number, text), other in ((question, reply), (reply, question)):
        if text:
            rule = "empty text" if other[1] == "" else "missing line"
            report.reject(file, number, RowError(rule, text))


def _without_dividers(lines: Iterable[_Line], report: BuildReport) -> Iterator[_Line]:
    source, held = iter(lines), deque[_Line]()
    question_due = True
    while line := (held.popleft() if held else next(source, None)):
        if line[1] == "" and question_due:
            _look_ahead(source, held)
            if not _is_empty_question(held):
                report.note("blank lines between pairs")
                continue
        question_due = not question_due
        yield line


def _look_ahead(source: Iterator[_Line], held: deque[_Line]) -> None:
    # What is held ends with a blank line, or is shorter than it could be, or was looked at.
    if any(text == "" for _, text in held):
        return
    while len(held) < LOOKAHEAD and (line := next(source, None)):
        held.append(line)
        if line[1] == "":
            return


def _is_empty_question(following: deque[_Line]) -> bool:
    for place, (_, text) in enumerate(following):
        if text == "":
            return place % 2 == 1
    return len(following) >= LOOKAHEAD or len(following) % 2 == 1
