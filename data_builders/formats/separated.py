# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One pair a line, with a separator between question and reply.

    你会唱歌吗<TAB>会一点
    你会唱歌吗=会一点
    Can you sing? | A little.
    Can you sing?::A little.

Known corpora: chicken_and_gossip, the Gossiping corpus of PTT, tieba.dialogues, toy_train.txt of
CDial-GPT (tab); barbarianJ/QA (`=`); qingyun (` | `).

A separator that occurs twice does not tell where the question ends: `2+2=?=4` is rejected rather
than cut at the first `=`. (barbarianJ/QA has exactly one in every line.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.gathering import read_rows
from data_builders.formats.marks import CORNELL_MARK, TURN_END_MARK, share, text_lines_of
from data_builders.reading import Sample, SourceFile, text_lines
from data_builders.report import BuildReport, RowError

# Tried in this order; of two that do equally well the first counts, so ` | ` is before `|`.
SEPARATORS = ("\t", " +++$+++ ", "|||", "||", " | ", "|", "::", "=>", "->", "＝", "｜", "=")
SEARCHED_LINES = 2_000
_NAMES = {"\t": "a tab"}
_ESCAPES = {"\\t": "\t", "tab": "\t", "TAB": "\t"}
# Below this share of lines that it cuts in two, a separator is a character of the text.
_LEAST_SHARE = 0.8
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
                    "`separator` must be at least one character and no line end "
                    f"(got {self.separator!r}). Leave it out to have it found."
                )
        if self.maximum_columns is not None and self.maximum_columns < 2:
            raise UserError(
                "`maximum_columns` must be at least 2, for a question and a reply "
                f"(got {self.maximum_columns})."
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
        """Say how many lines of a sample one separator cuts in two.

        Args:
            sample: The beginning of the file.

        Returns:
            Up to 0.8 with the separator found; None if none does.
        """
        lines = text_lines_of(sample)
        if share(lines, lambda line: CORNELL_MARK in line or TURN_END_MARK in line) > 0.1:
            return None
        found = find_separator(lines)
        if found is not None:
            sure = 0.8 if found == "\t" else 0.7
            fit = sure * share(lines, lambda line: _is_pair(line, found))
            name = _NAMES.get(found, f"`{found}`")
            return Guess(fit, {"separator": found}, f"{name} cuts the lines in two")
        if share(lines, lambda line: "\t" in line.strip()) < 0.95:
            return None
        options = {"separator": "\t", "columns_are_turns": True}
        return Guess(0.4, options, "several columns with tabs, perhaps turns")

    @classmethod
    def read_file(
        cls, file: SourceFile, config: SeparatedConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the pairs of one file.

        Args:
            file: The file, unpacked, at its beginning.
            config: The settings of the family.
            report: Takes lines with another number of columns or an empty one.

        Yields:
            Dialogues of two turns, or of as many as there are columns.
        """
        lines = text_lines(file, report, config.encoding)
        separator = config.separator
        if separator is None:
            first = list(islice(lines, SEARCHED_LINES))
            separator = _found_or_tab([text for _, text in first if text.strip()], report)
            lines = chain(first, lines)
        rows = _rows(lines, separator, config, file.name, report)
        if config.columns_are_turns:
            yield from read_rows(rows, file.name, report)
        else:
            yield from _pairs(rows, separator, file.name, report)


def find_separator(lines: Sequence[str]) -> str | None:
    """Find what separates question and reply.

    Args:
        lines: Lines that are not blank.

    Returns:
        The separator that cuts the most lines in two; None if none cuts four fifths of them.
    """
    best, best_share = None, _LEAST_SHARE
    for separator in SEPARATORS:
        fit = share(lines, partial(_is_pair, separator=separator))
        if fit > best_share or (best is None and fit == best_share):
            best, best_share = separator, fit
    return best


def _is_pair(line: str, separator: str) -> bool:
    question, found, reply = line.partition(separator)
    return bool(found and separator not in reply and question.strip() and reply.strip())


def _found_or_tab(lines: Sequence[str], report: BuildReport) -> str:
    found = find_separator(lines)
    if found is None and lines:
        # One stray file of a folder must not stop the build; all its lines can be looked up.
        report.note("files with no separator found, read as if it were a tab")
    return found or "\t"


def _rows(
    lines: Iterator[tuple[int, str]],
    separator: str,
    config: SeparatedConfig,
    file: str,
    report: BuildReport,
) -> Iterator[tuple[int, list[str]]]:
    most = config.most_columns
    for number, line in lines:
        if separator not in line and not line.strip():
            continue
        columns = line.split(separator)
        if config.columns_are_turns:
            _drop_unfilled(columns)
        if number == 1 and _is_header(columns, config.header):
            report.note("header lines left out")
        elif 2 <= len(columns) <= most:
            yield number, columns
        else:
            report.reject(file, number, RowError("wrong number of columns", line))


def _pairs(
    rows: Iterator[tuple[int, list[str]]], separator: str, file: str, report: BuildReport
) -> Iterator[RawDialogue]:
    for number, columns in rows:
        question, reply = columns[0].strip(), columns[1].strip()
        if not (question and reply):
            report.reject(file, number, RowError("empty text", separator.join(columns)))
            continue
        if len(columns) > 2:
            report.note("columns after the reply left out", len(columns) - 2)
        yield RawDialogue((question, reply), line=number)


def _drop_unfilled(columns: list[str]) -> None:
    # Tables give every row the width of the widest.
    while len(columns) > 1 and not columns[-1].strip():
        columns.pop()


def _is_header(columns: Sequence[str], header: bool | None) -> bool:
    if header is not None:
        return header
    return len(columns) > 1 and all(name.strip().lower() in _HEADERS for name in columns)
