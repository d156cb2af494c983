# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The Chit-Chat Challenge of Brigham Young University: real chat between students.

    {"a07e...": {"messages": [[{"sender": "s1", "text": "hey", "timestamp": "..."},
                               {"sender": "s1", "text": "how was the exam?", "timestamp": "..."}],
                              [{"sender": "s2", "text": "not bad!", "timestamp": "..."}]],
                 "prompt": "...", "ratings": {...}, "start": "..."}}

A turn is a list of short messages; they are joined by a newline, as neighbours of one role are
everywhere here: the pause between two messages is not lost, and cleaning can make it a space.
Empty messages are skipped and counted. Conversations that nobody answered are rejected: they are
3,151 of the 7,168 of the package.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from data_builders.dialogue import RawDialogue, clean_turn
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.reading import Sample, SourceFile, json_rows
from data_builders.report import BuildReport, RowError
from data_builders.rows.checks import as_list, described

PACKAGE = "chitchat-dataset"
_MODULE = "chitchat_dataset"
_DATA_FILE = "dataset.json"


class ChitchatCorpus(FileCorpus):
    """Reads the JSON file of the Chit-Chat Challenge."""

    FORMAT: ClassVar[str] = "chitchat"
    TITLE: ClassVar[str] = 'chat: {id: {"messages": [[{"text": ..., "sender": ...}, ...], ...]}}'

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family."""
        fitting = sum(_fits(row.value) for row in sample.rows)
        if fitting * 2 <= len(sample.rows):
            return None
        return Guess(0.97 * fitting / len(sample.rows), why="turns that are lists of messages")

    @classmethod
    def read_file(
        cls, file: SourceFile, config: FilesConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file.

        Yields:
            Dialogues without roles.
        """
        for row in json_rows(file, report, config.encoding):
            try:
                turns = parse_chat(row.value, report)
            except RowError as error:
                report.reject(file.name, row.line, error)
            else:
                yield RawDialogue(turns, line=row.line)


@dataclass
class ChitchatPackageConfig(FilesConfig):
    """Settings of the installed package; its file is found, so `files` stays empty."""

    def __post_init__(self) -> None:
        """Find the file, or say what is missing, before anything is read."""
        super().__post_init__()
        path = str(package_file())
        # Equal when a copy of these settings is made.
        if self.files not in ((), (path,)):
            raise UserError(
                f"`files` of {PACKAGE} must be empty (got {self.files[0]!r}): the installed "
                "package is read. For a file of your own choose the format `chitchat`."
            )
        self.files = (path,)

    def content_files(self) -> list[Path]:
        """List the one file of the package."""
        return [Path(self.files[0])]


class ChitchatPackageCorpus(ChitchatCorpus):
    """Reads the same conversations from the installed package `chitchat-dataset`.

    Nothing of the package is run: only its data file is opened.
    """

    FORMAT: ClassVar[str] = "chitchat-dataset"
    TITLE: ClassVar[str] = "the installed package chitchat-dataset: 7,168 English conversations"
    BUILDER_CONFIG_CLASS = ChitchatPackageConfig

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Never guess a package from a file.

        Args:
            sample: The beginning of the file.

        Returns:
            None.
        """
        return None

    @classmethod
    def read_file(
        cls, file: SourceFile, config: FilesConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the conversations of the package.

        Args:
            file: Its data file.
            config: The settings.
            report: Takes the conversations that break a rule.

        Yields:
            Dialogues with the name of the package as their source.
        """
        for raw in super().read_file(file, config, report):
            yield raw._replace(source=PACKAGE)


def package_file() -> Path:
    """Find the data file of the installed package without importing it.

    Returns:
        Its path.

    Raises:
        UserError: If the package is not installed, or has no such file.
    """
    spec = importlib.util.find_spec(_MODULE)
    path = Path(spec.origin).parent / _DATA_FILE if spec and spec.origin else None
    if path is None or not path.is_file():
        what = "is not installed" if path is None else f"has no file {_DATA_FILE}"
        raise UserError(f"The package {PACKAGE} {what}. Run `pip install {PACKAGE}`.")
    return path


def parse_chat(row: Any, report: BuildReport) -> tuple[str, ...]:
    """Read one conversation.

    Args:
        row: The object under its id.
        report: Counts the empty messages.

    Returns:
        At least two turns; after an empty one its neighbours of one sender are joined too.

    Raises:
        RowError: If it is not of that kind, or nobody answers.
    """
    if not isinstance(row, dict):
        raise RowError("not an object", described(row))
    if "messages" not in row:
        raise RowError("missing field", described(row))
    turns: list[str] = []
    last: Any = None
    empty = 0
    for messages in as_list(row["messages"]):
        sender, texts = _read_turn(messages)
        written = [text for text in texts if text.strip()]
        empty += len(texts) - len(written)
        if not written:
            continue
        text = "\n".join(clean_turn(text) for text in written)
        if turns and sender is not None and sender == last:
            turns[-1] += "\n" + text
        else:
            turns.append(text)
        last = sender
    if empty:
        report.note("empty messages skipped", empty)
    if len(turns) < 2:
        raise RowError("fewer than two turns", turns[0] if turns else "no turns")
    return tuple(turns)


def _read_turn(messages: Any) -> tuple[str | None, list[str]]:
    texts, sender = [], None
    for message in as_list(messages):
        if not isinstance(message, dict):
            raise RowError("not an object", described(message))
        text = message.get("text")
        if not isinstance(text, str):
            raise RowError("not a string", described(text))
        texts.append(text)
        sender = message.get("sender")
    return (sender if isinstance(sender, str) else None), texts


def _fits(row: Any) -> bool:
    turns = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(turns, list) or not turns:
        return False
    return all(
        isinstance(turn, list)
        and all(isinstance(m, dict) and isinstance(m.get("text"), str) for m in turn)
        for turn in turns
    )
