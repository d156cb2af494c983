# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Ask a model what it was taught: questions of its training data, their replies beside its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from datasets import Dataset

from data_builders.command_line import say
from data_builders.output.terminal import GAP
from data_builders.translation import _
from data_builders.widths import display_width, wrapped

from ..examples.preparing import read_dialogues
from ..examples.tokenized import swapped
from ..memory.building import data_of_run
from ..text.dialogue import DialogueExample, examples_from_dialogue
from .session import ChatSession

_WIDTH = 80
_COLUMN = (_WIDTH - len(GAP)) // 2
_AT_ONCE = 16


def run_from_training(session: ChatSession, count: int, dataset: str | None) -> int:
    """Print questions of the training side, the corpus's reply on the left and ours on the right.

    Args:
        session: The conversation; its seed is that of the draw, 0 where none is set.
        count: How many questions.
        dataset: Another corpus than the one that the run names.
    """
    dialogues = read_dialogues(data_of_run(Path(session.name).expanduser(), dataset)).dataset
    asked = draw(dialogues, count, session)
    same = 0
    say("\n".join(_beside("the training data", "the model", line="-")))
    for start in range(0, len(asked), _AT_ONCE):
        part = asked[start : start + _AT_ONCE]
        replies = session.reply_to_many([example.context for example in part], start)
        for example, reply in zip(part, replies, strict=True):
            same += reply == example.reply.strip()
            say("\n".join(_shown(example, reply)))
    say(
        _(
            "\n{same} of {asked} replies are word for word those of the training data.",
            same=same,
            asked=len(asked),
        )
    )
    return 0


def draw(
    dialogues: Mapping[str, Dataset], count: int, session: ChatSession
) -> list[DialogueExample]:
    """Draw examples of the training side, at most one of a dialogue; a seed gives the same ones."""
    train = dialogues["train"].select_columns(["turns", "roles"])
    random = np.random.default_rng(session.settings.seed or 0)
    drawn: list[DialogueExample] = []
    for place in random.permutation(len(train)).tolist():
        if len(drawn) == count:
            break
        turns, roles = train[place]["turns"], train[place]["roles"]
        found = examples_from_dialogue(turns, roles or (), session.max_context_turns)
        if found:
            drawn.append(found[int(random.integers(len(found)))])
    reversed_sides = getattr(session.model.config, "swap_sides", False)
    return [swapped(example) for example in drawn] if reversed_sides else drawn


def _shown(example: DialogueExample, reply: str) -> Iterator[str]:
    """Lay one question out: its turns, then the two replies side by side."""
    yield ""
    for turn in example.context:
        first, *more = _lines(turn, _WIDTH - 5)
        yield f"you> {first}"
        yield from (f"     {line}" for line in more)
    yield from _beside(example.reply, reply or "(no reply)")


def _beside(left: str, right: str, line: str = "") -> Iterator[str]:
    """Put two texts side by side, each in a column of its own."""
    columns = [_lines(text, _COLUMN) + [line * _COLUMN] * bool(line) for text in (left, right)]
    for place in range(max(map(len, columns))):
        cells = [column[place] if place < len(column) else "" for column in columns]
        padding = " " * (_COLUMN - display_width(cells[0]))
        yield f"{cells[0]}{padding}{GAP}{cells[1]}".rstrip()


def _lines(text: str, width: int) -> list[str]:
    """Break a text that is any, without the characters that control a terminal."""
    return wrapped(
        "".join(c for c in " ".join(text.split()) if c.isprintable()), width, whole=False
    )
