# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The look-up baseline, worked out by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import look_up  # noqa: E402

PAIRS = [("今天天气怎么样", "我看不见窗外。"), ("吃了吗", "我吃电。"), ("how are you", "Humming.")]


@pytest.fixture(scope="module")
def index():
    return look_up.LookUp(PAIRS)


@pytest.mark.parametrize(
    ("question", "reply"),
    [("天气怎样", "我看不见窗外。"), ("你吃了吗？", "我吃电。"), ("How are you?!", "Humming.")],
)
def test_the_reply_to_the_most_similar_question_is_given(index, question, reply):
    assert index.nearest(question)[0] == reply


def test_the_same_question_has_a_cosine_of_one_and_nothing_in_common_one_of_none(index):
    assert index.nearest("HOW are you")[1] == pytest.approx(1)
    assert index.nearest("龘")[1] == index.nearest("?!")[1] == 0


def test_the_cosine_is_that_of_weights_by_hand():
    # "ab" against "ab" and "ac": grams a, b, ab; a stands in both, so its weight is ln 1 + 1.
    index = look_up.LookUp([("ab", "x"), ("ac", "y")])
    rare = 1 + 0.6931471805599453
    norm = (1 + 2 * rare**2) ** 0.5
    assert index.nearest("a")[1] == pytest.approx(1 / norm)
