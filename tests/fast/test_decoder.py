# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`FastDecoder` gives what transformers' own loop gives, or refuses, or stands aside aloud."""

from __future__ import annotations

import copy
import logging
import pickle
from typing import Any

import pytest
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    MaxTimeCriteria,
    StoppingCriteriaList,
)
from transformers.generation.streamers import BaseStreamer

from tests.tiny import batch, questions, speaking_model, tiny_model
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.fast import FastDecoder, steppers
from tfchat_hf.fast.prepacked_linear import PrepackedLinear
from tfchat_hf.model.generation_tfchat import PRESETS

SWITCHES: list[dict[str, Any]] = [
    {},
    {"normalize_before": True},
    {"gated_activation": True, "activation_function": "silu"},
    {"activation_function": "gelu"},
    {"position_embedding_type": "rotary"},
    {"tie_word_embeddings": True},
    {"shared_layer_norm": True, "original_position_exponents": True},
    {"scale_embedding": False, "normalize_before": True, "position_embedding_type": "rotary"},
]


@pytest.fixture(scope="module")
def speaking() -> TFChatForConditionalGeneration:
    """Return a model that no test of this module changes."""
    return speaking_model()


def plain(
    model: TFChatForConditionalGeneration, seed: int = 0, **generate_kwargs: Any
) -> torch.Tensor:
    """Generate with transformers' own loop."""
    torch.manual_seed(seed)
    return model.generate(**generate_kwargs)


def fast(
    model: TFChatForConditionalGeneration,
    seed: int = 0,
    decoder: FastDecoder | None = None,
    **generate_kwargs: Any,
) -> torch.Tensor:
    """Generate with prepacked weights, and make sure that they were used."""
    decoder = decoder or FastDecoder()
    torch.manual_seed(seed)
    made = model.generate(**generate_kwargs, custom_generate=decoder)
    assert decoder.agrees
    return made


# --------------------------------------------------------------------------------- the same tokens


@pytest.mark.parametrize("padding", ["left", "right"])
@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_greedy_tokens_are_those_of_transformers(changes: dict, padding: str) -> None:
    model, decoder = tiny_model(**changes), FastDecoder()
    generate_kwargs = {**questions(5, padding, source=9), "max_new_tokens": 20, "do_sample": False}
    assert torch.equal(
        fast(model, decoder=decoder, **generate_kwargs), plain(model, **generate_kwargs)
    )
    linear = [m for m in model.modules() if type(m) is torch.nn.Linear]
    assert len(decoder.prepacked) == len(linear) > 30


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.7, "top_k": 20},
        {"top_p": 0.8, "repetition_penalty": 1.3},
        {"no_repeat_ngram_size": 2, "min_new_tokens": 4},
        {"num_return_sequences": 3, "typical_p": 0.9},
        {"encoder_no_repeat_ngram_size": 2, "suppress_tokens": [7, 8]},
    ],
    ids=str,
)
def test_drawn_tokens_are_those_of_transformers_with_the_same_seed(settings, speaking) -> None:
    generate_kwargs = {**questions(5), "max_new_tokens": 25, "do_sample": True, **settings}
    for seed in range(2):
        assert torch.equal(
            fast(speaking, seed, **generate_kwargs), plain(speaking, seed, **generate_kwargs)
        )


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "beam"])
def test_every_preset_without_beams_gives_the_same(name: str, speaking) -> None:
    generate_kwargs = {**questions(5, "left"), "max_new_tokens": 20, "preset": name}
    assert torch.equal(fast(speaking, **generate_kwargs), plain(speaking, **generate_kwargs))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("draw", [False, True], ids=["greedy", "drawn"])
def test_other_types_give_the_same_in_large_batches_too(dtype: torch.dtype, draw: bool) -> None:
    model = tiny_model().to(dtype)
    generate_kwargs = {**questions(20), "max_new_tokens": 12, "do_sample": draw}
    assert torch.equal(fast(model, **generate_kwargs), plain(model, **generate_kwargs))


def test_rows_that_end_at_different_times_leave_the_batch(speaking, monkeypatch) -> None:
    sizes: list[int] = []
    real = steppers.Stepper.step

    def noted(self: Any, tokens: torch.Tensor, position: int) -> torch.Tensor:
        sizes.append(len(tokens))
        return real(self, tokens, position)

    ends = list(range(2, 60, 3))
    generate_kwargs = {**questions(6), "max_new_tokens": 40, "eos_token_id": ends}
    expected = plain(speaking, **generate_kwargs)
    places = torch.isin(expected, torch.tensor(ends)).long().argmax(1)
    assert len(set(places.tolist())) > 1, "the replies must end at different places"
    decoder = FastDecoder()
    fast(speaking, decoder=decoder, **generate_kwargs)  # what is prepacked and tried once
    monkeypatch.setattr(steppers.Stepper, "step", noted)
    assert torch.equal(fast(speaking, decoder=decoder, **generate_kwargs), expected)
    assert sizes[0] == 6 and sizes[-1] < 6


def test_random_numbers_fall_to_the_same_rows_after_some_have_ended(speaking) -> None:
    ends = list(range(2, 40, 4))
    generate_kwargs = {**questions(8), "max_new_tokens": 40, "do_sample": True, "temperature": 1.5}
    lengths, decoder = set(), FastDecoder()
    for seed in range(4):
        expected = plain(speaking, seed, **generate_kwargs, eos_token_id=ends)
        lengths |= set(torch.isin(expected, torch.tensor(ends)).long().argmax(1).tolist())
        assert torch.equal(
            fast(speaking, seed, decoder, **generate_kwargs, eos_token_id=ends), expected
        )
    assert len(lengths) > 5


def test_a_reply_may_be_as_long_as_the_position_table() -> None:
    model, generate_kwargs = (
        tiny_model(),
        {**questions(2), "max_new_tokens": 64, "min_new_tokens": 64},
    )
    made = fast(model, **generate_kwargs)
    assert made.shape[1] == 65
    assert torch.equal(made, plain(model, **generate_kwargs))


def test_one_token_and_one_question_are_a_batch_too(speaking) -> None:
    assert fast(speaking, **questions(1), max_new_tokens=1).shape == (1, 2)


def test_questions_without_a_mask_and_as_embeddings_or_states_give_the_same(speaking) -> None:
    ids = questions()["input_ids"]
    embeddings = speaking.get_input_embeddings()(ids)
    states = speaking.get_encoder()(input_ids=ids)
    for given in ({"inputs": ids}, {"inputs_embeds": embeddings}, {"encoder_outputs": states}):
        generate_kwargs = {**given, "max_new_tokens": 9}
        assert torch.equal(fast(speaking, **generate_kwargs), plain(speaking, **generate_kwargs))


def test_criteria_and_processors_of_the_caller_are_obeyed(speaking) -> None:
    class NoToken9(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            scores[:, 9] = -torch.inf
            return scores

    given = {
        **questions(5),
        "max_new_tokens": 12,
        "logits_processor": LogitsProcessorList([NoToken9()]),
        "stopping_criteria": StoppingCriteriaList([MaxTimeCriteria(1000.0)]),
    }
    made = fast(speaking, **given)
    assert torch.equal(made, plain(speaking, **given)) and not (made == 9).any()
    given["stopping_criteria"] = StoppingCriteriaList([MaxTimeCriteria(0.0)])
    assert fast(speaking, **given).shape[1] == 2


def test_a_processor_may_write_into_its_scores(speaking) -> None:
    class Tenfold(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            scores.mul_(100.0)
            return scores / 100

    generate_kwargs = {**questions(8), "max_new_tokens": 60, "do_sample": True, "temperature": 1.5}
    generate_kwargs["logits_processor"] = LogitsProcessorList([Tenfold()])
    assert torch.equal(fast(speaking, **generate_kwargs), plain(speaking, **generate_kwargs))


def test_a_plain_configuration_object_works(speaking) -> None:
    config = GenerationConfig(max_new_tokens=7, do_sample=False, eos_token_id=2, pad_token_id=0)
    generate_kwargs = {**questions(5), "generation_config": config}
    assert torch.equal(fast(speaking, **generate_kwargs), plain(speaking, **generate_kwargs))


# --------------------------------------------------------------------------------- streaming


class Noted(BaseStreamer):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def put(self, value: torch.Tensor) -> None:
        self.heard.append(value)

    def end(self) -> None:
        self.heard.append("end")

    def lists(self) -> list[Any]:
        return [x if isinstance(x, str) else x.tolist() for x in self.heard]


def test_a_streamer_hears_the_same(speaking) -> None:
    ours, theirs = Noted(), Noted()
    fast(speaking, **questions(1), max_new_tokens=12, token_streamer=ours)
    plain(speaking, **questions(1), max_new_tokens=12, streamer=theirs)
    assert ours.lists() == theirs.lists() and len(ours.heard) > 3
    ours.heard[1].add_(1)  # what a streamer keeps is a tensor like any other


# --------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_beams": 3}, "`num_beams=3`"),
        ({"num_beams": 3, "do_sample": True}, "`num_beams=3`"),
        ({"return_dict_in_generate": True, "output_scores": True}, "`return_dict_in_generate"),
        ({"decoder_input_ids": torch.tensor([[1, 9]] * 5)}, "`decoder_input_ids`"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("weight_dtype", [None, "int8"])
def test_more_than_it_can_do_is_refused_in_a_sentence(
    settings: dict, words: str, weight_dtype: str | None, speaking
) -> None:
    generate_kwargs = {**questions(5), "max_new_tokens": 6, **settings}
    with pytest.raises(ValueError, match=words) as error:
        speaking.generate(**generate_kwargs, custom_generate=FastDecoder(weight_dtype))
    assert "Leave it out, or `custom_generate`" in str(error.value)


def test_options_are_empty_where_more_is_asked_for(speaking) -> None:
    decoder = FastDecoder()
    assert decoder.options(speaking.preset("greedy")) == {"custom_generate": decoder}
    assert decoder.options(speaking.preset("creative")) == {"custom_generate": decoder}
    assert decoder.options(speaking.preset("beam")) == {}
    stops = speaking.preset("greedy")
    stops.stop_strings = ["哈"]
    assert decoder.options(stops) == {}


def test_what_transformers_keeps_to_its_own_loop_is_refused_in_a_sentence(speaking) -> None:
    stops = speaking.preset("greedy")
    stops.stop_strings = ["哈"]
    for given in ({"stop_strings": ["哈"]}, {"generation_config": stops}, {"streamer": Noted()}):
        with pytest.raises(ValueError, match="no `stop_strings` and no `streamer`"):
            speaking.generate(**questions(), **given, custom_generate=FastDecoder())


def test_int8_is_never_silently_something_else(speaking) -> None:
    decoder = FastDecoder("int8")
    assert decoder.options(speaking.preset("beam")) == {"custom_generate": decoder}
    with pytest.raises(ValueError, match=r"weight_dtype.*'int4'"):
        FastDecoder("int4")
    with pytest.raises(ValueError, match=r"weight_dtype.*bfloat16"):
        speaking_model().bfloat16().generate(**questions(), custom_generate=decoder)


def test_int8_answers_like_float32_on_a_model_that_is_sure(speaking) -> None:
    generate_kwargs = {**questions(4), "max_new_tokens": 14}
    exact, rounded = (
        plain(speaking, **generate_kwargs),
        fast(speaking, 0, FastDecoder("int8"), **generate_kwargs),
    )
    assert (exact == rounded[:, : exact.shape[1]]).float().mean() > 0.9


# --------------------------------------------------------------------------------- standing aside


def test_a_probe_that_differs_is_told_once_and_the_network_answers(monkeypatch, caplog) -> None:
    model, decoder, generate_kwargs = (
        speaking_model(),
        FastDecoder(),
        {**questions(5), "max_new_tokens": 12},
    )
    real = PrepackedLinear.forward
    monkeypatch.setattr(PrepackedLinear, "forward", lambda self, states: real(self, states) + 0.5)
    with caplog.at_level(logging.WARNING, logger="tfchat_hf.fast"):
        for _ in range(3):
            made = model.generate(**generate_kwargs, custom_generate=decoder)
            assert torch.equal(made, plain(model, **generate_kwargs))
    assert not decoder.agrees
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("Fast decoding gives other scores than the network")


def test_a_probe_that_fails_is_told_once_and_the_network_answers(monkeypatch, caplog) -> None:
    class Particular(torch.nn.Module):
        def __init__(self, linear: torch.nn.Linear) -> None:
            super().__init__()
            self.linear = linear

        def forward(self, states: torch.Tensor) -> torch.Tensor:
            assert type(self.linear) is torch.nn.Linear
            return self.linear(states)

    model, decoder, generate_kwargs = (
        speaking_model(),
        FastDecoder(),
        {**questions(5), "max_new_tokens": 12},
    )
    model.lm_head = Particular(model.lm_head)
    with caplog.at_level(logging.WARNING, logger="tfchat_hf.fast"):
        for _ in range(2):
            made = model.generate(**generate_kwargs, custom_generate=decoder)
            assert torch.equal(made, plain(model, **generate_kwargs))
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("Fast decoding fails here (AssertionError")


def test_a_network_whose_probe_has_no_numbers_answers_by_itself(caplog) -> None:
    model, decoder = tiny_model(), FastDecoder()
    with torch.no_grad():
        model.lm_head.bias[7] = torch.nan
    generate_kwargs = {**questions(), "max_new_tokens": 3, "suppress_tokens": [7]}
    assert torch.equal(
        model.generate(**generate_kwargs, custom_generate=decoder), plain(model, **generate_kwargs)
    )


def test_in_training_mode_the_network_itself_is_called() -> None:
    model, decoder = speaking_model().train(), FastDecoder()
    generate_kwargs = {**questions(), "max_new_tokens": 8}
    assert torch.equal(
        fast(model, 3, decoder, **generate_kwargs), plain(model, 3, **generate_kwargs)
    )
    assert not decoder.prepacked


# --------------------------------------------------------------------------------- other weights


@pytest.mark.parametrize("way", ["step", "copy", "data", "replaced", "tied row", "bias"])
def test_weights_that_changed_are_prepacked_anew(way: str) -> None:
    model = speaking_model(tie_word_embeddings=way == "tied row")
    decoder, generate_kwargs = FastDecoder(), {**questions(5), "max_new_tokens": 15}
    before = fast(model, decoder=decoder, **generate_kwargs)
    weight = model.model.decoder.layers[1].fc1.weight
    if way == "step":
        with torch.no_grad():
            weight.mul_(-1)
    elif way == "copy":
        model.load_state_dict(tiny_model(3).state_dict())
    elif way == "data":
        weight.data.mul_(-1)
    elif way == "replaced":
        weight.data = -weight.data
    elif way == "bias":
        model.lm_head.bias.data[9] = 50.0
    else:
        model.get_input_embeddings().weight.data[86].mul_(-1)  # a token that it says
    made = fast(model, decoder=decoder, **generate_kwargs)
    assert torch.equal(made, plain(model, **generate_kwargs)) and not torch.equal(made, before)


def test_what_has_not_changed_is_not_prepacked_again(speaking, monkeypatch) -> None:
    decoder, generate_kwargs = FastDecoder(), {**questions(), "max_new_tokens": 4}
    fast(speaking, decoder=decoder, **generate_kwargs)
    first = dict(decoder.prepacked)
    monkeypatch.setattr(FastDecoder, "_agree", None)  # nor is anything tried again
    fast(speaking, decoder=decoder, **generate_kwargs)
    assert decoder.prepacked == first


def test_only_the_layer_that_changed_is_prepacked_again() -> None:
    model, decoder, generate_kwargs = (
        speaking_model(),
        FastDecoder(),
        {**questions(), "max_new_tokens": 4},
    )
    fast(model, decoder=decoder, **generate_kwargs)
    first = dict(decoder.prepacked)
    model.lm_head.weight.data[3, 4] += 0.01
    fast(model, decoder=decoder, **generate_kwargs)
    others = [layer for layer in first if decoder.prepacked[layer] is not first[layer]]
    assert others == [model.lm_head]


def test_one_decoder_serves_several_models_in_turn() -> None:
    decoder, generate_kwargs = FastDecoder(), {**questions(5), "max_new_tokens": 12}
    models = [speaking_model(), tiny_model(4), tiny_model(5, vocab_size=150, d_model=64)]
    models += [tiny_model(6).double()]
    for model in [*models, *models]:
        assert torch.equal(
            fast(model, decoder=decoder, **generate_kwargs), plain(model, **generate_kwargs)
        )


def test_a_copied_pickled_or_moved_model_packs_its_own_weights() -> None:
    model, decoder, generate_kwargs = (
        speaking_model(),
        FastDecoder(),
        {**questions(5), "max_new_tokens": 15},
    )
    expected = fast(model, decoder=decoder, **generate_kwargs)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin.lm_head.bias.data[9] = 50.0
        assert torch.equal(
            fast(twin, decoder=decoder, **generate_kwargs), plain(twin, **generate_kwargs)
        )
        assert torch.equal(fast(model, decoder=decoder, **generate_kwargs), expected)
    double = copy.deepcopy(model).double()
    assert torch.equal(
        fast(double, decoder=decoder, **generate_kwargs), plain(double, **generate_kwargs)
    )


def test_packing_leaves_the_model_as_it_was() -> None:
    model = speaking_model()
    weights, modules = dict(model.state_dict()), list(model.modules())
    fast(model, **questions(), max_new_tokens=3)
    assert list(model.modules()) == modules and not hasattr(model, "fast_decoder")
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    model(**batch(2, 5, 4), labels=batch(2, 5, 4)["decoder_input_ids"]).loss.backward()
    assert model.lm_head.weight.grad is not None


def test_a_model_born_in_inference_mode_is_decoded_too() -> None:
    with torch.inference_mode():
        model = tiny_model()
    assert fast(model, **questions(5), max_new_tokens=3).shape[1] > 1


def test_autocast_begun_or_ended_between_two_calls_is_followed(speaking) -> None:
    for first in (True, False):
        decoder, generate_kwargs = FastDecoder(), {**questions(5), "max_new_tokens": 8}
        for on in (first, not first, first):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=on):
                made = fast(speaking, decoder=decoder, **generate_kwargs)
                assert torch.equal(made, plain(speaking, **generate_kwargs))


def test_an_edit_under_autocast_is_seen() -> None:
    model, decoder, generate_kwargs = (
        speaking_model(),
        FastDecoder(),
        {**questions(5), "max_new_tokens": 8},
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fast(model, decoder=decoder, **generate_kwargs)
        prepacked = decoder.prepacked[model.lm_head]
        model.lm_head.weight.data[5, 5] += 1e-4  # bfloat16 would not see it in a sum
        assert not prepacked.is_current()


def test_a_linear_layer_that_torch_itself_computes_otherwise_is_followed(monkeypatch) -> None:
    model, decoder, generate_kwargs = (
        speaking_model(),
        FastDecoder(),
        {**questions(5), "max_new_tokens": 8},
    )
    before = fast(model, decoder=decoder, **generate_kwargs)
    real = torch.nn.Linear.forward
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda self, states: -real(self, states))
    made = fast(model, decoder=decoder, **generate_kwargs)
    assert torch.equal(made, plain(model, **generate_kwargs)) and not torch.equal(made, before)


def test_a_hook_on_all_modules_of_torch_is_followed() -> None:
    model, decoder, generate_kwargs = (
        speaking_model(),
        FastDecoder(),
        {**questions(5), "max_new_tokens": 8},
    )
    fast(model, decoder=decoder, **generate_kwargs)
    heard = set()
    handle = torch.nn.modules.module.register_module_forward_hook(
        lambda module, given, output: heard.add(module)
    )
    try:
        fast(model, decoder=decoder, **generate_kwargs)
    finally:
        handle.remove()
    assert model.lm_head in heard
