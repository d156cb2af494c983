# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The rule that selects a checkpoint, by hand and on a tiny model."""

from __future__ import annotations

import pytest

from tests.two_processes import make_model, make_questions, make_tokenizer
from tfchat_hf.measuring.selection import ReplyAssessor, selection_score


@pytest.mark.parametrize(
    ("loss", "mrr", "weight", "expected"),
    [
        (5.0, 0.4, 5.0, 3.0),
        (5.0, 0.2, 5.0, 4.0),
        (5.0, 0.4, 0.0, 5.0),  # weight 0 selects by the loss
        (5.0, None, 5.0, 5.0),  # nothing measured, nothing but the loss to select by
    ],
)
def test_score_by_hand(loss, mrr, weight, expected):
    assert selection_score(loss, mrr, weight) == pytest.approx(expected)


def test_the_checkpoint_that_does_not_listen_loses_though_its_loss_is_lower():
    dull = selection_score(4.9, mrr=0.20)
    listening = selection_score(5.0, mrr=0.24)
    assert listening < dull


def test_a_model_that_learns_by_heart_loses_though_it_listens_as_well():
    assert selection_score(4.9, mrr=0.30) < selection_score(6.5, mrr=0.32)


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer):
    return make_model(tokenizer)


@pytest.mark.parametrize("split", [True, False])
def test_assessor_gives_numbers_and_replies(tokenizer, model, split):
    questions = make_questions(tokenizer)
    assessor = ReplyAssessor(questions, tokenizer, 4, ["no such reply"], split=split)
    assert assessor.replies == []
    found, replies = assessor(model)
    assert assessor.replies == replies and len(replies) == len(questions)
    names = {"distinct_1", "distinct_2", "repetition", "top_reply_share", "mean_length"}
    assert names | {"bleu", "f1", "stutter", "dull", "language_mismatch"} <= set(found)
    # a curve is made of numbers: text would be a warning of the reporters at each evaluation
    assert {type(value) for value in found.values()} <= {int, float}
