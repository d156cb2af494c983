# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`generate()`: every strategy and cache of transformers, against loops written out here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LogitsProcessorList, NoRepeatNGramLogitsProcessor

from tests.tiny import VOCAB_SIZE, greedy_by_hand, questions, speaking_model, tiny_model
from tfchat_hf import TFChatForConditionalGeneration


@pytest.mark.parametrize(
    "cache",
    [{}, {"use_cache": False}, {"cache_implementation": "static"}, {"prefill_chunk_size": None}],
)
@pytest.mark.parametrize("padding", ["left", "right"])
def test_greedy_equals_the_loop_written_out(cache: dict[str, Any], padding: str) -> None:
    model, inputs = speaking_model(), questions(padding=padding)
    expected = greedy_by_hand(model, inputs, 12)
    made = model.generate(
        **inputs, max_new_tokens=12, do_sample=False, disable_compile=True, **cache
    )
    assert torch.equal(made, expected[:, : made.shape[1]])
    assert len(set(made[0].tolist())) > 3  # not one token over and over


def test_a_batch_is_answered_as_its_rows_alone() -> None:
    model, inputs = speaking_model(), questions(4, "left")
    together = model.generate(**inputs, max_new_tokens=8)
    for row in range(4):
        real = inputs["attention_mask"][row].bool()
        alone = model.generate(inputs["input_ids"][row, real][None], max_new_tokens=8)
        assert together[row, : alone.shape[1]].tolist() == alone[0].tolist()


def test_beam_search_finds_a_reply_at_least_as_likely_as_greedy() -> None:
    model, inputs = speaking_model(), questions()
    settings = {"max_new_tokens": 6, "min_new_tokens": 6, "length_penalty": 0.0}
    greedy = model.generate(**inputs, **settings)
    beam = model.generate(**inputs, num_beams=8, **settings)
    assert (log_likelihood(model, inputs, beam) >= log_likelihood(model, inputs, greedy)).all()


def log_likelihood(
    model: TFChatForConditionalGeneration, inputs: dict[str, torch.Tensor], reply: torch.Tensor
) -> torch.Tensor:
    with torch.no_grad():
        log_probs = model(**inputs, decoder_input_ids=reply[:, :-1]).logits.log_softmax(-1)
    return log_probs.gather(-1, reply[:, 1:, None]).sum((1, 2)) + 1e-5


def test_sampling_follows_the_models_distribution() -> None:
    model = speaking_model()
    question = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        start = torch.tensor([[1]])
        expected = model(input_ids=question, decoder_input_ids=start).logits[0, -1].softmax(-1)
    torch.manual_seed(0)
    drawn = model.generate(
        question, do_sample=True, top_k=0, max_new_tokens=1, num_return_sequences=8000
    )[:, 1]
    share = torch.bincount(drawn, minlength=VOCAB_SIZE) / 8000
    assert (share - expected).abs().max() < 0.02


@pytest.mark.parametrize(
    "settings",
    [
        {"do_sample": True, "num_beams": 3},
        {"num_beams": 4, "num_return_sequences": 3},
        {"do_sample": True, "top_p": 0.8, "temperature": 0.7, "num_return_sequences": 2},
        {"repetition_penalty": 1.5, "no_repeat_ngram_size": 2},
        {"bad_words_ids": [[7]], "forced_eos_token_id": 2},
    ],
)
def test_strategies_of_transformers_run_and_end(settings: dict[str, Any]) -> None:
    model, inputs = speaking_model(), questions()
    torch.manual_seed(0)
    made = model.generate(**inputs, max_new_tokens=9, **settings)
    assert made.shape[0] == 3 * settings.get("num_return_sequences", 1)
    assert made.shape[1] <= 10
    assert not (made == 7).any() or "bad_words_ids" not in settings


def test_assisted_decoding_gives_the_greedy_tokens() -> None:
    model, assistant = speaking_model(), tiny_model(seed=5)
    inputs = {k: v[:1] for k, v in questions().items()}
    plain = model.generate(**inputs, max_new_tokens=10, do_sample=False)
    assisted = model.generate(
        **inputs, max_new_tokens=10, do_sample=False, assistant_model=assistant
    )
    assert torch.equal(plain, assisted)


def test_processors_of_the_caller_are_obeyed() -> None:
    model, inputs = speaking_model(), questions()
    processors = LogitsProcessorList([NoRepeatNGramLogitsProcessor(1)])
    made = model.generate(**inputs, max_new_tokens=12, logits_processor=processors)
    for row in made.tolist():
        body = [token for token in row[1:] if token > 2]
        assert len(body) == len(set(body))


def test_attentions_of_each_step_come_back() -> None:
    model = speaking_model(attn_implementation="eager")
    made = model.generate(
        **questions(),
        max_new_tokens=4,
        min_new_tokens=4,
        output_attentions=True,
        output_scores=True,
        return_dict_in_generate=True,
    )
    assert len(made.cross_attentions) == 4
    assert made.cross_attentions[2][0].shape == (3, 2, 1, 7)
    assert len(made.scores) == 4
