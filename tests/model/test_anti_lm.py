# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Turning away from what fits any question: against the formula written out."""

from __future__ import annotations

import math

import torch

from tests.tiny import ended_questions, speaking_model, tiny_model
from tfchat_hf.model.generation_tfchat import AntiLanguageModelLogitsProcessor


def real(row: list[int]) -> list[int]:
    """Cut a reply behind its end token."""
    return row[: row.index(2) + 1] if 2 in row else row


def test_anti_lm_is_the_formula_of_the_paper() -> None:
    model, source = tiny_model(), [5, 6, 7, 2]
    reply = [9, 10]
    with torch.no_grad():
        asked = model(
            input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[1, *reply]])
        ).logits[:, -1]
        alone = model(
            input_ids=torch.tensor([[2]]), decoder_input_ids=torch.tensor([[1, *reply]])
        ).logits[:, -1]
        processor = AntiLanguageModelLogitsProcessor(model, 0.4, tokens=5, cutoff=0)
        found = processor(torch.tensor([[1, *reply]]), asked)
    alone = alone.log_softmax(-1)
    alone[0, [1, *reply]] = 0  # what was said already earns nothing more
    expected = asked.log_softmax(-1) - 0.4 * alone
    assert torch.allclose(found, expected, atol=1e-4)


def test_what_the_question_makes_likelier_wins_once_and_not_again() -> None:
    model = tiny_model()
    with torch.no_grad():
        processor = AntiLanguageModelLogitsProcessor(model, 0.7, tokens=5, cutoff=0.05)
        # 9 is the likeliest by a little, and so it would be at each step.
        scores = torch.full((2, 97), -9.0).scatter(1, torch.tensor([[9, 10]] * 2), 2.0)
        scores[:, 9] += 0.1
        first, again = processor(torch.tensor([[1, 8], [1, 9]]), scores).argmax(-1).tolist()
    assert first in (9, 10) and again == 10


def test_anti_lm_ends_after_its_tokens_and_keeps_to_likely_ones() -> None:
    model = tiny_model()
    scores = torch.randn(1, 97)
    with torch.no_grad():
        processor = AntiLanguageModelLogitsProcessor(model, 0.4, tokens=2, cutoff=0.1)
        assert torch.equal(processor(torch.tensor([[1, 9, 10]]), scores), scores)
        found = processor(torch.tensor([[1, 9]]), scores)[0]
    share = scores.softmax(-1)[0]
    assert torch.equal(found > -math.inf, share >= 0.1 * share.max())


def test_anti_lm_works_with_beams_sampling_and_a_batch() -> None:
    model, inputs = speaking_model(), ended_questions()
    for way in ({}, {"num_beams": 3}, {"do_sample": True, "num_return_sequences": 2}):
        torch.manual_seed(0)
        made = model.generate(**inputs, anti_lm_weight=0.5, max_new_tokens=8, **way)
        assert len(made) == 3 * way.get("num_return_sequences", 1)
    together = model.generate(**inputs, anti_lm_weight=0.5, max_new_tokens=8)
    for row in range(3):
        source = inputs["input_ids"][row][inputs["attention_mask"][row].bool()][None]
        alone = model.generate(source, anti_lm_weight=0.5, max_new_tokens=8)[0].tolist()
        assert real(together[row, 1:].tolist()) == real(alone[1:])
