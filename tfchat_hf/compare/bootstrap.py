# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How sure a ratio of two BLEU scores is: both on the same questions, drawn again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sacrebleu.metrics import BLEU

from ..measuring.metrics import TOKENIZATIONS, languages_of

DRAWS = 200
_ORDERS = 4


class Ratio(NamedTuple):
    """A ratio and between what it lies in 95 of 100 draws of the questions."""

    value: float
    low: float
    high: float


class BleuCounts(NamedTuple):
    """What BLEU is summed up from.

    Attributes:
        languages: of each question.
        rows: `(questions, 10)`: the lengths of reply and reference, then for each order of
            n-grams how many are right, and how many there are.
    """

    languages: list[str]
    rows: np.ndarray


def bleu_counts(replies: Sequence[str], references: Sequence[Sequence[str]]) -> BleuCounts:
    """Counts the n-grams of each reply.

    Args:
        replies: one text a question.
        references: right answers to each question, at least one.
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
    """Gives the BLEU of counted replies; that of `corpus_bleu` if each counts once.

    Args:
        counts: of `bleu_counts`.
        times: how often each question counts, `(questions,)`; None for once.
    """
    times = np.ones(len(counts.rows), dtype=np.int64) if times is None else times
    total = 0.0
    for name in sorted(set(counts.languages)):
        own = np.array([language == name for language in counts.languages]) * times
        total += own.sum() * _score(own @ counts.rows)
    return float(total / max(times.sum(), 1))


def _score(sums: np.ndarray) -> float:
    """Gives the BLEU of summed counts `(10,)`, smoothed as `corpus_bleu` is."""
    sys_len, ref_len, *grams = sums.tolist()
    right, there = grams[:_ORDERS], grams[_ORDERS:]
    return BLEU.compute_bleu(right, there, sys_len, ref_len, smooth_method="exp").score


def bleu_ratio(
    replies: Sequence[BleuCounts], base: BleuCounts, draws: int = DRAWS, seed: int = 0
) -> Ratio | None:
    """Divides the BLEU of one set of replies by that of another to the same questions.

    Args:
        replies: counts of the same questions, several where they were sampled several times:
            their mean is taken.
        base: counts of what they are compared with.
        draws: how often as many questions are drawn, with repetition.
        seed: of the draws.

    Returns:
        The ratio and its interval (paired bootstrap; Koehn, 2004); None where `base` scores 0.
    """
    whole = bleu_of(base)
    if not whole:
        return None
    number = len(base.rows)
    rng = np.random.default_rng(seed)
    ratios = []
    for times in rng.multinomial(number, np.full(number, 1 / number), size=draws):
        below = bleu_of(base, times)
        if below:
            ratios.append(np.mean([bleu_of(counts, times) for counts in replies]) / below)
    low, high = np.percentile(ratios, [2.5, 97.5]) if ratios else (0.0, np.inf)
    value = np.mean([bleu_of(counts) for counts in replies]) / whole
    return Ratio(float(value), float(low), float(high))
