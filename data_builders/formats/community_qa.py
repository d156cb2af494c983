# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Community question answering: a title, perhaps a longer description, and an answer.

    {"qid": "q1", "category": "home", "title": "Moss on a roof?",
     "desc": "How do I get moss off an old roof?", "answer": "With a soft brush."}
    {"qid": 2, "title": "Moss?", "desc": "", "topic": "home", "star": 3,
     "content": "With a soft brush.", "answer_id": 7, "answerer_tags": "roofer"}
    {"title": "Moss?", "ask": "How do I get moss off?", "answer": "With a soft brush."}

Known: baike2018qa, webtext2019zh (the answer is `content`), and medical sets with `ask`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from data_builders.dialogue import RawDialogue, clean_turn
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.reading import Sample, SourceFile, json_rows
from data_builders.report import BuildReport, RowError
from data_builders.rows.checks import described, text_of

QUESTIONS = ("best", "title", "desc", "both")
TITLE_KEYS = ("title",)
DESCRIPTION_KEYS = ("desc", "ask")
ANSWER_KEYS = ("answer", "content")
# What people write into a field that must not be empty.
PLACEHOLDERS = frozenset(
    ("", "无", "没有", "暂无", "如题", "同上", "同标题", "如标题", "rt", "none")
)

# What no other family has beside a title; `content` alone is also in news and forum dumps.
_MARKS = frozenset(("qid", "answer_id", "answerer_tags", "answer"))
_NO_LETTERS = re.compile(r"[\W_]+")


@dataclass
class CommunityQAConfig(FilesConfig):
    """Settings of community question answering.

    Attributes:
        question: What the question is made of. "best": the description (`desc` or `ask`), or
            the title where the description is empty, a placeholder such as "如题", or says no
            more than the title; "title" or "desc": only that one, and a row without it is
            rejected; "both": title, newline, description, each said once.
        minimum_star: Leave out answers with fewer stars (`star` of webtext2019zh), and count
            them. Rows without stars stay.
    """

    question: str = "best"
    minimum_star: int = 0

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        if self.question not in QUESTIONS:
            raise UserError(
                f"`question` must be one of {', '.join(QUESTIONS)} (got {self.question!r})."
            )
        if not isinstance(self.minimum_star, int) or self.minimum_star < 0:
            raise UserError(
                f"`minimum_star` must be a whole number from 0 (got {self.minimum_star!r})."
            )


class CommunityQACorpus(FileCorpus):
    """Reads questions of a community with one answer a row."""

    FORMAT: ClassVar[str] = "community_qa"
    TITLE: ClassVar[str] = 'questions and answers: {"title": ..., "desc": ..., "answer": ...}'
    BUILDER_CONFIG_CLASS = CommunityQAConfig

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family."""
        fitting = sum(_fits(row.value) for row in sample.rows)
        if fitting * 2 <= len(sample.rows):
            return None
        return Guess(0.95 * fitting / len(sample.rows), why="a title or description, an answer")

    @classmethod
    def read_file(
        cls, file: SourceFile, config: CommunityQAConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the questions and answers of one file.

        Args:
            file: The file, unpacked, at its beginning.
            config: The settings of the family.
            report: Takes the rows that break a rule, and counts those with too few stars.

        Yields:
            Dialogues of two turns.
        """
        for row in json_rows(file, report, config.encoding):
            try:
                if not isinstance(row.value, dict):
                    raise RowError("not an object", described(row.value))
                if config.minimum_star and not _enough_stars(row.value, config.minimum_star):
                    report.note("answers with fewer stars than `minimum_star`")
                    continue
                turns = parse_answer(row.value, config.question)
            except RowError as error:
                report.reject(file.name, row.line, error)
            else:
                yield RawDialogue(turns, line=row.line)


def parse_answer(row: dict[str, Any], choice: str = "best") -> tuple[str, str]:
    """Read one row.

    Args:
        row: The object.
        choice: The setting `question`.

    Returns:
        Question and answer.

    Raises:
        RowError: If one of them is missing or no text.
    """
    answer = _first(row, ANSWER_KEYS)
    title, description = _first(row, TITLE_KEYS), _first(row, DESCRIPTION_KEYS)
    if answer is None or (title is None and description is None):
        raise RowError("missing field", described(row))
    question = question_of(_optional(title), _optional(description), choice)
    if not question:
        raise RowError("empty text", f"no question: {answer}")
    if isinstance(answer, str) and not answer.strip():
        raise RowError("empty text", f"no answer: {question}")
    return clean_turn(question), text_of(answer)


def question_of(title: str, description: str, choice: str = "best") -> str:
    """Make the question out of title and description.

    Args:
        title: Without blanks around it; empty if there is none.
        description: The same.
        choice: The setting `question`.

    Returns:
        The question; empty if what was chosen is empty.
    """
    if choice == "title":
        return title
    # Letters only: titles and descriptions often differ in a question mark.
    short, long = _letters(title), _letters(description)
    if long in PLACEHOLDERS:
        description = ""
    if choice == "desc" or not title:
        return description
    if not description or long in short:
        return title
    if choice == "best" or short in long:
        return description
    return f"{title}\n{description}"


def _letters(text: str) -> str:
    return _NO_LETTERS.sub("", text).lower()


def _first(row: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((row[key] for key in keys if row.get(key) is not None), None)


def _optional(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise RowError("not a string", described(value))
    return (value or "").strip()


def _enough_stars(row: dict[str, Any], minimum: int) -> bool:
    if row.get("star") is None:
        return True
    try:
        return int(row["star"]) >= minimum
    except (TypeError, ValueError, OverflowError):
        return False


def _fits(row: Any) -> bool:
    if not isinstance(row, dict) or not _MARKS & row.keys():
        return False
    asked = any(isinstance(row.get(key), str) for key in TITLE_KEYS + DESCRIPTION_KEYS)
    return asked and any(isinstance(row.get(key), str) for key in ANSWER_KEYS)
