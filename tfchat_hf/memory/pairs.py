# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Dialogues to what is remembered of them: a row for each question that was answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from datasets import Dataset, Features, List, Value

from data_builders.language import guess_language
from data_builders.selecting.splits import reply_places

from .folding import fold

# Turns before a question that are kept with it.
HISTORY_TURNS = 2
# Nobody asks a page; a page is near to everything.
LONGEST_QUESTION = 200
PAIR_FEATURES = Features(
    {
        "question": Value("string"),
        "reply": Value("string"),
        "history": List(Value("string")),
        "source": Value("string"),
    }
)


class Pair(NamedTuple):
    """One thing to remember."""

    question: str
    reply: str
    history: tuple[str, ...]
    source: str


def pairs_of(dialogues: Dataset) -> Iterator[Pair]:
    """Cut dialogues into questions and replies.

    Args:
        dialogues: Rows with `turns`, `roles` and `source`, as the data builders make them.

    Yields:
        Each question with its reply, in the order of the rows.
    """
    columns = dialogues.select_columns(["turns", "roles", "source"])
    for batch in columns.iter(1000):
        for turns, roles, source in zip(
            batch["turns"], batch["roles"], batch["source"], strict=True
        ):
            for place in reply_places(turns, roles):
                before = turns[max(0, place - 1 - HISTORY_TURNS) : place - 1]
                yield Pair(turns[place - 1], turns[place], tuple(before), source)


def pairs_by_language(dialogues: Dataset) -> tuple[dict[str, list[Pair]], int]:
    """Collect what is worth remembering, by the language of question and reply.

    Args:
        dialogues: As for `pairs_of`.

    Returns:
        The pairs of each language, and how many were left out: the same question with the same
        reply once more, replies without a letter, questions of a page.
    """
    found: dict[str, list[Pair]] = {}
    seen: set[tuple[str, str]] = set()
    left_out = 0
    for pair in pairs_of(dialogues):
        key = (fold(pair.question), pair.reply)
        says_something = any(character.isalnum() for character in pair.reply)
        if not says_something or key in seen or not 0 < len(key[0]) <= LONGEST_QUESTION:
            left_out += 1
            continue
        seen.add(key)
        language = guess_language([pair.question, pair.reply])
        found.setdefault(language, []).append(pair)
    return dict(sorted(found.items())), left_out


def as_dataset(pairs: dict[str, list[Pair]]) -> Dataset:
    """Make one Arrow dataset of the pairs, one language after the other."""
    rows = [pair for part in pairs.values() for pair in part]
    columns = {name: [getattr(pair, name) for pair in rows] for name in PAIR_FEATURES}
    columns["history"] = [list(history) for history in columns["history"]]
    return Dataset.from_dict(columns, features=PAIR_FEATURES)
