# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Copies and what only looks like one: pairs with a label that a person has given."""

from __future__ import annotations

from itertools import combinations
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


def test_no_more_is_measured_than_is_asked_for():
    for first, second, _ in PAIRS:
        for one, other in zip(first, second, strict=True):
            far = apart(one, other)
            assert apart(one, other, LEAKS) == far or min(far, apart(one, other, LEAKS)) > LEAKS


def test_another_number_of_turns_is_another_dialogue():
    assert alike(["hi", "hello"], ["hi", "hello", "bye", "bye"]) == 0


@pytest.mark.parametrize(
    "text", ["不" * 3000, "a b " * 3000, "9 1 " * 3000, "!(" * 5000, "，。" * 9000]
)
def test_long_texts_are_measured_too(text):
    assert apart(text, text + "吗") <= 0.2


LONG = (
    "Water the fern twice a week with rain from the barrel and keep it out of the midday sun, "
    "then turn the pot a little every morning. "
)
LANG = (
    "蕨类植物每周浇两次水，最好用桶里的雨水，中午不要晒太阳，每天早上把花盆转一转，这样长得匀称。"
)
CODES = [*"ABCDEGKMSTU", "AA", "BA", "AB", "AS", "BS", "AM", "IS", "DO", "OK"]


@pytest.mark.parametrize(
    ("question", "reply", "names"),
    [
        ("Please tell me the colour of kite {} in the shed", "Kite {} in the shed is blue", CODES),
        ("Where is kite {} now?", "Kite {} is up in the air.", CODES),
        ("请问{}队的帐篷在哪一片草地上？", "{}队的帐篷在河边的那片草地上。", "ABCDEFGHIJKLMNOP"),
        ("Which shelf of the four is the right one for this jar?", "The right shelf for this jar "
         "is {}, because the label says so.", "ABCD"),
        ("where is kite x{} now", "up in the air", "asmdtu"),
        ("Please find kite {} in the shed", "Kite {} hangs in the shed behind the old oars.",
         ["ABCD", "ABDC", "ABCDE", "ABB", "AB"]),
        ("Tell me where the path to {} begins on this map", "The path to {} begins at the well.",
         ["Jonah", "Johna", "Fern", "Ferns", "Old Fern"]),
        ("请问{}酱放在哪一层架子上？", "{}酱放在窗边的第二层架子上。", ["梨", "青梨", "梨花"]),
    ],
)  # fmt: skip
def test_a_template_filled_in_with_letters_has_no_copies(question, reply, names):
    rows = [(question.format(name), reply.format(name)) for name in names]
    assert [couple for couple in combinations(rows, 2) if alike(*couple)] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A kite is up.", "a kite is up"),
        ("Is it up? A kite is.", "is it up a kite is"),
        ("WHERE IS A KITE", "where is a kite"),
        ("哈哈哈哈哈", "哈哈哈"),
        ("二十一位木匠", "21位木匠"),
        ("hhhhhh", "hhhh"),
    ],
)
def test_what_is_only_written_otherwise_is_not_apart(one, other):
    assert apart(one, other) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LONG + "Give it 5 mg of salt.", LONG + "Give it 5 ml of salt."),
        (LONG + "Avoid snails.", LONG + "Avoid slugs."),
        (LONG + "Ask Wren.", LONG + "Ask Finch."),
        (LANG + "忌盐。", LANG + "忌糖。"),
        (LANG + "不要浇茶。", LANG + "不要浇奶。"),
        (LANG + "每次5克。", LANG + "每次5毫克。"),
        (LANG + "每次五勺。", LANG + "每次五杯。"),
        ("请问从松溪到竹溪的渡船票在哪里可以买到，要带什么东西？",
         "请问从松溪到梅溪的渡船票在哪里可以买到，要带什么东西？"),
        ("How do I sail from Fernby to Oakham with a small goat in the boat next week?",
         "How do I sail from Oakham to Fernby with a small goat in the boat next week?"),
        ("昨天下午在河边是白鹅追着黄狗跑了一圈又一圈吗？",
         "昨天下午在河边是黄狗追着白鹅跑了一圈又一圈吗？"),
        (LONG + "Can I do so in Fernby?", LONG + "Can I do so in Oakham?"),
    ],
)  # fmt: skip
def test_one_thing_that_differs_makes_another_text_however_long_it_is(one, other):
    assert alike((one, "yes"), (other, "yes")) == alike(("well?", one), ("well?", other)) == 0
