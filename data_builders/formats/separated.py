# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One dialogue a line, its turns split by a separator.

    separated     你会唱歌吗<TAB>会一点
                  Can you sing? | A little.
    dailydialog   Is it far ? __eou__ Ten minutes on foot . __eou__ Good . __eou__
                  远吗？__eou__走路十分钟。__eou__<TAB>3<TAB>2 1<TAB>0 0
    douban        1<TAB>周末 去 哪儿<TAB>去 爬山 吧
                  0<TAB>周末 去 哪儿<TAB>这 本 书 很 厚

Known corpora: chicken_and_gossip, the Gossiping corpus of PTT, tieba.dialogues, toy_train.txt of
CDial-GPT (tab), barbarianJ/QA (`=`), qingyun (` | `); DailyDialog and XDailyDialog, which puts
topic, acts and emotions behind tabs (left out and counted); the Douban and E-commerce corpora of
response selection, whose label 0 says that the last turn was drawn at random (dropped and counted).

A separator that occurs twice does not tell where the question ends: `2+2=?=4` is rejected rather
than cut at the first `=`. An empty turn in the middle is a lost one: the dialogue is cut there.
Columns of numbers, addresses or code are no dialogues, and columns of single words (a vocabulary)
are taken for one only if the file is named by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.plain_text import (
    CORNELL_MARK,
    TURN_END_MARK,
    are_words,
    is_code,
    is_stamped,
    is_talk,
    read_rows,
    text_lines_of,
)
from data_builders.formats.speakers import are_labels, share
from data_builders.reading import Reading, Sample
from data_builders.report import FileReport
from data_builders.translation import _

# Tried in this order; of two that do equally well the first counts, so ` | ` is before `|`.
SEPARATORS = ("\t", " +++$+++ ", "|||", "||", " | ", "|", "::", "=>", "->", "＝", "｜", "=")
SEARCHED_LINES = 2_000
_ESCAPES = {"\\t": "\t", "tab": "\t", "TAB": "\t"}
# Below this share of lines that it cuts in two, a separator is a character of the text.
_LEAST_SHARE = 0.8
# Of the halves of pairs so many are more than a word, or the file may be a vocabulary.
_LEAST_TALK = 0.25
_NO_TEXT = re.compile(r"[\W\d_]*(?:[eE][-+]?\d+)?$|(?:https?|ftp)://\S+$|[\w.+-]+@[\w-]+\.\w+$")
FALSE_REPLIES = "false replies dropped (label 0)"
_HEADERS = frozenset(
    "q a question answer questions answers reply replies response responses query post posts "
    "src tgt source target input output prompt completion context ask text1 text2 "
    "问 答 问题 回答 答案 提问 回复 问句 答句".split()
)


@dataclass
class SeparatedConfig(FilesConfig):
    r"""Settings of pairs on one line.

    Attributes:
        separator: What stands between question and reply, "\t" for a tab; None finds it for
            each file from its first 2,000 lines.
        maximum_columns: Lines with more columns are rejected; None is 2, or any number with
            `columns_are_turns`. From 3 on, columns after the reply are left out and counted.
        columns_are_turns: Read each column as one turn of a dialogue.
        header: Whether the first line names the columns; None looks at it ("question", "reply").
    """

    separator: str | None = None
    maximum_columns: int | None = None
    columns_are_turns: bool = False
    header: bool | None = None

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        if self.separator is not None:
            self.separator = _ESCAPES.get(self.separator, self.separator)
            if not self.separator or "\n" in self.separator:
                raise UserError(
                    "`separator` must be at least one character and no line end (got {given!r}). "
                    "Leave it out to have it found.",
                    given=self.separator,
                )
        if self.maximum_columns is not None and self.maximum_columns < 2:
            raise UserError(
                "`maximum_columns` must be at least 2, for a question and a reply (got {given}).",
                given=self.maximum_columns,
            )

    @property
    def most_columns(self) -> float:
        """How many columns a line may have."""
        if self.maximum_columns is not None:
            return self.maximum_columns
        return float("inf") if self.columns_are_turns else 2


class SeparatedCorpus(FileCorpus):
    """Pairs of a file with a separator between question and reply."""

    FORMAT = "separated"
    TITLE = "one pair a line, split by a tab, `=`, ` | `, `::` or another separator"
    BUILDER_CONFIG_CLASS = SeparatedConfig

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how many lines of a sample one separator cuts in two: up to 0.8."""
        lines = text_lines_of(sample)
        if share(lines, lambda line: CORNELL_MARK in line or TURN_END_MARK in line) > 0.1:
            return None
        if is_stamped(lines) or is_code(lines):
            return None
        found = find_separator(lines)
        if found is not None:
            said = _said_in(lines, found)
            if said is None or are_labels([line.split(found)[0].strip() for line in lines]):
                return None
            sure = 0.8 if found == "\t" else 0.7
            fit = sure * share(lines, lambda line: _is_pair(line, found))
            mark = _("a tab") if found == "\t" else f"`{found}`"
            why = _("{mark} cuts the lines in two", mark=mark)
            return Guess(fit, {"separator": found}, why, alone=said < _LEAST_TALK)
        if share(lines, lambda line: "\t" in line.strip()) < 0.95 or _said_in(lines, "\t") is None:
            return None
        options = {"separator": "\t", "columns_are_turns": True}
        return Guess(0.4, options, _("several columns with tabs, perhaps turns"), alone=True)

    @classmethod
    def read_file(cls, file: Reading, config: SeparatedConfig) -> Iterator[RawDialogue]:
        """Yield the pairs of one file, or with `columns_are_turns` its longer dialogues."""
        lines = file.lines()
        separator = config.separator
        if separator is None:
            first = list(islice(lines, SEARCHED_LINES))
            separator = _found_or_tab([text for _, text in first if text.strip()], file)
            lines = chain(first, lines)
        rows = _rows(lines, separator, config, file)
        if config.columns_are_turns:
            yield from read_rows(rows, file)
        else:
            yield from _pairs(rows, separator, file)


class DailyDialogCorpus(FileCorpus):
    """Dialogues of a file in the manner of DailyDialog."""

    FORMAT = "dailydialog"
    TITLE = "one dialogue a line, turns ended by `__eou__`, perhaps annotations behind tabs"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how many lines of a sample have the mark `__eou__`: 0.97 if most have."""
        lines = text_lines_of(sample)
        marked = share(lines, lambda line: TURN_END_MARK in line)
        # The Ubuntu corpus has the mark too, in cells of CSV and beside `__eot__`.
        ubuntu = share(lines, lambda line: "__eot__" in line) > 0.2
        if marked < 0.5 or sample.suffix == ".csv" or ubuntu:
            return None
        return Guess(
            0.97 if marked > 0.9 else 0.9, why=_("turns end with {mark}", mark=TURN_END_MARK)
        )

    @classmethod
    def read_file(cls, file: Reading, config: FilesConfig) -> Iterator[RawDialogue]:
        """Yield one dialogue a line, more where it is cut."""
        yield from read_rows(_marked_rows(file), file)


class DoubanCorpus(FileCorpus):
    """Dialogues whose last turn is labelled as true or false."""

    FORMAT = "douban"
    TITLE = "label, tab, turn, tab, turn ...; label 1 is a true reply, 0 a random one"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say whether each line of a sample begins with a label and has two turns: 0.95."""
        lines = text_lines_of(sample)
        if share(lines, lambda line: line[:2] in ("0\t", "1\t") and line.count("\t") > 1) < 0.95:
            return None
        if share(lines, lambda line: all(map(_NO_TEXT.match, line.split("\t")))) > 0.1:
            return None
        return Guess(0.95 if len(lines) > 2 else 0.7, why="lines begin with a label, 0 or 1")

    @classmethod
    def read_file(cls, file: Reading, config: FilesConfig) -> Iterator[RawDialogue]:
        """Yield the dialogues of label 1, and count those of label 0."""
        yield from read_rows(_true_rows(file), file)


def bare_separator(lines: Sequence[str]) -> str | None:
    """Find a mark of prose that stands where a separator would: once in nearly every line."""
    for mark in (",", ";", "  "):
        inside = re.compile(rf"(?<=\S){mark}{'+' if mark == '  ' else ''}(?=\S)")
        if len(lines) > 2 and share(lines, partial(_cuts_once, inside)) > 0.9:
            return mark
    return None


def _cuts_once(mark: re.Pattern[str], line: str) -> bool:
    return len(mark.findall(line)) == 1


def find_separator(lines: Sequence[str]) -> str | None:
    """Find the separator that cuts the most lines in two; None if none cuts four fifths of them."""
    best, best_share = None, _LEAST_SHARE
    for separator in SEPARATORS:
        fit = share(lines, partial(_is_pair, separator=separator))
        if fit > best_share or (best is None and fit == best_share):
            best, best_share = separator, fit
    return best


def _is_pair(line: str, separator: str) -> bool:
    question, found, reply = line.partition(separator)
    return bool(found and separator not in reply and question.strip() and reply.strip())


def _found_or_tab(lines: Sequence[str], report: FileReport) -> str:
    found = find_separator(lines)
    if found is None and lines:
        # One stray file of a folder must not stop the build; all its lines can be looked up.
        report.note("files with no separator found, read as if it were a tab")
    return found or "\t"


def _rows(
    lines: Iterator[tuple[int, str]], separator: str, config: SeparatedConfig, report: FileReport
) -> Iterator[tuple[int, list[str]]]:
    most = config.most_columns
    for number, line in lines:
        if separator not in line and not line.strip():
            continue
        columns = line.split(separator)
        # Tables give every row the width of the widest.
        while config.columns_are_turns and len(columns) > 1 and not columns[-1].strip():
            columns.pop()
        if number == 1 and _is_header(columns, config.header):
            report.note("header lines left out")
        elif 2 <= len(columns) <= most:
            yield number, columns
        else:
            report.reject(number, "wrong number of columns", line)


def _pairs(
    rows: Iterator[tuple[int, list[str]]], separator: str, report: FileReport
) -> Iterator[RawDialogue]:
    for number, columns in rows:
        question, reply = columns[0].strip(), columns[1].strip()
        if not (question and reply):
            report.reject(number, "empty text", separator.join(columns))
            continue
        if len(columns) > 2:
            report.note("columns after the reply left out", len(columns) - 2)
        yield RawDialogue((question, reply), line=number)


def _is_header(columns: Sequence[str], header: bool | None) -> bool:
    if header is not None:
        return header
    return len(columns) > 1 and all(name.strip().lower() in _HEADERS for name in columns)


def _said_in(lines: Sequence[str], separator: str) -> float | None:
    """Say how many questions are more than a word; None if a column holds hardly any text."""
    rows = [[cell.strip() for cell in line.split(separator)] for line in lines]
    width = min(len(row) for row in rows)
    for place in range(width if separator == "\t" else min(width, 2)):
        if share(rows, lambda row: _NO_TEXT.match(row[place])) > 0.5:  # noqa: B023
            return None
    first = [row[0] for row in rows]
    if are_words(first):
        return 0.0
    return min(share(first, is_talk), share([cell for row in rows for cell in row[:2]], is_talk))


def _marked_rows(file: Reading) -> Iterator[tuple[int, list[str]]]:
    for number, line in file.lines():
        if not line.strip():
            continue
        columns = line.split("\t")
        if len(columns) == 1:
            yield number, _turns(line)
            continue
        spoken = [column for column in columns if TURN_END_MARK in column]
        if left_out := sum(map(bool, map(str.strip, columns))) - len(spoken):
            file.note("annotation columns left out", left_out)
        # A line without any mark is shown whole in its reject.
        yield number, [turn for column in spoken or [line] for turn in _turns(column)]


def _turns(text: str) -> list[str]:
    turns = text.split(TURN_END_MARK)
    # The mark ends a turn, so what follows the last one is no turn; some files leave it out.
    if not turns[-1].strip():
        turns.pop()
    return turns


def _true_rows(file: Reading) -> Iterator[tuple[int, list[str]]]:
    for number, line in file.lines():
        label, *turns = line.split("\t")
        label = label.strip()
        if label == "1":
            yield number, turns
        elif label == "0":
            file.note(FALSE_REPLIES)
        elif line.strip():
            file.reject(number, "unknown label", line)
