# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the replies of a row are like, alone and beside those of greedy search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..examples.questions import Question
from ..measuring.metrics import copy_rate, describe_answers, echo_share
from .bootstrap import BleuCounts, Ratio, bleu_counts, bleu_ratio
from .decoder import Replies

# What a preset for everyday talk should reach.
MOST_LOOPS = 0.005
LEAST_DISTINCT_RATIO = 2.0
LEAST_BLEU_RATIO = 0.95


@dataclass
class RowFigures:
    """The figures of one row of the table.

    Attributes:
        name: of the row.
        kind: "preset", "setting" or "baseline".
        figures: the mean over the seeds.
        ranges: smallest and largest, where there are several seeds.
        distinct_2_ratio: to greedy's; None for greedy itself and for baselines.
        bleu_ratio: likewise, with its interval.
        settings: that differ from transformers' defaults.
        seeds: that were decoded.
    """

    name: str
    kind: str
    figures: dict[str, Any]
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    distinct_2_ratio: float | None = None
    bleu_ratio: Ratio | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=list)

    def goals(self) -> dict[str, str]:
        """Says which goals the row reaches: "yes", "no", or with a "?" where chance decides."""
        found = {"loops": _yes(self.figures["repetition"] < MOST_LOOPS)}
        if self.distinct_2_ratio is not None:
            found["distinct_2"] = _yes(self.distinct_2_ratio >= LEAST_DISTINCT_RATIO)
        if self.bleu_ratio is not None:
            value, low, high = self.bleu_ratio
            sure = not low < LEAST_BLEU_RATIO <= high
            found["bleu"] = _yes(value >= LEAST_BLEU_RATIO) + ("" if sure else "?")
        return found

    def as_json(self) -> dict[str, Any]:
        """Gives everything, for ladder.json."""
        ratio = self.bleu_ratio
        return {
            "name": self.name,
            "kind": self.kind,
            "settings": self.settings,
            "seeds": self.seeds,
            "figures": self.figures,
            "ranges": {name: list(limits) for name, limits in self.ranges.items()},
            "distinct_2_over_greedy": self.distinct_2_ratio,
            "bleu_over_greedy": None if ratio is None else ratio._asdict(),
            "goals": self.goals(),
        }


def _yes(holds: bool) -> str:
    """Spells a truth value."""
    return "yes" if holds else "no"


def describe(
    texts: Sequence[str],
    questions: Sequence[Question],
    frequent: Sequence[str] = (),
    references: Sequence[Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Gives all figures of one set of replies.

    Args:
        texts: one reply a question.
        questions: that they answer.
        frequent: replies that training has most often.
        references: right answers to each; those of the questions, fewer for a person's replies.
    """
    contexts = [question.context for question in questions]
    return {
        **describe_answers(texts, questions, frequent, references),
        "copy_rate": copy_rate(texts, contexts),
        "echo_share": echo_share(texts, contexts),
    }


def describe_row(
    answers: Sequence[Replies], questions: Sequence[Question], frequent: Sequence[str] = ()
) -> RowFigures:
    """Gives the figures of a row; its name and settings are for the caller to add.

    Args:
        answers: one for each seed.
        questions: that they answer.
        frequent: replies that training has most often.
    """
    found = [
        {
            **describe(one.texts, questions, frequent),
            "tokens_per_second": one.tokens / max(one.seconds, 1e-9),
            "seconds": one.seconds,
        }
        for one in answers
    ]
    mean, ranges = dict(found[0]), {}
    for name, value in found[0].items():
        values = [row[name] for row in found]
        if isinstance(value, (int, float)) and len(values) > 1:
            mean[name], ranges[name] = sum(values) / len(values), (min(values), max(values))
    return RowFigures("", "", mean, ranges)


class AgainstGreedy:
    """Compares rows with greedy search.

    Args:
        greedy: its replies.
        questions: that all rows answer.
    """

    def __init__(self, greedy: Replies, questions: Sequence[Question]) -> None:
        """Counts greedy's n-grams once."""
        self.questions = questions
        self.base = self._counts(greedy)
        self.distinct_2 = describe_row([greedy], questions).figures["distinct_2"]

    def compare(self, row: RowFigures, answers: Sequence[Replies]) -> None:
        """Adds the two ratios to a row.

        Args:
            row: what `describe_row` gave.
            answers: the same replies.
        """
        if self.distinct_2:
            row.distinct_2_ratio = row.figures["distinct_2"] / self.distinct_2
        row.bleu_ratio = bleu_ratio([self._counts(one) for one in answers], self.base)

    def _counts(self, replies: Replies) -> BleuCounts:
        """Counts what BLEU is summed up from."""
        return bleu_counts(replies.texts, [question.references for question in self.questions])
