# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Copies and what only looks like one: pairs with a label that a person has given."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.near_copies import read_pairs, through_a_build
from data_builders.selecting.copies import LEAKS, alike, apart

PAIRS = read_pairs(Path(__file__).with_name("copies.tsv"))


@pytest.mark.parametrize(("first", "second", "copy"), PAIRS)
def test_a_build_takes_copies_for_copies_and_nothing_else(first, second, copy):
    assert bool(alike(first, second)) is bool(alike(second, first)) is copy
    assert through_a_build(first, second) is copy


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("这是一部什么类型的影片啊", "这是什么类型的影片啊"),
        ("where is the umbrella kept", "wheere is the umbrella kept"),
        ("今天下午两点我们在学校门口集合", "今天下午两点我们在学校大门口集合"),
        ("how do you get from the old harbour to the market square", "how do you get from the "
         "old harbour to the big market square"),
    ],
)  # fmt: skip
def test_a_question_that_is_nearly_a_held_out_one_is_known(one, other):
    assert 0 < apart(one, other) <= LEAKS


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("how many steps has tower number 7 of the castle", "how many steps has tower number 8 of "
         "the castle"),
        ("请问三月五日从北京到上海的火车几点开", "请问三月六日从北京到上海的火车几点开"),
        ("What is the capital of France?", "What is the capital of Spain?"),
        ("你觉得我应该去参加明天的比赛吗", "你觉得我不应该去参加明天的比赛吗"),
        ("他昨天为什么没有来上课", "她昨天为什么没有来上课"),
        ("我想你了", "你想我了"),
        ("喜欢吃鱼", "喜欢吃肉"),
        ("?", "!!"),
    ],
)  # fmt: skip
def test_what_says_something_else_is_as_far_apart_as_can_be_or_at_least_no_leak(one, other):
    assert apart(one, other) > LEAKS


def test_what_folds_to_the_same_is_not_apart():
    assert apart("Ｄｏｎ’ｔ go!!", "do not go") == apart("你好~😀", "你好") == 0
    assert apart("。。。", "。。。。") == 0
    # He is no "do not", where it stands in another word.
    assert apart("这两个词有什么区别", "这两个词区别是什么") < 1


def test_another_number_of_turns_is_another_dialogue():
    assert alike(["hi", "hello"], ["hi", "hello", "bye", "bye"]) == 0


@pytest.mark.parametrize("text", ["不" * 3000, "a b " * 3000, "9 1 " * 3000, "!(" * 5000])
def test_long_texts_are_measured_too(text):
    assert apart(text, text + "吗") <= 0.2
