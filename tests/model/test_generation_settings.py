# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which setting counts, which is refused, and what is saved with a model."""

from __future__ import annotations

import json
import re
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    GenerationConfig,
    GenerationMixin,
    LogitsProcessor,
    LogitsProcessorList,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
)
from transformers.generation.streamers import BaseStreamer

from tests.tiny import batch, questions, speaking_model, tiny_model
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.fast import FastDecoder, decoding
from tfchat_hf.fast.reranking import Reranking
from tfchat_hf.model import generation_tfchat
from tfchat_hf.model.generation_tfchat import (
    DEFAULT_PRESET,
    OWN_SETTINGS,
    PRESETS,
    keeping_own_settings,
    preset_settings,
    with_presets,
)

NEVER_ENDS = {"eos_token_id": -1, "pad_token_id": 0}


@pytest.fixture(scope="module")
def model() -> TFChatForConditionalGeneration:
    """Return a model that no test of this module changes."""
    return speaking_model()


def with_limit(new_tokens: int | None = 30) -> TFChatForConditionalGeneration:
    """Return a model whose own configuration limits its replies, as every trained one's does."""
    model = tiny_model()
    model.generation_config.update(max_new_tokens=new_tokens, **NEVER_ENDS)
    return model


# --------------------------------------------------------------------------------- lengths


@pytest.mark.parametrize("custom", [False, True], ids=["plain", "fast"])
def test_a_max_length_of_the_caller_counts(custom: bool, caplog) -> None:
    model = with_limit()
    config = GenerationConfig(max_length=9, **NEVER_ENDS)
    how = {"custom_generate": FastDecoder()} if custom else {}
    for settings in ({"max_length": 9}, {"generation_config": config}):
        assert model.generate(**questions(), **settings, **how).shape == (3, 9)
    prompt = torch.tensor([[1, 7, 8]] * 3)
    if not custom:
        made = model.generate(**questions(), decoder_input_ids=prompt, max_length=9)
        assert made.shape == (3, 9) and torch.equal(made[:, :3], prompt)


def test_max_new_tokens_go_before_a_max_length() -> None:
    model = with_limit()
    assert model.generate(**questions(), max_length=9, max_new_tokens=4).shape == (3, 5)
    assert model.generate(**questions(), max_new_tokens=4).shape == (3, 5)
    assert model.generate(**questions()).shape == (3, 31)
    config = GenerationConfig(max_new_tokens=6, **NEVER_ENDS)
    assert model.generate(**questions(), generation_config=config).shape == (3, 7)
    made = model.generate(**questions(), generation_config=config, max_length=4)
    assert made.shape == (3, 4)


def test_a_model_without_a_limit_stops_where_transformers_does() -> None:
    made = with_limit(None).generate(**questions())
    assert made.shape[1] in (20, 21)


def test_a_call_leaves_the_configurations_as_they_were(model) -> None:
    config = model.preset("balanced")
    before, own = config.to_json_string(), model.generation_config.to_json_string()
    model.generate(**questions(), generation_config=config, max_length=6, dry_multiplier=0.3)
    assert config.to_json_string() == before
    assert model.generation_config.to_json_string() == own


def test_the_length_that_a_seq2seq_trainer_asks_for_counts(tmp_path: Path) -> None:
    model = with_limit()
    arguments = Seq2SeqTrainingArguments(
        tmp_path, predict_with_generate=True, generation_max_length=9, report_to=[], use_cpu=True
    )
    rows = [
        {name: value[row] for name, value in questions().items()} | {"labels": torch.ones(4).long()}
        for row in range(3)
    ]
    made = torch.tensor(Seq2SeqTrainer(model, arguments).predict(rows).predictions)
    assert (made[:, :9] != 0).all() and not made[:, 9:].any()  # the Trainer pads what it gets


def test_the_last_position_can_be_reached_and_no_further(model) -> None:
    question = torch.tensor([[5, 6]])
    assert model.generate(question, max_new_tokens=64, **NEVER_ENDS).shape == (1, 65)
    for settings in ({"max_new_tokens": 65}, {"max_length": 66}):
        with pytest.raises(ValueError, match="`max_new_tokens` of at most 64"):
            model.generate(question, **settings, **NEVER_ENDS)
    prompt = torch.tensor([[1, 7, 8]])
    made = model.generate(question, decoder_input_ids=prompt, max_new_tokens=62, **NEVER_ENDS)
    assert made.shape == (1, 65)
    with pytest.raises(ValueError, match="asks for 65 positions.*at most 62"):
        model.generate(question, decoder_input_ids=prompt, max_new_tokens=63, **NEVER_ENDS)


def test_rotary_positions_have_no_last_one() -> None:
    model = tiny_model(position_embedding_type="rotary")
    assert model.generate(torch.tensor([[5, 6]]), max_new_tokens=70, **NEVER_ENDS).shape == (1, 71)


# --------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"guidance_scale": 1.5}, ["`guidance_scale=1.5`", "`anti_lm_weight`"]),
        ({"num_candidates": 4}, ["`num_candidates`", "tfchat_hf.fast.reranking.Reranking"]),
        ({"rerank_by": "reverse"}, ["`rerank_by`", "tfchat_hf.fast.reranking.Reranking"]),
        ({"rerank_weight": 0.3}, ["`rerank_weight`", "tfchat_hf.fast.reranking.Reranking"]),
        ({"weight_dtype": "int8"}, ["`weight_dtype`", "tfchat_hf.fast.FastDecoder"]),
        ({"reverse_model": object()}, ["`reverse_model`", "tfchat_hf.fast.reranking.Reranking"]),
        ({"preset": "balanced", "generation_config": GenerationConfig()}, ["`preset`", "one of"]),
        ({"preset": "wild"}, ["'wild'", "balanced"]),
        ({"max_phrase_repeats": -1}, ["`max_phrase_repeats`", "-1", "0 to 100"]),
        ({"max_phrase_repeats": 1.5}, ["`max_phrase_repeats`", "whole number", "1.5"]),
        ({"max_character_run": True}, ["`max_character_run`", "True"]),
        ({"dry_multiplier": float("nan")}, ["`dry_multiplier`", "nan"]),
        ({"dry_allowed_length": 16}, ["`dry_allowed_length`", "15"]),
        ({"anti_lm_weight": "high"}, ["`anti_lm_weight`", "'high'"]),
        ({"max_phrase_repeat": 2}, ["max_phrase_repeat"]),
        ({"streamer": BaseStreamer(), "custom_generate": FastDecoder()}, ["`streamer`", "token_"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else list(value)[0],
)
def test_what_would_be_ignored_or_cannot_be_is_refused(settings, words, model) -> None:
    with pytest.raises(ValueError) as error:
        model.generate(**questions(), **settings)
    assert all(word in str(error.value) for word in words), error.value


def test_a_configuration_is_looked_at_like_arguments(model) -> None:
    config = model.preset("greedy")
    config.copy_penalty = -1.0
    with pytest.raises(ValueError, match="`copy_penalty`"):
        model.generate(**questions(), generation_config=config)
    config = GenerationConfig(guidance_scale=2.0, max_new_tokens=3)
    with pytest.raises(ValueError, match="guidance_scale=2.0"):
        model.generate(**questions(), generation_config=config)


def test_continuous_batching_is_refused_with_what_to_do_instead(model) -> None:
    with pytest.raises(NotImplementedError, match="decoders alone.*`generate"):
        model.generate_batch([[5, 6]])


# --------------------------------------------------------------------------------- saved settings


def saved_with(tmp_path: Path, **settings: Any) -> TFChatForConditionalGeneration:
    """Save a model, write settings into its generation_config.json, and load it."""
    tiny_model().save_pretrained(tmp_path)
    file = tmp_path / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    return TFChatForConditionalGeneration.from_pretrained(tmp_path)


def test_a_file_of_version_0_1_still_works(tmp_path: Path) -> None:
    neutral = {"num_candidates": 1, "rerank_by": None, "rerank_weight": 0.5, "weight_dtype": None}
    presets = {name: {**preset_settings(name), **neutral} for name in PRESETS}
    mutual = {**presets["creative"], "num_candidates": 16, "rerank_by": "reverse"}
    old = {**preset_settings("balanced"), **neutral, "presets": {**presets, "mutual": mutual}}
    loaded = saved_with(tmp_path, **old, max_new_tokens=5)
    assert loaded.preset_names() == list(PRESETS)
    for settings in ({}, {"preset": "balanced"}, {"preset": "creative"}):
        assert loaded.generate(**questions(), **settings).shape[0] == 3
    with pytest.raises(ValueError, match="no setting of `generate.*Reranking"):
        loaded.generate(**questions(), preset="mutual")


def test_a_preset_of_ones_own_with_a_moved_setting_says_what_to_use(tmp_path: Path) -> None:
    loaded = saved_with(tmp_path, presets={"mine": {"weight_dtype": "int8"}})
    with pytest.raises(ValueError, match="`weight_dtype`.*FastDecoder"):
        loaded.preset("mine")


def test_a_default_that_would_be_ignored_is_refused(tmp_path: Path) -> None:
    loaded = saved_with(tmp_path, num_candidates=16, rerank_by="reverse", do_sample=True)
    for how in ({}, {"custom_generate": FastDecoder()}):
        with pytest.raises(ValueError, match="num_candidates.*Reranking|no setting"):
            loaded.generate(**questions(), max_new_tokens=3, **how)
    reranked = Reranking(2, "unconditional")
    assert len(loaded.generate(**questions(), max_new_tokens=3, custom_generate=reranked)) == 3


def test_a_misspelt_setting_of_a_preset_is_refused() -> None:
    model = tiny_model()
    model.generation_config.presets = {"odd": {"max_phrase_repeat": 2}}
    with pytest.raises(ValueError, match=r"'odd'.*`max_phrase_repeat`.* max_phrase_repeats"):
        model.generate(**questions(), preset="odd")


def test_settings_and_presets_survive_saving_and_loading(tmp_path: Path) -> None:
    model = tiny_model()
    model.generation_config.max_phrase_repeats = 2
    model.generation_config.dry_base = 3.5
    model.generation_config.presets = {"mine": {"do_sample": False, "dry_multiplier": 0.5}}
    for place in ("once", "twice"):
        model.save_pretrained(tmp_path / place)
        model = TFChatForConditionalGeneration.from_pretrained(tmp_path / place)
    assert model.generation_config.max_phrase_repeats == 2
    assert model.generation_config.dry_base == 3.5
    assert model.preset("mine").dry_multiplier == 0.5 and model.preset_names() == ["mine"]


def test_a_configuration_made_by_transformers_keeps_own_settings(tmp_path: Path) -> None:
    config = keeping_own_settings(with_presets(tiny_model().generation_config, "balanced"))
    config.save_pretrained(tmp_path)
    loaded = GenerationConfig.from_pretrained(tmp_path)
    assert loaded.copy_penalty == PRESETS["balanced"]["copy_penalty"]
    assert set(loaded.presets) == set(PRESETS)


# --------------------------------------------------------------------------------- presets


def test_a_preset_says_everything_that_another_one_may_change() -> None:
    names = {frozenset(preset_settings(name)) for name in PRESETS}
    assert len(names) == 1 and set(OWN_SETTINGS) < set(*names)
    assert set(decoding.ABOUT) == {*PRESETS, decoding.CANDIDATES, decoding.MUTUAL}
    assert DEFAULT_PRESET in PRESETS


def test_single_settings_go_before_a_preset_and_a_preset_before_the_model() -> None:
    model = speaking_model()
    model.generation_config = with_presets(model.generation_config, "creative")
    generate_kwargs = {**questions(), "max_new_tokens": 12}
    greedy = model.generate(**generate_kwargs, preset="greedy")
    assert torch.equal(model.generate(**generate_kwargs, preset="greedy"), greedy)
    by_hand = {**preset_settings("greedy")}
    assert torch.equal(model.generate(**generate_kwargs, **by_hand), greedy)
    torch.manual_seed(0)
    drawn = model.generate(
        **generate_kwargs, preset="greedy", do_sample=True, temperature=3.0, top_k=0
    )
    assert not torch.equal(drawn, greedy)
    assert torch.equal(model.generate(**generate_kwargs, preset="creative", do_sample=False, **{
        name: value for name, value in by_hand.items() if name != "do_sample"
    }), greedy)  # fmt: skip


def test_own_settings_are_found_as_argument_in_a_configuration_and_in_the_model(model) -> None:
    def made(**settings: Any) -> list[str]:
        config = model.preset("greedy")
        asked = {name: settings.pop(name) for name in list(settings) if name == "dry_multiplier"}
        config.update(**settings)
        own = generation_tfchat.OWN_SETTINGS
        found = {name: model._own_setting(name, config, asked) for name in own}
        return [type(p).__name__ for p in model._own_processors(found, questions()["input_ids"], 9)]

    assert made() == []
    assert made(dry_multiplier=0.5) == ["DryLogitsProcessor"]
    assert made(max_phrase_repeats=2, dry_multiplier=0.5, copy_penalty=1.0, anti_lm_weight=0.4) == [
        "PhraseRepeatLogitsProcessor",
        "DryLogitsProcessor",
        "CopyPenaltyLogitsProcessor",
        "AntiLanguageModelLogitsProcessor",
    ]


def test_processors_act_in_order_the_callers_ours_and_those_of_drawing(model) -> None:
    """What the caller bars is gone before ours choose, and ours before anything is drawn."""
    seen: list[torch.Tensor] = []

    allowed = list(range(9, 17))

    class OnlyThese(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            seen.append(scores.clone())
            barred = torch.full_like(scores, -torch.inf)
            barred[:, allowed] = scores[:, allowed]
            return barred

    mine = LogitsProcessorList([OnlyThese()])
    made = model.generate(
        **questions(), max_new_tokens=8, max_phrase_repeats=1, logits_processor=mine
    )
    assert set(made[:, 1:].flatten().tolist()) <= set(allowed)
    assert (made[:, 1:-1] != made[:, 2:]).all()
    assert all(scores.isfinite().all() for scores in seen)
    assert len(mine) == 1  # the caller's list stays theirs
    torch.manual_seed(0)
    drawn = model.generate(
        **questions(), max_new_tokens=8, max_phrase_repeats=1, logits_processor=mine,
        do_sample=True, top_k=1,
    )  # fmt: skip
    assert (drawn[:, 1:-1] != drawn[:, 2:]).all()


def test_generate_takes_every_argument_of_transformers_in_its_order() -> None:
    theirs = list(signature(GenerationMixin.generate).parameters)
    ours = list(signature(TFChatForConditionalGeneration.generate).parameters)
    assert ours[:4] == theirs[:4] and ours[4] == "args" and ours[-1] == "kwargs"


def test_a_question_that_comes_as_embeddings_is_answered_without_looking_for_copies(model) -> None:
    states = model.get_input_embeddings()(questions()["input_ids"])
    assert len(model.generate(inputs_embeds=states, preset="balanced", max_new_tokens=4)) == 3


def test_runs_of_characters_that_nobody_tabulated_are_told(model, caplog) -> None:
    generation_tfchat.logger.warning_once.cache_clear()
    with caplog.at_level("WARNING"):
        generation_tfchat.logger.addHandler(caplog.handler)
        model.generate(**questions(), max_character_run=4, max_new_tokens=2)
        generation_tfchat.logger.removeHandler(caplog.handler)
    assert any(re.search("`max_character_run`.*`character_runs`", text) for text in caplog.messages)


def test_settings_of_training_batches_do_not_disturb(model) -> None:
    labels = batch(3, 7, 5)["decoder_input_ids"]
    assert model(**questions(), labels=labels).loss.isfinite()
