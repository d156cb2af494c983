# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Candidates and the second opinion on them: against the formulas written out."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from tests.tiny import ended_questions, speaking_model, tiny_model
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.fast import FastDecoder, reranking
from tfchat_hf.fast.loops import Candidates, draw
from tfchat_hf.fast.reranking import Reranking, TFChatRerankedOutput, as_labels, newest_turn

SETTINGS = {"do_sample": True, "top_k": 0, "max_new_tokens": 8}
WITH_SCORES = {"return_dict_in_generate": True}


def reverse_model(seed: int = 5, **changes: Any) -> TFChatForConditionalGeneration:
    return tiny_model(seed, swap_sides=True, **changes)


@pytest.fixture(scope="module")
def model() -> TFChatForConditionalGeneration:
    return tiny_model()


@pytest.fixture(scope="module")
def reverse() -> TFChatForConditionalGeneration:
    return reverse_model()


@pytest.fixture(scope="module")
def speaking() -> TFChatForConditionalGeneration:
    return speaking_model()


def log_p(model: Any, source: list[int], target: list[int]) -> float:
    """Add up the log-probability of a target, end token included, one token after the other."""
    total = 0.0
    for place, token in enumerate(target):
        with torch.no_grad():
            logits = model(
                input_ids=torch.tensor([source]),
                decoder_input_ids=torch.tensor([[1, *target[:place]]]),
            ).logits[0, -1]
        total += logits.log_softmax(-1)[token].item()
    return total


def real(row: list[int]) -> list[int]:
    """Cut a reply behind its end token."""
    return row[: row.index(2) + 1] if 2 in row else row


def sources(inputs: dict[str, torch.Tensor]) -> list[list[int]]:
    rows = zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
    return [ids[mask.bool()].tolist() for ids, mask in rows]


def best(model: Any, inputs: dict, how: Reranking, seed: int = 3, **settings: Any) -> Any:
    torch.manual_seed(seed)
    given = {**inputs, **SETTINGS, "question_ids": inputs["input_ids"], **settings}
    return model.generate(**given, custom_generate=how)


def scored(*args: Any, **settings: Any) -> TFChatRerankedOutput:
    return best(*args, **WITH_SCORES, **settings)


# --------------------------------------------------------------------------------- the formulas


@pytest.mark.parametrize("padding", ["left", "right"])
def test_unconditional_scores_are_those_of_the_formula(padding: str, model) -> None:
    inputs = ended_questions(padding=padding)
    output = scored(model, inputs, Reranking(6, "unconditional", 0.3), length_penalty=0.7)
    for row, source in enumerate(sources(inputs)):
        for place in range(6):
            reply = real(output.candidates[row, place, 1:].tolist())
            forward, alone = log_p(model, source, reply), log_p(model, [2], reply)
            assert output.forward_scores[row, place].item() == pytest.approx(forward, abs=1e-3)
            assert output.second_scores[row, place].item() == pytest.approx(alone, abs=1e-3)
            score = (forward - 0.3 * alone) / len(reply) ** 0.7
            if output.candidate_scores[row, place] > -math.inf:
                assert output.candidate_scores[row, place].item() == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("longest", [3, 8])
def test_reverse_scores_are_those_of_the_formula(longest: int, model, reverse) -> None:
    inputs = ended_questions()
    how = Reranking(6, "reverse", 0.4, reverse)
    output = scored(model, inputs, how, max_new_tokens=longest)
    for row, source in enumerate(sources(inputs)):
        for place in range(6):
            reply = real(output.candidates[row, place, 1:].tolist())
            read = reply if reply[-1] == 2 else [*reply, 2]
            forward, back = log_p(model, source, reply), log_p(reverse, read, source)
            assert output.second_scores[row, place].item() == pytest.approx(back, abs=1e-3)
            score = 0.6 * forward / len(reply) + 0.4 * back / len(source)
            if output.candidate_scores[row, place] > -math.inf:
                assert output.candidate_scores[row, place].item() == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("mask", [{}, {"attention_mask": None}], ids=str)
def test_without_a_mask_padding_is_not_read(mask, model) -> None:
    inputs = ended_questions()
    given = {"input_ids": inputs["input_ids"], **mask}
    output = scored(model, given, Reranking(2, "unconditional"))
    for row, candidates in enumerate(output.candidates.tolist()):
        for place, candidate in enumerate(candidates):
            forward = log_p(model, sources(inputs)[row], real(candidate[1:]))
            assert output.forward_scores[row, place].item() == pytest.approx(forward, abs=1e-3)


# --------------------------------------------------------------------------------- the choice


def test_the_best_candidates_come_back_best_first_and_none_twice(speaking) -> None:
    how = Reranking(12, "unconditional")
    output = scored(speaking, ended_questions(), how, num_return_sequences=3)
    assert output.sequences.shape[0] == 9
    for row in range(3):
        scores = output.sequences_scores.view(3, 3)[row]
        assert scores.tolist() == sorted(output.candidate_scores[row].tolist())[::-1][:3]
        replies = [tuple(real(r[1:])) for r in output.sequences.view(3, 3, -1)[row].tolist()]
        different = {tuple(real(r[1:])) for r in output.candidates[row].tolist()}
        assert len(set(replies)) == min(3, len(different))


def test_tokens_alone_come_back_unless_asked_for_more(model) -> None:
    inputs, how = ended_questions(), Reranking(6, "unconditional")
    assert torch.equal(best(model, inputs, how), scored(model, inputs, how).sequences)


def test_a_question_is_ranked_alone_as_in_a_batch(model, reverse) -> None:
    inputs, how = ended_questions(), Reranking(6, "reverse", 0.5, reverse)
    together = scored(model, inputs, how)
    config = GenerationConfig(eos_token_id=2, pad_token_id=0, length_penalty=1.0)
    for row, source in enumerate(sources(inputs)):
        made = Candidates(together.candidates[row], together.forward_scores[row], None)
        alone = how.order(made, config, torch.tensor([source]))
        assert alone.sequences[0].tolist() == together.sequences[row].tolist()
        scores = (alone.candidate_scores[0], together.candidate_scores[row])
        torch.testing.assert_close(*scores, rtol=1e-4, atol=1e-4)


def test_a_reverse_model_that_knows_better_changes_the_choice(speaking, reverse) -> None:
    inputs = ended_questions()
    dull = scored(speaking, inputs, Reranking(6, "reverse", 0.0, reverse))
    apt = scored(speaking, inputs, Reranking(6, "reverse", 1.0, reverse))
    assert torch.equal(dull.candidates, apt.candidates)
    assert dull.sequences.tolist() != apt.sequences.tolist()


def test_one_candidate_is_the_reply_of_generate(speaking) -> None:
    inputs = ended_questions()
    found = best(speaking, inputs, Reranking(1, "unconditional"), do_sample=False)
    expected = speaking.generate(**inputs, max_new_tokens=8)
    assert torch.equal(found, expected)


def slow_candidates(
    model: Any,
    input_ids: torch.Tensor,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    generation_config: GenerationConfig,
    **prepared: Any,
) -> torch.Tensor:
    """Draw by the forward of the network alone: every reply for itself, whole at each step."""
    given = {name: prepared[name] for name in ("encoder_outputs", "attention_mask")}
    left, ids = torch.ones(len(input_ids), dtype=torch.bool), input_ids
    while left.any():
        logits = model(**given, decoder_input_ids=ids, use_cache=False).logits[:, -1]
        numbers = torch.rand(len(ids), 1)
        tokens = draw(logits_processor(ids, logits.float()), numbers)
        tokens = tokens.where(left, torch.tensor(generation_config.pad_token_id))
        ids = torch.cat((ids, tokens[:, None]), dim=1)
        left = left & ~stopping_criteria(ids, None)
    return ids


PROCESSORS = {"max_phrase_repeats": 1, "copy_penalty": 1.0, "anti_lm_weight": 0.4, "min_p": 0.05}


@pytest.mark.parametrize("by", ["unconditional", "reverse"])
@pytest.mark.parametrize("settings", [{}, {"temperature": 2.5}, PROCESSORS], ids=str)
@pytest.mark.parametrize("padding", ["left", "right"])
def test_candidates_are_those_of_the_slow_way(padding, settings, by, speaking, reverse) -> None:
    inputs, settings = ended_questions(padding=padding), {**SETTINGS, **settings}
    how = Reranking(7, by, 0.5, reverse if by == "reverse" else None)
    found = scored(speaking, inputs, how, **settings).candidates.flatten(0, 1)
    torch.manual_seed(3)
    expected = speaking.generate(
        **inputs, **settings, num_return_sequences=7, custom_generate=slow_candidates
    )
    assert torch.equal(found, expected)


def test_the_decoder_that_was_handed_over_makes_the_candidates(speaking) -> None:
    inputs, fast = ended_questions(), FastDecoder("int8")
    output = scored(speaking, inputs, Reranking(3, "unconditional", fast=fast))
    assert fast.prepacked
    for row, source in enumerate(sources(inputs)):
        reply = real(output.candidates[row, 0, 1:].tolist())
        exact = (log_p(speaking, source, reply), log_p(speaking, [2], reply))
        found = (output.forward_scores[row, 0].item(), output.second_scores[row, 0].item())
        assert found == pytest.approx(exact, abs=0.1 * len(reply))  # nats, of which 6 a token
        assert found != pytest.approx(exact, abs=1e-6)


# --------------------------------------------------------------------------------- small parts


def test_the_reverse_model_is_asked_for_the_newest_turn_only() -> None:
    ids = torch.tensor([[5, 6, 4, 7, 8, 2, 0], [0, 0, 0, 9, 4, 10, 2]])
    mask = (ids != 0).long()
    assert newest_turn(ids, mask, 4).tolist()[0][:3] == [7, 8, 2]
    assert newest_turn(ids, mask, 4).tolist()[1][:2] == [10, 2]
    assert (newest_turn(ids, mask, 4) == -100).sum() == 4 + 5


def test_padding_behind_a_reply_without_an_end_is_no_text() -> None:
    config = GenerationConfig(eos_token_id=2, pad_token_id=0)
    replies = torch.tensor([[5, 6, 0, 0], [5, 2, 0, 0], [5, 0, 6, 2]])
    labels, lengths = as_labels(replies, config)
    assert labels.tolist() == [[5, 6, -100, -100], [5, 2, -100, -100], [5, 0, 6, 2]]
    assert lengths.tolist() == [2, 2, 4]


def test_several_end_tokens_and_a_question_without_words_can_be_ranked(model, reverse) -> None:
    inputs = {"input_ids": torch.tensor([[5, 6, 7, 4]]), "attention_mask": torch.ones(1, 4).long()}
    how = Reranking(6, "reverse", 0.5, reverse)
    output = scored(model, inputs, how, eos_token_id=[2, 3])
    assert output.sequences_scores.isfinite().all()


# --------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_candidates": 0}, ["num_candidates", "between 1 and 512", "0"]),
        ({"num_candidates": 1.5}, ["num_candidates", "1.5", "whole"]),
        ({"rerank_weight": math.nan}, ["rerank_weight", "nan"]),
        ({"rerank_by": "magic"}, ["rerank_by", "'magic'"]),
        ({"rerank_by": None}, ["rerank_by", "None"]),
        ({"rerank_by": "reverse"}, ["rerank_by", "reverse_model", "swap_sides"]),
        ({"reverse_model": object()}, ["reverse_model", 'rerank_by="unconditional"']),
    ],
    ids=lambda value: "" if isinstance(value, list) else list(value)[0],
)
def test_settings_that_cannot_be_are_refused_at_once(settings: dict, words: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        Reranking(**{"num_candidates": 6, "rerank_by": "unconditional", **settings})
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_return_sequences": 7}, ["num_return_sequences=7", "num_candidates=6"]),
        ({"do_sample": False}, ["num_candidates=6", "do_sample=False"]),
        ({"num_beams": 6}, ["num_beams=6"]),
        ({"decoder_start_token_id": 7}, ["decoder_start_token_id", "7", "1"]),
        ({"decoder_input_ids": torch.tensor([[1, 9]] * 3)}, ["decoder_input_ids"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else list(value)[0],
)
def test_settings_that_contradict_each_other_are_refused(settings, words, model) -> None:
    with pytest.raises(ValueError) as error:
        best(model, ended_questions(), Reranking(6, "unconditional"), **settings)
    assert all(word in str(error.value) for word in words), error.value


def test_without_an_end_token_nothing_can_be_scored() -> None:
    model = tiny_model()
    model.generation_config.eos_token_id = None
    with pytest.raises(ValueError, match="num_candidates=6.*eos_token_id"):
        best(model, ended_questions(), Reranking(6, "unconditional"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"swap_sides": False}, ["swap_sides: true"]),
        ({"vocab_size": 50}, ["50 tokens", "97", "tokenizer"]),
    ],
    ids=["no reverse model", "another vocabulary"],
)
def test_a_model_that_cannot_be_the_reverse_one_is_refused(changes, words, model) -> None:
    other = tiny_model(**{"swap_sides": True, **changes})
    with pytest.raises(ValueError) as error:
        best(model, ended_questions(), Reranking(6, "reverse", 0.5, other))
    assert all(word in str(error.value) for word in words), error.value


def test_a_reverse_model_needs_the_question(model, reverse) -> None:
    with pytest.raises(ValueError, match="`question_ids="):
        best(model, ended_questions(), Reranking(6, "reverse", 0.5, reverse), question_ids=None)


def test_every_public_name_is_there() -> None:
    assert all(hasattr(reranking, name) for name in reranking.__all__)
