# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Candidates, the second opinion on them, and anti-LM: against the formulas written out."""

from __future__ import annotations

import math

import pytest
import torch

from tests.tiny import batch, speaking_model, tiny_model
from tfchat_hf.anti_lm_tfchat import AntiLanguageModelLogitsProcessor
from tfchat_hf.reranking_tfchat import TFChatRerankedOutput, newest_turn

SETTINGS = {
    "do_sample": True,
    "top_k": 0,
    "num_candidates": 6,
    "rerank_by": "unconditional",
    "max_new_tokens": 8,
}


def questions(rows: int = 3, padding: str = "right") -> dict[str, torch.Tensor]:
    inputs = batch(rows, 7, 2, padding=padding)
    del inputs["decoder_input_ids"]
    # Each ends as the tokenizer ends it.
    last = inputs["attention_mask"].sum(1) - 1 if padding == "right" else torch.full((rows,), 6)
    inputs["input_ids"][torch.arange(rows), last] = 2
    return inputs


def reverse_model(seed: int = 5):
    return tiny_model(seed, swap_sides=True)


def log_p(model, source: list[int], target: list[int]) -> float:
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


def drawn(model, inputs, **settings) -> TFChatRerankedOutput:
    torch.manual_seed(3)
    return model.generate(**inputs, return_dict_in_generate=True, **{**SETTINGS, **settings})


@pytest.mark.parametrize("padding", ["left", "right"])
def test_unconditional_scores_are_those_of_the_formula(padding) -> None:
    model, inputs = tiny_model(), questions(padding=padding)
    output = drawn(model, inputs, rerank_weight=0.3, length_penalty=0.7)
    for row in range(3):
        source = inputs["input_ids"][row][inputs["attention_mask"][row].bool()].tolist()
        for place in range(6):
            reply = real(output.candidates[row, place, 1:].tolist())
            forward, alone = log_p(model, source, reply), log_p(model, [2], reply)
            assert output.forward_scores[row, place].item() == pytest.approx(forward, abs=1e-3)
            assert output.second_scores[row, place].item() == pytest.approx(alone, abs=1e-3)
            score = (forward - 0.3 * alone) / len(reply) ** 0.7
            if output.candidate_scores[row, place] > -math.inf:
                assert output.candidate_scores[row, place].item() == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("longest", [3, 8])
def test_reverse_scores_are_those_of_the_formula(longest) -> None:
    model, reverse, inputs = tiny_model(), reverse_model(), questions()
    output = drawn(
        model, inputs, rerank_by="reverse", rerank_weight=0.4, reverse_model=reverse,
        max_new_tokens=longest,
    )  # fmt: skip
    for row in range(3):
        source = inputs["input_ids"][row][inputs["attention_mask"][row].bool()].tolist()
        for place in range(6):
            reply = real(output.candidates[row, place, 1:].tolist())
            read = reply if reply[-1] == 2 else [*reply, 2]
            forward, back = log_p(model, source, reply), log_p(reverse, read, source)
            assert output.second_scores[row, place].item() == pytest.approx(back, abs=1e-3)
            score = 0.6 * forward / len(reply) + 0.4 * back / len(source)
            if output.candidate_scores[row, place] > -math.inf:
                assert output.candidate_scores[row, place].item() == pytest.approx(score, abs=1e-3)


def test_the_best_candidates_come_back_best_first_and_none_twice() -> None:
    model, inputs = speaking_model(), questions()
    output = drawn(model, inputs, num_return_sequences=3, num_candidates=12)
    assert output.sequences.shape[0] == 9
    for row in range(3):
        scores = output.sequences_scores.view(3, 3)[row]
        assert scores.tolist() == sorted(output.candidate_scores[row].tolist())[::-1][:3]
        replies = [tuple(real(r[1:])) for r in output.sequences.view(3, 3, -1)[row].tolist()]
        different = {tuple(real(r[1:])) for r in output.candidates[row].tolist()}
        assert len(set(replies)) == min(3, len(different))


def test_tokens_alone_come_back_unless_asked_for_more() -> None:
    model, inputs = tiny_model(), questions()
    torch.manual_seed(3)
    made = model.generate(**inputs, **SETTINGS)
    assert torch.equal(made, drawn(model, inputs).sequences)


def test_a_question_is_ranked_alone_as_in_a_batch() -> None:
    model, reverse, inputs = tiny_model(), reverse_model(), questions()
    beams = {
        "do_sample": False, "num_beams": 6, "num_candidates": 6, "rerank_by": "reverse",
        "max_new_tokens": 8, "reverse_model": reverse,
    }  # fmt: skip
    together = model.generate(**inputs, **beams)
    for row in range(3):
        source = inputs["input_ids"][row][inputs["attention_mask"][row].bool()][None]
        alone = model.generate(source, **beams)[0].tolist()
        assert real(together[row, 1:].tolist()) == real(alone[1:])


def test_the_reverse_model_is_asked_for_the_newest_turn_only() -> None:
    ids = torch.tensor([[5, 6, 4, 7, 8, 2, 0], [0, 0, 0, 9, 4, 10, 2]])
    mask = (ids != 0).long()
    assert newest_turn(ids, mask, 4).tolist()[0][:3] == [7, 8, 2]
    assert newest_turn(ids, mask, 4).tolist()[1][:2] == [10, 2]
    assert (newest_turn(ids, mask, 4) == -100).sum() == 4 + 5


def test_a_reverse_model_that_knows_better_changes_the_choice() -> None:
    model, inputs = speaking_model(), questions()
    dull = drawn(
        model, inputs, rerank_by="reverse", rerank_weight=0.0, reverse_model=reverse_model()
    )
    apt = drawn(
        model, inputs, rerank_by="reverse", rerank_weight=1.0, reverse_model=reverse_model()
    )
    assert torch.equal(dull.candidates, apt.candidates)
    assert dull.sequences.tolist() != apt.sequences.tolist()


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
    expected = asked.log_softmax(-1) - 0.4 * alone.log_softmax(-1)
    assert torch.allclose(found, expected, atol=1e-4)


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
    model, inputs = speaking_model(), questions()
    for way in ({}, {"num_beams": 3}, {"do_sample": True, "num_return_sequences": 2}):
        torch.manual_seed(0)
        made = model.generate(**inputs, anti_lm_weight=0.5, max_new_tokens=8, **way)
        assert len(made) == 3 * way.get("num_return_sequences", 1)
    together = model.generate(**inputs, anti_lm_weight=0.5, max_new_tokens=8)
    for row in range(3):
        source = inputs["input_ids"][row][inputs["attention_mask"][row].bool()][None]
        alone = model.generate(source, anti_lm_weight=0.5, max_new_tokens=8)[0].tolist()
        assert real(together[row, 1:].tolist()) == real(alone[1:])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rerank_by": None}, ["num_candidates=6", "rerank_by=None"]),
        ({"num_return_sequences": 7}, ["num_return_sequences=7", "num_candidates=6"]),
        ({"do_sample": False}, ["num_candidates=6", "do_sample=False", "num_beams=6"]),
        ({"rerank_by": "reverse"}, ["rerank_by", "reverse_model", "swap_sides"]),
        ({"rerank_by": "reverse", "reverse_model": tiny_model()}, ["swap_sides: true"]),
        ({"reverse_model": reverse_model()}, ["reverse_model", "rerank_by='unconditional'"]),
        (
            {"rerank_by": "reverse", "reverse_model": tiny_model(swap_sides=True, vocab_size=50)},
            ["50 tokens", "97", "tokenizer"],
        ),
        ({"streamer": object()}, ["streamer", "num_candidates=6"]),
        ({"num_candidates": 1.5}, ["num_candidates", "whole number", "1.5"]),
        ({"rerank_weight": math.nan}, ["rerank_weight", "nan"]),
        ({"rerank_by": "magic"}, ["rerank_by", "'magic'"]),
        ({"preset": "balanced", "generation_config": tiny_model().generation_config}, ["preset"]),
        ({"preset": "wild"}, ["'wild'", "balanced"]),
        ({"max_phrase_repeats": -1}, ["max_phrase_repeats", "-1"]),
    ],
    # Not by the settings: an object's address differs between the processes that run the tests.
    ids=lambda value: value[0] if isinstance(value, list) else list(value)[0],
)
def test_settings_that_contradict_each_other_are_refused(settings, words) -> None:
    with pytest.raises(ValueError) as error:
        tiny_model().generate(**questions(), **{**SETTINGS, **settings})
    assert all(word in str(error.value) for word in words), error.value


def test_padding_behind_a_reply_without_an_end_is_no_text() -> None:
    from transformers import GenerationConfig

    from tfchat_hf.reranking_tfchat import as_labels

    config = GenerationConfig(eos_token_id=2, pad_token_id=0)
    replies = torch.tensor([[5, 6, 0, 0], [5, 2, 0, 0], [5, 0, 6, 2]])
    labels, lengths = as_labels(replies, config)
    assert labels.tolist() == [[5, 6, -100, -100], [5, 2, -100, -100], [5, 0, 6, 2]]
    assert lengths.tolist() == [2, 2, 4]


def test_without_a_mask_the_question_is_read_as_transformers_reads_it() -> None:
    model, inputs = tiny_model(), questions()
    settings = {**SETTINGS, "return_dict_in_generate": True}
    output = {}
    for pad in (0, 2):  # where padding is the end token, nothing can be told from it
        torch.manual_seed(0)
        output[pad] = model.generate(
            inputs["input_ids"], pad_token_id=pad, **settings
        ).forward_scores[0]
        source = inputs["input_ids"][0].tolist()
        reply = real(model.generate(inputs["input_ids"][:1], max_new_tokens=1)[0, 1:].tolist())
        assert log_p(model, source, reply) < 0
    assert torch.allclose(output[0], output[2], atol=1e-3)  # the first row has no padding


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_candidates": 1}, ["rerank_by='unconditional'", "num_candidates=1"]),
        ({"eos_token_id": None}, ["num_candidates=6", "eos_token_id"]),
        ({"decoder_start_token_id": 7}, ["num_candidates=6", "decoder_start_token_id"]),
        ({"dry_allowed_length": 16}, ["dry_allowed_length", "15"]),
    ],
    ids=str,
)
def test_more_that_would_do_nothing_is_refused(settings, words) -> None:
    model = tiny_model()
    if "eos_token_id" in settings:
        model.generation_config.eos_token_id = None
    with pytest.raises(ValueError) as error:
        model.generate(**questions(), **{**SETTINGS, **settings})
    assert all(word in str(error.value) for word in words), error.value


def test_several_end_tokens_and_a_question_without_words_can_be_ranked() -> None:
    model, reverse = tiny_model(), reverse_model()
    inputs = {"input_ids": torch.tensor([[5, 6, 7, 4]]), "attention_mask": torch.ones(1, 4)}
    torch.manual_seed(0)
    output = model.generate(
        **{key: value.long() for key, value in inputs.items()},
        **{**SETTINGS, "rerank_by": "reverse", "eos_token_id": [2, 3]},
        reverse_model=reverse,
        return_dict_in_generate=True,
    )
    assert output.sequences_scores.isfinite().all()


def test_a_misspelt_setting_of_a_preset_is_refused() -> None:
    model = tiny_model()
    model.generation_config.presets = {"odd": {"max_phrase_repeat": 2}}
    with pytest.raises(ValueError, match=r"'odd'.*`max_phrase_repeat`.*`max_phrase_repeats`"):
        model.generate(**questions(), preset="odd")


def test_settings_and_presets_survive_saving_and_loading(tmp_path) -> None:
    model = tiny_model()
    model.generation_config.max_phrase_repeats = 2
    model.generation_config.presets = {"mine": {"do_sample": False, "dry_multiplier": 0.5}}
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    assert loaded.generation_config.max_phrase_repeats == 2
    assert loaded.preset("mine").dry_multiplier == 0.5 and loaded.preset_names() == ["mine"]


def test_a_question_that_comes_as_embeddings_is_answered_without_looking_for_copies(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = tiny_model()
    states = model.get_input_embeddings()(questions()["input_ids"])
    assert len(model.generate(inputs_embeds=states, preset="balanced", max_new_tokens=4)) == 3
