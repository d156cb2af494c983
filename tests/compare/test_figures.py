# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The figures of a row, its goals, and how sure the ratio of two BLEU scores is."""

from __future__ import annotations

import random

import numpy as np
import pytest
from transformers import GenerationConfig

from tfchat_hf.compare.decode import Replies, Row
from tfchat_hf.compare.figures import (
    Ratio,
    RowFigures,
    bleu_counts,
    bleu_of,
    bleu_ratio,
    describe_baseline,
    describe_rows,
)
from tfchat_hf.examples.questions import Question
from tfchat_hf.measuring.metrics import corpus_bleu, describe_replies

ASKED = [
    Question(["one two three four"], [1], ["a b c d e"]),
    Question(["x"], [2], ["f g h i j", "k l"]),
]
GREEDY = Replies(["a b c d", "a b c d"], tokens=10, seconds=2.0)
COPIED = Replies(["one two three", "f g h i j"], tokens=10, seconds=1.0)


def described(*rows: list[Replies]) -> list[RowFigures]:
    """Return the figures of rows, the first of them greedy search."""
    config = GenerationConfig(top_k=7)
    names = ["greedy", *(f"row {number}" for number in range(1, len(rows)))]
    answered = [(Row(name, config, True), one) for name, one in zip(names, rows, strict=True)]
    return describe_rows(answered, ASKED)


def test_a_row_has_the_figures_of_metrics_json_and_those_of_the_comparison() -> None:
    (found,) = described([COPIED])
    expected = describe_replies(COPIED.texts, [question.references for question in ASKED])
    assert expected.items() <= found.figures.items()
    assert found.figures["copy_rate"] == 3 / 8 and found.figures["echo_share"] == 0
    assert found.figures["tokens_per_second"] == 10
    assert (found.name, found.kind, found.settings) == ("greedy", "preset", {"top_k": 7})


def test_several_seeds_give_mean_and_range() -> None:
    alone, both = described([GREEDY], [GREEDY, COPIED])
    assert both.figures["tokens_per_second"] == 7.5
    assert both.ranges["tokens_per_second"] == (5, 10)
    assert both.ranges["mean_length"] == (4, 4)
    assert both.seeds == [0, 1] and not alone.ranges


def test_a_row_is_compared_with_greedy_search() -> None:
    greedy, found = described([GREEDY], [COPIED])
    variety = found.figures["distinct_2"] / greedy.figures["distinct_2"]
    assert found.distinct_2_over_greedy == variety
    likeness = found.figures["bleu"] / greedy.figures["bleu"]
    assert found.bleu_over_greedy.value == pytest.approx(likeness)
    assert greedy.distinct_2_over_greedy is greedy.bleu_over_greedy is None


def test_a_person_is_compared_with_other_people() -> None:
    said = [question.references[0] for question in ASKED]
    assert describe_baseline("human", said, ASKED).figures["scored_replies"] == 1
    assert describe_baseline("nearest_question", said, ASKED).figures["exact_match"] == 1


@pytest.mark.parametrize(
    ("loops", "variety", "bleu", "goals"),
    [
        (0.0049, 2.0, Ratio(0.95, 0.95, 1.2), ("yes", "yes", "yes")),
        (0.005, 1.99, Ratio(0.94, 0.8, 0.949), ("no", "no", "no")),
        (0.0, 3.0, Ratio(1.1, 0.8, 1.3), ("yes", "yes", "yes?")),
        (0.0, 3.0, Ratio(0.9, 0.8, 1.0), ("yes", "yes", "no?")),
    ],
)
def test_the_goals_by_hand(loops: float, variety: float, bleu: Ratio, goals: tuple) -> None:
    found = RowFigures("a", "preset", {"repetition": loops})
    found.distinct_2_over_greedy, found.bleu_over_greedy = variety, bleu
    assert tuple(found.goals().values()) == goals


# ------------------------------------------------------------------------------ how sure a ratio is


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
    assert bleu_ratio([counts], counts) == Ratio(1, 1, 1)


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
