# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Plain lines, one utterance each: in blocks, after the marker `M`, or alternating.

    alternating       blocks               conv
    今天星期几        早上好               E
    星期三            早，睡得好吗         M 今天吃什么
    Do you like tea?                       M 吃面吧
    Yes, with milk.   Where is the key?    E
                      On the table.        M 明天见

Known corpora: tensorflow-seq2seq-chatbot-zh, whose train.enc and train.dec each alternate;
xiaohuangjie.txt as nlp-dialogue ships it (blocks); xiaohuangji50w_nofenci.conv and dgk_shooter
(conv; words joined by `/`, as in xiaohuangji50w_fenciA, are left as they are).

Blocks and alternating lines have no mark of their own, so they are guessed only for a file that
is named by itself, and only if it looks like talk. An utterance alone in its block is rejected.
In a `.conv` file a line with another marker is rejected and cuts the dialogue, as an empty `M`.

Where lines alternate, one line too many or too few would make questions of all replies after
it, so every line that is not there has to be told:

- A line that could not be decoded keeps its place; the other half of its pair is rejected.
- A blank line where a reply is due is an empty reply: the pair is rejected.
- A blank line where a question is due stands between two pairs, or is an empty question. It is
  an empty question if the lines from there to the next blank one, or to the end, do not come out
  even. With no other blank line among the next `LOOKAHEAD` lines it is one too: whoever divides
  pairs by blank lines does so more often.
- The last line of an odd number is rejected.
- A line that is simply not there leaves no trace but what the lines after it look like. They are
  turned round where that is beyond doubt, and the report says which they were
  (`data_builders.formats.parity`). `parity: keep` takes the lines two by two instead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle, groupby
from typing import Literal

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.parity import Line, ParityReader, Stretch
from data_builders.formats.plain_text import MAX_MEAN_CHARS, gather, talk_lines_of, text_lines_of
from data_builders.formats.separated import bare_separator
from data_builders.formats.speakers import share
from data_builders.reading import Reading, Sample
from data_builders.report import FileReport
from data_builders.translation import _, listed

LOOKAHEAD = 100
# A damaged file may change step many times; the report names so many places of each file.
_STRETCHES_SAID = 20
PARITIES = ("find", "keep")


@dataclass
class AlternatingConfig(FilesConfig):
    """Settings of lines that alternate.

    Attributes:
        parity: "find" turns lines round where those from some place on are replies and questions
            instead of questions and replies; "keep" takes them two by two as they stand.
    """

    parity: Literal["find", "keep"] = "find"

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        if self.parity not in PARITIES:
            raise UserError(
                "{setting} must be of {known} (got {given!r}).",
                setting="`parity`",
                known=listed(PARITIES),
                given=self.parity,
            )


class AlternatingCorpus(FileCorpus):
    """Pairs of a file in which question and reply follow each other."""

    FORMAT = "alternating"
    TITLE = "a question on one line, its reply on the next"
    BUILDER_CONFIG_CLASS = AlternatingConfig

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say whether a sample is plain lines without any mark: at most 0.4."""
        lines = talk_lines_of(sample)
        if len(lines) < 2 or len(lines) < 0.9 * len(sample.lines) or bare_separator(lines):
            return None
        prose = sum(map(len, lines)) > MAX_MEAN_CHARS * len(lines)
        return Guess(0.2 if prose else 0.4, why=_("plain lines without a separator"), alone=True)

    @classmethod
    def read_file(cls, file: Reading, config: AlternatingConfig) -> Iterator[RawDialogue]:
        """Yield the pairs of one file, and tell the report where the parity was lost."""
        lines = ((number, text and text.strip()) for number, text in file.lines_and_gaps())
        halves = _without_dividers(lines, file)
        if config.parity == "keep":
            yield from _paired(zip(halves, cycle((True, False)), strict=False), file)
            return
        reader = ParityReader()
        yield from _paired(reader.read(halves), file)
        _tell(reader.stretches, file)


def _paired(halves: Iterable[tuple[Line, bool]], report: FileReport) -> Iterator[RawDialogue]:
    question: Line | None = None
    for line, asks in halves:
        if asks:
            if question is not None:
                _reject_lone(question, report)
            question = line
        elif question is None:
            _reject_lone(line, report)
        else:
            if question[1] and line[1]:
                yield RawDialogue((question[1], line[1]), line=question[0])
            else:
                _reject_halves(question, line, report)
            question = None
    if question is not None and question[1]:
        report.reject(question[0], "no reply", question[1])


def _reject_lone(line: Line, report: FileReport) -> None:
    # Where the parity is lost one line is left over.
    if line[1]:
        report.reject(line[0], "missing line", line[1])


def _reject_halves(question: Line, reply: Line, report: FileReport) -> None:
    if question[1] and reply[1] == "":
        report.reject(question[0], "no reply", question[1])
        return
    # Both may be missing; then there is no text left to reject.
    for (number, text), other in ((question, reply), (reply, question)):
        if text:
            report.reject(number, "empty text" if other[1] == "" else "missing line", text)


def _tell(stretches: list[Stretch], reading: Reading) -> None:
    """Say which lines were turned round, and which were left though they may be turned."""
    file, report = reading.file.label, reading.report
    for stretch in stretches[:_STRETCHES_SAID]:
        lines = f"{file} lines {stretch.first:,} to {stretch.last:,}"
        if stretch.turned:
            report.note(f"{lines} were out of step and are paired anew, pairs", stretch.pairs)
        else:
            report.note(f"{lines} may be out of step and are left, pairs", stretch.pairs)
    if more := stretches[_STRETCHES_SAID:]:
        pairs = sum(stretch.pairs for stretch in more)
        report.note(f"{file}: {len(more):,} more places like these: pairs", pairs)


def _without_dividers(lines: Iterable[Line], report: FileReport) -> Iterator[Line]:
    source, held = iter(lines), deque[Line]()
    question_due = True
    while line := (held.popleft() if held else next(source, None)):
        if line[1] == "" and question_due:
            _look_ahead(source, held)
            if not _is_empty_question(held):
                report.note("blank lines between pairs")
                continue
        question_due = not question_due
        yield line


def _look_ahead(source: Iterator[Line], held: deque[Line]) -> None:
    # What is held ends with a blank line, or is shorter than it could be, or was looked at.
    if any(text == "" for _, text in held):
        return
    while len(held) < LOOKAHEAD and (line := next(source, None)):
        held.append(line)
        if line[1] == "":
            return


def _is_empty_question(following: deque[Line]) -> bool:
    for place, (_number, text) in enumerate(following):
        if text == "":
            return place % 2 == 1
    return len(following) >= LOOKAHEAD or len(following) % 2 == 1


class BlockCorpus(FileCorpus):
    """Dialogues of a file in which blank lines stand between them."""

    FORMAT = "blocks"
    TITLE = "dialogues split by blank lines, one utterance a line"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say whether blank lines make blocks of several short lines: up to 0.65."""
        lines = talk_lines_of(sample)
        if not lines or sum(map(len, lines)) > MAX_MEAN_CHARS * len(lines):
            return None
        filled = groupby(sample.lines, key=lambda line: bool(line.strip()))
        # The end of a sample may cut its last block short.
        sizes = [len(list(group)) for is_text, group in filled if is_text][:-1]
        whole = sum(size > 1 for size in sizes)
        if not sizes or whole < 0.6 * len(sizes) or len(lines) > 30 * (len(sizes) + 1):
            return None
        why = "blank lines between groups of lines"
        return Guess(0.65 * whole / len(sizes), why=why, alone=True)

    @classmethod
    def read_file(cls, file: Reading, config: FilesConfig) -> Iterator[RawDialogue]:
        """Yield one dialogue a block."""
        lines = file.lines_and_gaps()
        yield from gather(((number, line and line.strip() or None) for number, line in lines), file)


class ConvCorpus(FileCorpus):
    """Dialogues of a `.conv` file."""

    FORMAT = "conv"
    TITLE = "`E` begins a dialogue, `M text` is an utterance"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how much of a sample is lines of `E` and `M`: 0.97 with both, 0.6 with `M` alone."""
        lines = text_lines_of(sample)
        if share(lines, lambda line: _marker(line) in ("E", "M")) < 0.9:
            return None
        markers = {_marker(line) for line in lines}
        if "M" not in markers:
            return None
        return Guess(0.97 if "E" in markers else 0.6, why=_("lines begin with E and M"))

    @classmethod
    def read_file(cls, file: Reading, config: FilesConfig) -> Iterator[RawDialogue]:
        """Yield one dialogue a block, more where it is cut."""
        yield from gather(_utterances(file), file)


def _marker(line: str) -> str:
    return line[:1] if line[1:2] in ("", " ", "\t") else ""


def _utterances(file: Reading) -> Iterator[tuple[int, str | None]]:
    just_begun = False
    for number, line in file.lines_and_gaps():
        marker = "" if line is None else _marker(line)
        if line is None:
            just_begun = False
            yield number, None
        elif marker == "M" and (text := line[1:].strip()):
            just_begun = False
            yield number, text
        elif line.strip():
            yield number, None
            if marker == "E":
                if just_begun:
                    file.note("blocks without an utterance")
                if line[1:].strip():
                    file.note("texts after E left out")
            else:
                file.reject(number, "empty text" if marker == "M" else "unknown marker", line)
            just_begun = marker == "E"
    if just_begun:
        file.note("blocks without an utterance")
