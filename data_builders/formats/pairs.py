# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The project's own rows: JSON lines, one JSON array, or tab-separated text.

Rows of JSON, freely mixed:

    {"question": "...", "reply": "..."}
    {"dialogue": ["...", "...", "..."]}
    {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}

Rows of text: question, one tab, reply, with no header and no quoting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from data_builders.dialogue import RawDialogue, checked_turns
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.reading import Sample, SourceFile, json_rows, sample_of, text_lines
from data_builders.report import BuildReport, RowError
from data_builders.rows.checks import as_list, described, text_of
from data_builders.rows.role_messages import parse_messages

Turns = tuple[tuple[str, ...], tuple[str, ...]]

_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
_TEXT_SUFFIXES = (".tsv",)


class PairsCorpus(FileCorpus):
    """Builder of the user's own files.

    Example:
        builder = PairsCorpus(files=("my_chat.jsonl", "more.tsv"))
        builder.download_and_prepare()
        dataset = builder.as_dataset()
    """

    FORMAT: ClassVar[str] = "pairs"
    TITLE: ClassVar[str] = 'the project\'s own rows: {"question": ..., "reply": ...} or a tab'

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family."""
        fits = sum(
            isinstance(row.value, dict) and {"question", "reply"} <= row.value.keys()
            for row in sample.rows
        )
        if not fits:
            return None
        return Guess(0.5 + 0.45 * fits / len(sample.rows), why="rows with `question` and `reply`")

    @classmethod
    def read_file(
        cls, file: SourceFile, config: FilesConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the good rows of one file.

        Yields:
            Dialogues; with roles where the row has messages.
        """
        for line, parse, value in _rows(file, config, report):
            try:
                turns, roles = parse(value)
            except RowError as error:
                report.reject(file.name, line, error)
            else:
                yield RawDialogue(turns, roles, line=line)


def parse_row(row: Any) -> Turns:
    """Read one JSON row of any of the three shapes.

    Args:
        row: The value of the row.

    Returns:
        Its turns and its roles; no roles unless it has `messages`.

    Raises:
        RowError: If it is none of the three, or a text in it is missing.
    """
    if not isinstance(row, dict):
        raise RowError("not an object", described(row))
    if "messages" in row:
        return parse_messages(row["messages"])
    if "dialogue" in row:
        return checked_turns(text_of(turn) for turn in as_list(row["dialogue"])), ()
    if "question" in row and "reply" in row:
        return checked_turns([text_of(row["question"]), text_of(row["reply"])]), ()
    raise RowError("missing key", described(row))


def parse_tab_line(text: str) -> Turns:
    """Read one line of question, tab, reply.

    Args:
        text: The line.

    Returns:
        Its two turns, and no roles.

    Raises:
        RowError: If it breaks a rule.
    """
    columns = text.split("\t")
    if len(columns) != 2:
        raise RowError("wrong number of columns", text)
    try:
        return checked_turns(columns), ()
    except RowError as error:
        # The empty column alone would show nothing.
        raise RowError(error.rule, text) from None


def _rows(
    file: SourceFile, config: FilesConfig, report: BuildReport
) -> Iterator[tuple[int, Any, Any]]:
    if file.suffix in _JSON_SUFFIXES or _looks_like_json(file):
        for row in json_rows(file, report, config.encoding):
            yield row.line, parse_row, row.value
        return
    for line, text in text_lines(file, report, config.encoding):
        if text.strip():
            yield line, parse_tab_line, text


def _looks_like_json(file: SourceFile) -> bool:
    # "[Anna] hi" begins with a bracket too.
    return file.suffix not in _TEXT_SUFFIXES and bool(sample_of(file).rows)
