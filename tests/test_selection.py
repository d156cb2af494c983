# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The rule that selects a checkpoint, by hand and on a tiny model."""

from __future__ import annotations

import pytest

from tests.two_processes import make_model, make_questions, make_tokenizer
from tfchat_hf.metrics import DISTINCT_REPLIES
from tfchat_hf.questions import Question
from tfchat_hf.selection import ReplyAssessor, human_distinct_2, selection_score


@pytest.mark.parametrize(
    ("loss", "distinct_2", "human", "weight", "expected"),
    [
        (3.0, 0.4, 0.8, 1.0, 3.5),  # half as varied as people: half the weight
        (3.0, 0.8, 0.8, 1.0, 3.0),
        (3.0, 0.9, 0.8, 1.0, 3.0),  # more varied than people earns nothing
        (3.0, 0.0, 0.8, 2.0, 5.0),
        (3.0, 0.0, 0.8, 0.0, 3.0),  # weight 0 selects by the loss
        (3.0, 0.0, 0.0, 1.0, 3.0),  # one-word replies: nothing to compare with
    ],
)
def test_score_by_hand(loss, distinct_2, human, weight, expected):
    assert selection_score(loss, distinct_2, human, weight) == pytest.approx(expected)


def test_the_dull_checkpoint_loses_though_its_loss_is_lower():
    dull = selection_score(3.0, 0.01, 0.8)
    varied = selection_score(3.2, 0.5, 0.8)
    assert varied < dull


def test_people_are_measured_over_as_many_replies_as_the_model():
    many = [Question([], [], [f"w{i} x{i}"]) for i in range(DISTINCT_REPLIES)]
    same = [Question([], [], ["w0 x0"])] * DISTINCT_REPLIES
    assert human_distinct_2(many + same) == 1
    assert human_distinct_2(same) == pytest.approx(1 / DISTINCT_REPLIES)


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer):
    return make_model(tokenizer)


@pytest.mark.parametrize("split", [True, False])
def test_assessor_gives_numbers_and_replies(tokenizer, model, split):
    questions = make_questions(tokenizer)
    assessor = ReplyAssessor(questions, tokenizer, 0.9, 4, diversity_weight=2.0, split=split)
    assert assessor.replies == []
    found, replies = assessor(model, 1.5)
    assert assessor.replies == replies and len(replies) == len(questions)
    wanted = {"distinct_1", "distinct_2", "repetition", "top_reply_share", "mean_length"}
    assert wanted | {"bleu", "f1", "selection_score"} <= set(found)
    # a curve is made of numbers: text would be a warning of the reporters at each evaluation
    assert {type(value) for value in found.values()} <= {int, float}
    expected = 1.5 + 2.0 * (1 - min(1, found["distinct_2"] / 0.9))
    assert found["selection_score"] == pytest.approx(expected)
