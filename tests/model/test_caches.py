# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A cache is used under either of its names, and never lost under a third one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import StaticCache
from transformers.cache_utils import Cache, DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import Seq2SeqLMOutput

from tests.tiny import greedy_by_hand, questions, speaking_model, tiny_model, until_all_have_ended
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.model.layers_tfchat import given_cache
from tfchat_hf.model.modeling_tfchat import CACHE

NAMES = ("cache", "past_key_values")


@pytest.fixture(scope="module")
def model() -> TFChatForConditionalGeneration:
    return speaking_model()


@pytest.fixture(scope="module")
def expected(model) -> torch.Tensor:
    return until_all_have_ended(greedy_by_hand(model, questions(), 10))


def new_cache(model: TFChatForConditionalGeneration) -> EncoderDecoderCache:
    return EncoderDecoderCache(DynamicCache(config=model.config), DynamicCache(config=model.config))


def static_cache(model: TFChatForConditionalGeneration) -> EncoderDecoderCache:
    config = model.config.get_text_config(decoder=True)
    return EncoderDecoderCache(StaticCache(config=config, max_cache_len=16), DynamicCache())


# --------------------------------------------------------------------------------- generate()


@pytest.mark.parametrize(
    "settings",
    [{}, {"num_beams": 3}, {"do_sample": True}, {"cache_implementation": "static"}],
    ids=str,
)
def test_after_the_first_step_the_decoder_reads_one_token_a_step(settings: dict, model) -> None:
    lengths: list[int] = []
    handle = model.model.decoder.embed_tokens.register_forward_hook(
        lambda module, given, output: lengths.append(given[0].shape[1])
    )
    try:
        model.generate(
            **questions(), max_new_tokens=10, min_new_tokens=10, disable_compile=True, **settings
        )
    finally:
        handle.remove()
    assert lengths == [1] * 10


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_cache": False},
        {"cache_implementation": "static", "disable_compile": True},
        {"cache_implementation": "dynamic"},
        {"num_beams": 1, "return_dict_in_generate": True, "output_scores": True},
        {"prefill_chunk_size": None},
    ],
    ids=str,
)
def test_every_cache_gives_the_same_tokens(settings: dict, model, expected) -> None:
    made = model.generate(**questions(), max_new_tokens=10, **settings)
    sequences = made if torch.is_tensor(made) else made.sequences
    assert torch.equal(sequences, expected)


@pytest.mark.parametrize("make", [new_cache, static_cache])
def test_a_cache_of_the_caller_gives_the_same_tokens_and_is_filled(make, model, expected) -> None:
    cache = make(model)
    made = model.generate(**questions(), max_new_tokens=10, disable_compile=True, **{CACHE: cache})
    assert torch.equal(made, expected)
    assert int(cache.get_seq_length()) == expected.shape[1] - 1


def test_beams_with_and_without_a_cache_are_the_same(model) -> None:
    generate_kwargs = {**questions(), "max_new_tokens": 10, "num_beams": 3}
    made = [model.generate(**generate_kwargs, use_cache=use) for use in (True, False)]
    assert torch.equal(*made)


def test_an_assistant_changes_no_token(model) -> None:
    inputs = {name: value[:1] for name, value in questions().items()}
    plain = model.generate(**inputs, max_new_tokens=10)
    assisted = model.generate(**inputs, max_new_tokens=10, assistant_model=tiny_model(5))
    assert torch.equal(plain, assisted)


def test_outputs_have_the_field_of_this_version_of_transformers(model) -> None:
    assert CACHE in Seq2SeqLMOutput.__dataclass_fields__
    made = model.generate(**questions(), max_new_tokens=3, return_dict_in_generate=True)
    assert isinstance(made[CACHE], Cache)
    ids = torch.tensor([[1]] * 3)
    for part in (model, model.model):
        output = part(**questions(), decoder_input_ids=ids)
        assert isinstance(output[CACHE], Cache) and set(NAMES) & set(output) == {CACHE}
        assert output[CACHE].get_seq_length() == 1


# --------------------------------------------------------------------------------- forward()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", ["with output layer", "without", "decoder"])
def test_a_cache_is_taken_under_both_names(name: str, level: str, model) -> None:
    call, ids = at(model, level), torch.tensor([[1, 9], [1, 10], [1, 11]])
    whole = call(ids)
    cache = new_cache(model)
    with torch.no_grad():
        call(ids[:, :1], **{name: cache})
        step = call(ids[:, 1:], **{name: cache})
    assert cache.get_seq_length() == 2 and step[CACHE] is cache
    assert (step[0][:, -1] - whole[0][:, -1]).abs().max() < 1e-5


@pytest.mark.parametrize("level", ["with output layer", "without", "decoder"])
def test_two_caches_are_refused(level: str, model) -> None:
    caches = {name: new_cache(model) for name in NAMES}
    with pytest.raises(ValueError, match="one cache.*`cache`.*`past_key_values`"):
        at(model, level)(torch.tensor([[1]] * 3), **caches)


@pytest.mark.parametrize("level", ["with output layer", "without", "decoder"])
@pytest.mark.parametrize("name", ["kv_cache", "encoder_cache"])
def test_a_cache_under_a_third_name_is_refused(name: str, level: str, model) -> None:
    with pytest.raises(ValueError, match=f"cache came as `{name}`.*`cache` or `past_key_values`"):
        at(model, level)(torch.tensor([[1]] * 3), **{name: new_cache(model)})


def test_generate_refuses_a_cache_under_a_third_name(model) -> None:
    with pytest.raises(ValueError, match="kv_cache"):
        model.generate(**questions(), max_new_tokens=3, kv_cache=new_cache(model))


def test_an_encoder_has_no_use_for_a_cache() -> None:
    model = tiny_model()
    encoded = model.get_encoder()(**questions()).last_hidden_state
    again = model.get_encoder()(**questions(), use_cache=True).last_hidden_state
    assert torch.equal(encoded, again)


def test_no_cache_is_none_and_other_arguments_pass() -> None:
    cache = DynamicCache()
    assert given_cache(None, None, {"sliding": 3}) is None
    assert given_cache(cache, None, {}) is cache and given_cache(None, cache, {}) is cache


def at(model: TFChatForConditionalGeneration, level: str) -> Any:
    """Return a call of one part of the model, with the ids of the reply so far."""
    inputs = questions()
    if level == "decoder":
        states = model.get_encoder()(**inputs).last_hidden_state
        asked = {
            "encoder_hidden_states": states,
            "encoder_attention_mask": inputs["attention_mask"],
        }
        return lambda ids, **caches: model.model.decoder(input_ids=ids, **asked, **caches)
    part = model if level == "with output layer" else model.model
    return lambda ids, **caches: part(**inputs, decoder_input_ids=ids, **caches)
