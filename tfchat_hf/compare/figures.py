# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the replies of a row are like, alone and beside those of greedy search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from sacrebleu import BLEU

from ..examples.questions import Question
from ..measuring.metrics import (
    TOKENIZATIONS,
    copy_rate,
    describe_answers,
    echo_share,
    languages_of,
)
from .decode import BASE_ROW, Replies, Row

# What a preset for everyday talk should reach.
MOST_LOOPS = 0.005
LEAST_DISTINCT_RATIO = 2.0
LEAST_BLEU_RATIO = 0.95
DRAWS = 200
_ORDERS = 4


@dataclass
class Ratio:
    """A ratio and between what it lies in 95 of 100 draws of the questions."""

    value: float
    low: float
    high: float


@dataclass
class RowFigures:
    """The figures of one row of the table.

    Attributes:
        name: Of the row.
        kind: "preset", "setting" or "baseline".
        figures: The mean over the seeds.
        ranges: Smallest and largest, where there are several seeds.
        distinct_2_over_greedy: A ratio; None for greedy itself and for baselines.
        bleu_over_greedy: Likewise, with its interval.
        settings: That differ from transformers' defaults.
        seeds: That were decoded.
    """

    name: str
    kind: str
    figures: dict[str, Any]
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    distinct_2_over_greedy: float | None = None
    bleu_over_greedy: Ratio | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=list)

    def goals(self) -> dict[str, str]:
        """Say which goals the row reaches: "yes", "no", or with a "?" where chance decides."""
        reached = {"loops": self.figures["repetition"] < MOST_LOOPS}
        if self.distinct_2_over_greedy is not None:
            reached["distinct_2"] = self.distinct_2_over_greedy >= LEAST_DISTINCT_RATIO
        if (ratio := self.bleu_over_greedy) is not None:
            reached["bleu"] = ratio.value >= LEAST_BLEU_RATIO
        found = {name: "yes" if holds else "no" for name, holds in reached.items()}
        if ratio is not None and ratio.low < LEAST_BLEU_RATIO <= ratio.high:
            found["bleu"] += "?"
        return found

    def as_json(self) -> dict[str, Any]:
        """Return everything."""
        return {**asdict(self), "goals": self.goals()}


def describe_rows(
    answered: Sequence[tuple[Row, Sequence[Replies]]],
    questions: Sequence[Question],
    frequent: Sequence[str] = (),
) -> list[RowFigures]:
    """Measure the replies of all rows and compare them with greedy search.

    Args:
        answered: Rows with their replies, one for each seed; greedy search first.
        questions: That all rows answer.
        frequent: Replies that training has most often.
    """
    references = [question.references for question in questions]
    base = bleu_counts(answered[0][1][0].texts, references)
    described: list[RowFigures] = []
    for row, replies in answered:
        figures, ranges = _over_seeds([_measure(one, questions, frequent) for one in replies])
        kind, seeds = "preset" if row.is_preset else "setting", list(range(len(replies)))
        one = RowFigures(row.name, kind, figures, ranges, settings=row.settings(), seeds=seeds)
        if row.name != BASE_ROW:
            if least := described[0].figures["distinct_2"]:
                one.distinct_2_over_greedy = figures["distinct_2"] / least
            counts = [bleu_counts(said.texts, references) for said in replies]
            one.bleu_over_greedy = bleu_ratio(counts, base)
        described.append(one)
    return described


def describe_baseline(
    name: str, texts: Sequence[str], questions: Sequence[Question], frequent: Sequence[str] = ()
) -> RowFigures:
    """Measure replies that need no model.

    A person's replies are compared with what other people said to the same words, as in
    `score_baselines`.
    """
    others = [question.references[1:] for question in questions] if name == "human" else None
    return RowFigures(name, "baseline", _describe(texts, questions, frequent, others))


def _measure(
    replies: Replies, questions: Sequence[Question], frequent: Sequence[str]
) -> dict[str, Any]:
    """Return the figures of one seed, its speed among them."""
    return {
        **_describe(replies.texts, questions, frequent),
        "tokens_per_second": replies.tokens / max(replies.seconds, 1e-9),
        "seconds": replies.seconds,
    }


def _describe(
    texts: Sequence[str],
    questions: Sequence[Question],
    frequent: Sequence[str],
    references: Sequence[Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Return the figures of texts: those of metrics.json, and what is copied from the question."""
    contexts = [question.context for question in questions]
    return {
        **describe_answers(texts, questions, frequent, references),
        "copy_rate": copy_rate(texts, contexts),
        "echo_share": echo_share(texts, contexts),
    }


def _over_seeds(
    found: Sequence[dict[str, Any]],
) -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Return the mean of each figure, and smallest and largest where there are several seeds."""
    mean, ranges = dict(found[0]), {}
    for name, value in found[0].items():
        values = [row[name] for row in found]
        if isinstance(value, (int, float)) and len(values) > 1:
            mean[name], ranges[name] = sum(values) / len(values), (min(values), max(values))
    return mean, ranges


# --------------------------------------------------------------------------- how sure a ratio is


class BleuCounts(NamedTuple):
    """What BLEU is summed up from.

    Attributes:
        languages: Of each question.
        rows: `(questions, 10)`: the lengths of reply and reference, then for each order of
            n-grams how many are right, and how many there are.
    """

    languages: list[str]
    rows: np.ndarray


def bleu_counts(replies: Sequence[str], references: Sequence[Sequence[str]]) -> BleuCounts:
    """Count the n-grams of each reply.

    Args:
        replies: One text a question.
        references: Right answers to each question, at least one.
    """
    languages = languages_of(references)
    # effective_order only keeps sentence_score from warning of short sentences: the counts are
    # the same.
    metrics = {
        name: BLEU(tokenize=TOKENIZATIONS[name], effective_order=True, force=True)
        for name in set(languages)
    }
    rows = []
    for name, reply, known in zip(languages, replies, references, strict=True):
        found = metrics[name].sentence_score(reply, list(known))
        rows.append([found.sys_len, found.ref_len, *found.counts, *found.totals])
    return BleuCounts(languages, np.array(rows, dtype=np.int64).reshape(-1, 2 + 2 * _ORDERS))


def bleu_of(counts: BleuCounts, times: np.ndarray | None = None) -> float:
    """Return the BLEU of counted replies; that of `corpus_bleu` if each counts once.

    Args:
        counts: Of `bleu_counts`.
        times: How often each question counts, `(questions,)`; None for once.
    """
    times = np.ones(len(counts.rows), dtype=np.int64) if times is None else times
    total = 0.0
    for name in sorted(set(counts.languages)):
        own = np.array([language == name for language in counts.languages]) * times
        sys_len, ref_len, *grams = (own @ counts.rows).tolist()
        lengths = (grams[:_ORDERS], grams[_ORDERS:], sys_len, ref_len)
        total += own.sum() * BLEU.compute_bleu(*lengths, smooth_method="exp").score
    return float(total / max(times.sum(), 1))


def bleu_ratio(replies: Sequence[BleuCounts], base: BleuCounts) -> Ratio | None:
    """Divide the BLEU of one set of replies by that of another to the same questions.

    Args:
        replies: Counts of the same questions, several where they were sampled several times:
            their mean is taken.
        base: Counts of what they are compared with.

    Returns:
        The ratio and its interval (paired bootstrap of as many questions, `DRAWS` times; Koehn,
        2004); None where `base` scores 0.
    """
    whole = bleu_of(base)
    if not whole:
        return None
    number = len(base.rows)
    rng = np.random.default_rng(0)
    ratios = []
    for times in rng.multinomial(number, np.full(number, 1 / number), size=DRAWS):
        if below := bleu_of(base, times):
            ratios.append(np.mean([bleu_of(counts, times) for counts in replies]) / below)
    low, high = np.percentile(ratios, [2.5, 97.5]) if ratios else (0.0, np.inf)
    value = np.mean([bleu_of(counts) for counts in replies]) / whole
    return Ratio(float(value), float(low), float(high))
