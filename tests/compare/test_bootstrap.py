# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The ratio of two BLEU scores and its interval."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tfchat_hf.compare.bootstrap import bleu_counts, bleu_of, bleu_ratio
from tfchat_hf.measuring.metrics import corpus_bleu

CHARACTERS, WORDS = "我你他是不了好吗天气", "the a cat dog is not very good day yes".split()


def text(rng: random.Random, chinese: bool) -> str:
    if chinese:
        return "".join(rng.choices(CHARACTERS, k=rng.randint(0, 12)))
    return " ".join(rng.choices(WORDS, k=rng.randint(0, 12)))


def replies(count: int, chinese: int, seed: int) -> tuple[list[str], list[list[str]]]:
    """Makes replies and references, each `chinese`-th of them Chinese."""
    rng = random.Random(seed)
    kinds = [i % chinese == 0 for i in range(count)]
    known = [[text(rng, kind) + "。" * kind for _ in range(rng.randint(1, 4))] for kind in kinds]
    return [text(rng, kind) for kind in kinds], known


@pytest.mark.parametrize("chinese", [1, 3, 50, 1000])
def test_the_counts_sum_up_to_the_bleu_of_the_table(chinese: int) -> None:
    said, known = replies(120, chinese, seed=chinese)
    assert bleu_of(bleu_counts(said, known)) == pytest.approx(corpus_bleu(said, known).score)


def test_a_question_drawn_twice_counts_twice() -> None:
    said, known = replies(40, 1, seed=0)
    times = np.array([2, 0] * 20)
    twice = [i for i in range(0, 40, 2) for _ in range(2)]
    expected = corpus_bleu([said[i] for i in twice], [known[i] for i in twice]).score
    assert bleu_of(bleu_counts(said, known), times) == pytest.approx(expected)


def test_the_same_replies_have_the_ratio_one_in_every_draw() -> None:
    counts = bleu_counts(*replies(60, 1, seed=0))
    assert bleu_ratio([counts], counts) == pytest.approx((1, 1, 1))


def test_the_ratio_is_of_the_mean_over_seeds() -> None:
    said, known = replies(60, 1, seed=0)
    right = [refs[0] for refs in known]
    one, other = bleu_counts(said, known), bleu_counts(right, known)
    found = bleu_ratio([one, other], one)
    assert found.value == pytest.approx((bleu_of(one) + bleu_of(other)) / 2 / bleu_of(one))


def test_the_interval_holds_the_ratio_and_narrows_with_more_questions() -> None:
    widths = []
    for count in (60, 960):
        said, known = replies(count, 1, seed=1)
        half = [known[i][0] if i % 2 else said[i] for i in range(count)]
        third = [known[i][0] if i % 3 else said[i] for i in range(count)]
        found = bleu_ratio([bleu_counts(third, known)], bleu_counts(half, known))
        assert found.low < found.value < found.high
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2


def test_the_same_draws_each_time() -> None:
    said, known = replies(60, 1, seed=0)
    counts, base = bleu_counts(said[::-1], known), bleu_counts(said, known)
    assert bleu_ratio([counts], base) == bleu_ratio([counts], base)


def test_nothing_is_compared_with_a_score_of_zero() -> None:
    known = [["the cat"], ["a dog"]]
    counts = bleu_counts(["x", "y"], known)
    assert bleu_ratio([counts], counts) is None
