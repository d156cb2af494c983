# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which of the remembered replies to give, and how likely it is to be taken for an answer.

The chance that a reader accepts a remembered reply is a logistic function of a few figures. Their
weights were fitted to the marks of readers: 1,600 remembered replies to 200 everyday questions,
Chinese and English, each left out in turn.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, pstdev

from .folding import fold

# Bias and weights: alone, and where a model was asked as well.
_ALONE = {"bias": -1.38, "similarity": 3.47, "foreign_history": -1.69, "carried": -1.10}
_WITH_MODEL = {
    "bias": -1.06,
    "similarity": 2.42,
    "foreign_history": -1.45,
    "carried": -0.87,
    "kinship": 0.43,
    "likelihood": 0.46,
}
# So many distinct replies are looked at more closely, and shown to the model.
JUDGED = 8


@dataclass(frozen=True)
class Remembered:
    """A question of the corpus that resembles what is asked, with its reply.

    Attributes:
        question: As it stands in the corpus.
        reply: What was answered.
        history: The turns before the question, oldest first.
        source: Where the corpus has it from.
        similarity: Cosine of the two questions, 0 to 1.
        place: Its row among the pairs of the memory.
        score: The chance that a reader accepts the reply, 0 to 1.
        judged: Whether a model's opinion is part of the score.
    """

    question: str
    reply: str
    history: tuple[str, ...]
    source: str
    similarity: float
    place: int
    score: float = 0.0
    judged: bool = False


Judge = Callable[[Sequence[str], Sequence[tuple[str, str]]], Sequence[tuple[float, float]]]


def rank(
    turns: Sequence[str],
    candidates: Sequence[Remembered],
    carried: Callable[[str, str, str], float],
    judge: Judge | None = None,
) -> list[Remembered]:
    """Order what was found by the chance that it is an answer, each reply once.

    Args:
        turns: The conversation, the turn to answer last.
        candidates: What resembles it.
        carried: Weighs what a reply takes from its own question and the one asked lacks; it is
            given the question asked, the remembered one and the reply.
        judge: A model's opinion of pairs (`ModelOpinion`); None where there is none.

    Returns:
        At most `JUDGED`, the best first.
    """
    figures = [
        {
            "bias": 1.0,
            "similarity": one.similarity,
            "foreign_history": foreign_history(turns[:-1], one.history),
            "carried": carried(turns[-1], one.question, one.reply),
        }
        for one in candidates
    ]
    found = _scored(candidates, figures, _ALONE)
    best = _first_of_each_reply(sorted(range(len(found)), key=lambda i: -found[i].score), found)
    if judge is None or not best:
        return [found[i] for i in best]
    opinions = judge(turns, [(found[i].question, found[i].reply) for i in best])
    standard = [_standardised(values) for values in zip(*opinions, strict=True)]
    for place, i in enumerate(best):
        figures[i] |= {"kinship": standard[0][place], "likelihood": standard[1][place]}
    judged = _scored([found[i] for i in best], [figures[i] for i in best], _WITH_MODEL)
    return sorted((replace(one, judged=True) for one in judged), key=lambda one: -one.score)


def foreign_history(asked: Sequence[str], remembered: Sequence[str]) -> float:
    """Say how much a remembered history speaks against a reply: 1 foreign, 0 none, -1 the same."""
    if not remembered:
        return 0.0
    return 1 - 2 * text_likeness("".join(asked), "".join(remembered))


def text_likeness(one: str, other: str) -> float:
    """Give the share of neighbouring characters that two texts have in common (Dice), 0 to 1."""
    counts = [
        Counter(text[i : i + 2] for i in range(len(text) - 1)) for text in map(fold, (one, other))
    ]
    total = counts[0].total() + counts[1].total()
    return 2 * (counts[0] & counts[1]).total() / total if total else 0.0


def _scored(
    candidates: Sequence[Remembered],
    figures: Sequence[dict[str, float]],
    weights: dict[str, float],
) -> list[Remembered]:
    sums = [sum(weight * row[name] for name, weight in weights.items()) for row in figures]
    chances = [1 / (1 + math.exp(-total)) for total in sums]
    return [replace(one, score=chance) for one, chance in zip(candidates, chances, strict=True)]


def _first_of_each_reply(order: Sequence[int], found: Sequence[Remembered]) -> list[int]:
    seen: dict[str, int] = {}
    for i in order:
        seen.setdefault(found[i].reply, i)
    return list(seen.values())[:JUDGED]


def _standardised(values: Sequence[float]) -> list[float]:
    """Subtract the mean and divide by the deviation: models differ in what they call alike."""
    mean, deviation = fmean(values), pstdev(values)
    return [(value - mean) / (deviation + 1e-6) for value in values]
