# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which of the remembered replies to give: pure functions over what the index found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .folding import fold


@dataclass(frozen=True)
class Remembered:
    """A question of the corpus that resembles what is asked, with its reply.

    Attributes:
        question: As it stands in the corpus.
        reply: What was answered.
        history: The turns before the question, oldest first.
        source: Where the corpus has it from.
        score: How much it resembles what is asked, 0 to 1.
        place: Its row among the pairs of the memory.
    """

    question: str
    reply: str
    history: tuple[str, ...]
    source: str
    score: float
    place: int


def rank(turns: Sequence[str], candidates: Sequence[Remembered]) -> list[Remembered]:
    """Order what was found, best first.

    By the score; of equal ones first those whose history resembles that of the conversation, then
    those whose reply most resembles the other replies to the same question.

    Args:
        turns: The conversation, the turn to answer last.
        candidates: What resembles it.
    """
    likeness = [_history_likeness(turns[:-1], one.history) for one in candidates]
    agreement = agreements(candidates)
    order = sorted(
        range(len(candidates)),
        key=lambda i: (-round(candidates[i].score, 4), -likeness[i], -agreement[i], i),
    )
    return [candidates[i] for i in order]


def agreements(candidates: Sequence[Remembered]) -> list[float]:
    """Say how much each reply resembles the other replies to as similar a question, 0 to 1."""
    pairs = [_pairs_of(one.reply) for one in candidates]
    scores = [round(one.score, 4) for one in candidates]
    found = []
    for place, own in enumerate(pairs):
        others = [
            text_likeness(own, pairs[i])
            for i in range(len(pairs))
            if i != place and scores[i] == scores[place]
        ]
        found.append(sum(others) / len(others) if others else 0.0)
    return found


def text_likeness(one: Counter[str], other: Counter[str]) -> float:
    """Give the share of neighbouring characters that two texts have in common (Dice), 0 to 1."""
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0


def _history_likeness(asked: Sequence[str], remembered: Sequence[str]) -> float:
    if not asked or not remembered:
        # Where nothing was said before, what needs nothing before it fits best.
        return float(not asked and not remembered)
    return text_likeness(_pairs_of("".join(asked)), _pairs_of("".join(remembered)))


def _pairs_of(text: str) -> Counter[str]:
    folded = fold(text)
    return Counter(folded[i : i + 2] for i in range(max(len(folded) - 1, 1)))
