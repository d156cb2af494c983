# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How the package has a model decode: presets, re-ranking beside them, the right loop for each."""

from __future__ import annotations

import pytest
import torch

from tests.tiny import ended_questions, speaking_model, tiny_model
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.fast import FastDecoder, decoding
from tfchat_hf.fast.reranking import RERANK_SETTINGS, Reranking
from tfchat_hf.model.generation_tfchat import PRESETS


@pytest.fixture(scope="module")
def model() -> TFChatForConditionalGeneration:
    return speaking_model()


IDS = ended_questions()["input_ids"]


def test_the_presets_are_the_models_and_the_best_of_several(model) -> None:
    assert decoding.preset_names(model) == [*PRESETS, "candidates", "mutual"]
    assert set(decoding.ABOUT) == set(decoding.preset_names(model))
    own = tiny_model()
    own.generation_config.presets = {"mine": {}, "mutual": {}, "candidates": {}}
    assert decoding.preset_names(own) == ["mine", "candidates", "mutual"]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_of_the_model_says_that_nothing_is_ranked(name: str, model) -> None:
    config = decoding.preset(model, name)
    assert {setting: getattr(config, setting) for setting in RERANK_SETTINGS} == RERANK_SETTINGS
    assert config.dry_multiplier == PRESETS[name].get("dry_multiplier", 0.0)


def test_mutual_goes_onto_the_configuration_of_the_model() -> None:
    model = tiny_model()
    model.generation_config.max_new_tokens = 17
    config = decoding.preset(model, "mutual")
    assert (config.num_candidates, config.rerank_by, config.do_sample) == (16, "reverse", True)
    assert config.max_new_tokens == 17 and not hasattr(model.generation_config, "num_candidates")


def test_candidates_go_onto_the_configuration_of_the_model_too() -> None:
    model = tiny_model()
    model.generation_config.max_new_tokens = 17
    config = decoding.preset(model, "candidates")
    assert (config.num_candidates, config.rerank_by) == (32, "unconditional")
    assert (config.do_sample, config.temperature, config.anti_lm_weight) == (True, 1.0, 0.0)
    assert config.max_new_tokens == 17 and not hasattr(model.generation_config, "num_candidates")


def test_an_unknown_preset_is_refused(model) -> None:
    with pytest.raises(ValueError, match="'wild'"):
        decoding.preset(model, "wild")


def test_greedy_search_and_drawing_are_fast_and_beams_are_transformers(model) -> None:
    fast, streamer = FastDecoder(), object()
    for name in PRESETS:
        config = decoding.preset(model, name)
        plain = {"generation_config": config}
        custom = {} if name == "beam" else {"custom_generate": fast, "token_streamer": None}
        assert decoding.generate_options(config, IDS, fast) == {**plain, **custom}
        assert decoding.generate_options(config, IDS) == plain
        streamed = decoding.generate_options(config, IDS, None, None, streamer)
        assert streamed == {**plain, "streamer": streamer}
        streamed = decoding.generate_options(config, IDS, fast, None, streamer)
        heard = "streamer" if name == "beam" else "token_streamer"
        assert streamed[heard] is streamer


def test_int8_and_beams_are_refused_and_not_answered_otherwise(model) -> None:
    config = decoding.preset(model, "beam")
    options = decoding.generate_options(config, IDS, FastDecoder("int8"))
    with pytest.raises(ValueError, match="num_beams=4"):
        model.generate(IDS, **options)


def test_candidates_are_ranked_as_the_settings_say(model) -> None:
    reverse, fast = tiny_model(5, swap_sides=True), FastDecoder()
    config = decoding.preset(model, "mutual")
    config.num_candidates, config.rerank_weight = 4, 0.0
    options = decoding.generate_options(config, IDS, fast, reverse, streamer=object())
    how = options["custom_generate"]
    assert isinstance(how, Reranking) and how.fast is fast and how.reverse_model is reverse
    assert (how.num_candidates, how.rerank_by, how.rerank_weight) == (4, "reverse", 0.0)
    assert "streamer" not in options and options["question_ids"] is IDS


def test_without_a_word_on_how_candidates_are_ranked_by_the_model_itself(model) -> None:
    config = decoding.preset(model, "creative")
    config.num_candidates = 3
    how = decoding.generate_options(config, IDS, reverse_model=tiny_model())["custom_generate"]
    assert (how.rerank_by, how.rerank_weight, how.reverse_model) == ("unconditional", 0.5, None)
    assert isinstance(how.fast, FastDecoder)


@pytest.mark.parametrize("name", ["candidates", "mutual"])
def test_options_do_what_the_same_call_by_hand_does(name: str, model) -> None:
    reverse, inputs = tiny_model(5, swap_sides=True), ended_questions()
    config = decoding.preset(model, name)
    config.max_new_tokens = 8
    made = []
    ranked = {
        "candidates": Reranking(32, "unconditional", 0.5),
        "mutual": Reranking(16, "reverse", 0.5, reverse),
    }
    by_hand = {
        "generation_config": config,
        "custom_generate": ranked[name],
        "question_ids": IDS,
    }
    for options in (decoding.generate_options(config, IDS, reverse_model=reverse), by_hand):
        torch.manual_seed(0)
        made.append(model.generate(**inputs, **options))
    assert torch.equal(*made)
