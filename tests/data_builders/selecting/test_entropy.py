# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The entropy filter against the formula, with Counter and math.log2."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.selecting.entropy import SIDES, entropies, too_open

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=40)


def arrays(values: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    # Keys of a build use all 64 bits.
    scattered = np.array(values, dtype=np.uint64).reshape(-1, 2) * np.uint64(0x9E3779B97F4A7C15)
    return scattered[:, 0], scattered[:, 1]


def by_formula(values: list[tuple[int, int]]) -> list[float]:
    others = defaultdict(Counter)
    for key, other in values:
        others[key][other] += 1
    bits = {}
    for key, counts in others.items():
        total = sum(counts.values())
        bits[key] = -sum(n / total * math.log2(n / total) for n in counts.values())
    return [bits[key] for key, _ in values]


@given(pairs)
def test_entropies_are_the_formula(values):
    assert entropies(*arrays(values)) == pytest.approx(by_formula(values), abs=1e-12)


@given(pairs, st.floats(0, 3), st.sampled_from(SIDES))
def test_each_side_marks_what_is_above_the_threshold(values, threshold, sides):
    # Away from the threshold: the last bit of a sum of logarithms may go either way.
    source = by_formula(values)
    target = by_formula([(reply, question) for question, reply in values])
    if any(abs(bits - threshold) < 1e-9 for bits in source + target):
        return
    expected = [
        (sides in ("source", "both") and one > threshold)
        or (sides in ("target", "both") and other > threshold)
        for one, other in zip(source, target, strict=True)
    ]
    assert too_open(*arrays(values), sides, threshold).tolist() == expected


# A question with many replies, a reply to many questions, and a pair that nothing is wrong with.
ANY_REPLY = [(0, reply) for reply in range(10, 14)]
ANY_QUESTION = [(question, 1) for question in range(20, 24)]
GOOD = [(3, 4), (3, 4), (5, 6)]


@pytest.mark.parametrize(
    "sides, gone",
    [
        ("none", []),
        ("source", ANY_REPLY),
        ("target", ANY_QUESTION),
        ("both", ANY_REPLY + ANY_QUESTION),
    ],
)
def test_open_questions_are_of_the_source_and_dull_replies_of_the_target(sides, gone):
    values = ANY_REPLY + ANY_QUESTION + GOOD
    marked = too_open(*arrays(values), sides, 1.0)
    assert [pair for pair, out in zip(values, marked, strict=True) if out] == gone


def test_the_threshold_itself_is_not_too_much():
    four_replies = arrays([(0, reply) for reply in range(4)])
    assert entropies(*four_replies).tolist() == [2.0] * 4
    assert not too_open(*four_replies, "source", 2.0).any()
    assert too_open(*four_replies, "source", 1.99).all()
    # One reply, however often, is no choice: even a threshold of 0 keeps it.
    assert not too_open(*arrays([(0, 1)] * 5), "both", 0.0).any()


def test_nothing_at_all():
    empty = np.zeros(0, dtype=np.uint64)
    assert len(entropies(empty, empty)) == 0 == len(too_open(empty, empty, "both", 1.0))
