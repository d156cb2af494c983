# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What needs no model: people, the nearest question, a random and the most frequent reply."""

from __future__ import annotations

import pytest
from datasets import Dataset

from tfchat_hf.examples.questions import Question as Q
from tfchat_hf.examples.tokenized import key_of
from tfchat_hf.measuring.baselines import (
    BASELINES,
    baseline_replies,
    nearest_replies,
    score_baselines,
)

QUESTIONS = [Q(["a"], [1], ["x y", "z", "x y"]), Q(["b"], [2], ["only one"])]


def training(*pairs: tuple[list[str], str]) -> Dataset:
    """Return training pairs with the columns that are read."""
    return Dataset.from_dict(
        {
            "context": [turns for turns, _ in pairs],
            "reply": [reply for _, reply in pairs],
            "reply_key": [key_of(reply.encode()) for _, reply in pairs],
        }
    )


TRAIN = training(
    (["今天天气怎么样"], "晴天"),
    (["早", "你喜欢吃什么水果"], "苹果"),
    (["What is your favourite film?"], "Any old one."),
    (["再见"], "苹果"),
)


def test_the_nearest_question_answers_by_its_newest_turn():
    asked = [Q(["你最喜欢什么水果呀"], [1]), Q(["再见", "明天天气怎么样"], [2])]
    asked.append(Q(["what's your favourite film"], [3]))
    assert nearest_replies(asked, TRAIN) == ["苹果", "晴天", "Any old one."]


def test_a_question_near_to_none_gets_the_most_frequent_reply():
    assert nearest_replies([Q(["zzzzz"], [1])], TRAIN) == ["苹果"]


def test_all_baselines_answer_each_question():
    replies = baseline_replies(QUESTIONS, TRAIN, seed=0)
    assert tuple(replies) == BASELINES
    assert replies["human"] == ["x y", "only one"]
    assert replies["most_frequent_reply"] == ["苹果", "苹果"]
    assert {len(texts) for texts in replies.values()} == {2}


def test_a_person_is_scored_against_other_people():
    row = score_baselines(QUESTIONS, {"human": ["x y", "only one"]})["human"]
    # of two questions one has other answers, "z" and "x y": the latter is what was said
    assert (row["replies"], row["scored_replies"], row["exact_match"]) == (2, 1, 1)
    unlike = score_baselines([Q(["a"], [1], ["x y", "z"])], {"human": ["x y"]})["human"]
    assert unlike["exact_match"] == 0 and unlike["f1"] == 0


def test_a_person_without_others_gets_no_score():
    row = score_baselines(QUESTIONS[1:], {"human": ["only one"]})["human"]
    assert row["scored_replies"] == 0 and "bleu" not in row and "exact_match" not in row
    assert row["mean_length"] == 2  # what needs no comparison is there


def test_the_others_are_scored_against_all_references():
    replies = {"random_training_reply": ["z", "no"], "most_frequent_reply": ["only one"] * 2}
    rows = score_baselines(QUESTIONS, replies, frequent=["only one"])
    assert rows["random_training_reply"]["exact_match"] == 0.5
    assert rows["most_frequent_reply"]["top_reply_share"] == 1
    assert rows["most_frequent_reply"]["dull"] == 1
    assert rows["random_training_reply"]["dull"] == pytest.approx(0.5)  # "no" is said to anything
