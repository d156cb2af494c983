# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The systems that a sheet compares: files of replies, or models that are asked now."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..text.errors import UserError

if TYPE_CHECKING:
    from ..chat.session import ChatSession

_NAME = re.compile(r"[\w.+ -]+")
_PRESET = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class System:
    """Who answers.

    Attributes:
        name: in the key and in the tables.
        source: a file of replies, the folder of a run, or the id of a model on the Hub.
        preset: of a model; None for its default.
    """

    name: str
    source: str
    preset: str | None = None

    @property
    def is_file(self) -> bool:
        """Tell whether the replies are there already."""
        return Path(self.source).suffix in (".jsonl", ".txt") or Path(self.source).is_file()


def read_system(text: str) -> System:
    """Read NAME=REPLIES.jsonl or NAME=MODEL[:preset].

    Raises:
        UserError: It is neither.
    """
    name, equals, source = text.partition("=")
    if not equals or not source or not _NAME.fullmatch(name):
        raise UserError(
            "`--system` must be NAME=REPLIES.jsonl or NAME=MODEL[:preset], the name of letters, "
            f"digits, blanks and . + - (got {text!r})."
        )
    model, colon, preset = source.rpartition(":")
    if colon and model and _PRESET.fullmatch(preset) and not Path(source).exists():
        return System(name, model, preset)
    return System(name, source)


def replies_of_file(path: Path, questions: Sequence[Sequence[str]]) -> list[str]:
    """Read replies as `chat_hf.py --input ... --output` writes them.

    Args:
        path: the file.
        questions: the turns of each question; the file must answer them in this order.

    Raises:
        UserError: It does not.
    """
    from ..chat.question_file import row_turns

    if not path.is_file():
        raise UserError(f"{path} is not there. Make it with `chat_hf.py --input ... --output`.")
    replies = []
    for line, text in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text.decode("utf-8-sig"))
            reply = row.pop("reply")
            row.pop("from", None)  # the memory, or the model
            turns = row_turns(row)
            reply.encode("utf-8")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            found = f"{type(error).__name__}: {error}"
            raise UserError(
                f"{path}:{line}: not a question with its `reply` ({found}). Make the file with "
                "`chat_hf.py --input ... --output`."
            ) from error
        if len(replies) < len(questions) and turns != list(questions[len(replies)]):
            asked = questions[len(replies)][-1]
            raise UserError(
                f"{path}:{line}: must answer question {len(replies) + 1}, {asked!r} (got "
                f"{turns[-1]!r}). Answer the same list in the same order."
            )
        replies.append(reply.strip())
    if len(replies) != len(questions):
        raise UserError(f"{path}: {len(replies)} replies to {len(questions)} questions.")
    return replies


def open_model(system: System, device: str) -> ChatSession:
    """Load a model and choose its preset.

    Raises:
        UserError: There is no such model or preset.
    """
    from ..chat.session import load_session

    session = load_session(system.source, device)
    if system.preset is not None:
        session.settings.set("preset", system.preset)
    return session


def replies_of_model(
    session: ChatSession, source: Path, output: Path, say: Callable[[str], None]
) -> None:
    """Answer a file of questions into a file of replies; stopped, it goes on from there."""
    from ..chat.question_file import answer_file

    report = answer_file(session, source, output, overwrite=True)
    say(report.sentence(output))
