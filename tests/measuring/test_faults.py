# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Dull replies and replies in the wrong language, counted by hand."""

from __future__ import annotations

from tfchat_hf.examples.questions import Question
from tfchat_hf.measuring.faults import describe_answers, dull_share, language_mismatch
from tfchat_hf.measuring.metrics import describe_replies


def test_a_reply_is_dull_whatever_its_punctuation_and_case() -> None:
    replies = ["我不知道。", "I DON'T know!!", "我不知道他在哪里", "Noodles, I think", "哈哈！"]
    assert dull_share(replies) == 3 / 5


def test_a_reply_that_training_has_most_often_is_dull_too() -> None:
    assert dull_share(["吃面吧", "吃饭吧！"], frequent=["吃饭吧"]) == 0.5
    assert dull_share([]) == 0.0


def test_the_wrong_language_counts_and_mixed_texts_do_not() -> None:
    questions = ["你叫什么名字", "What is your name?", "你好吗", "How are you", "6"]
    replies = ["My name is Bob", "我叫小明", "我喜欢 iPhone", ":)", "seven"]
    assert language_mismatch(replies, questions) == 2 / 5


def test_all_figures_of_one_set_of_replies_stand_together() -> None:
    questions = [Question(["早", "你吃了吗"], [1], ["吃了"]), Question(["你好"], [2], ["你好"])]
    found = describe_answers(["吃吃了了", "Hello there"], questions)
    assert found["stutter"] == 0.5 and found["language_mismatch"] == 0.5 and found["dull"] == 0
    plain = describe_replies(["吃吃了了", "Hello there"], [["吃了"], ["你好"]])
    assert {name: found[name] for name in plain} == plain
