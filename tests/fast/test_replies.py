# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The loop from questions to replies: like lengths together, and nothing drawn but from a seed."""

from __future__ import annotations

import copy

import pytest
import torch

from tests.two_processes import make_model, make_questions, make_tokenizer
from tfchat_hf.fast.replies import batches_by_length, reply_to_questions

TOKENIZER = make_tokenizer()


@pytest.fixture(scope="module")
def model():
    return make_model(TOKENIZER).eval()


def test_questions_of_like_length_stand_together() -> None:
    questions = [[1] * length for length in (3, 9, 1, 4, 8)]
    assert batches_by_length(questions, 2) == [[2, 0], [3, 4], [1]]


def test_a_drawn_reply_depends_on_the_seed_of_its_batch_alone(model) -> None:
    asked = [question.input_ids for question in make_questions(TOKENIZER)]
    config = copy.deepcopy(model.generation_config)
    config.update(do_sample=True, temperature=3.0, top_k=0, max_new_tokens=6)
    state = torch.random.get_rng_state()
    found = {}
    for batch in reply_to_questions(model, TOKENIZER, asked, [(5, [0, 1]), (6, [2])], config):
        found[tuple(batch.places)] = batch.ids
        assert torch.equal(torch.random.get_rng_state(), state)
    (alone,) = reply_to_questions(model, TOKENIZER, asked, [(6, [2])], config)
    (other,) = reply_to_questions(model, TOKENIZER, asked, [(7, [2])], config)
    assert found[2,] == alone.ids != other.ids
    assert alone.seconds > 0
