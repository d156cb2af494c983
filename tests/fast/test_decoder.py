# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The fast loop of `generate()` gives what transformers' own loop gives, or stands aside."""

from __future__ import annotations

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
from transformers.generation import GenerationMixin
from transformers.generation.streamers import BaseStreamer

from tests.tiny import batch, speaking_model, tiny_model
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf import generation_tfchat as generation

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


def questions(rows: int = 5, padding: str = "right", source: int = 9) -> dict[str, torch.Tensor]:
    inputs = batch(rows, source, 2, padding=padding)
    del inputs["decoder_input_ids"]
    return inputs


def core(model: TFChatForConditionalGeneration, **kwargs: Any) -> Any:
    """Generate with transformers' loop: the model has no packed weights."""
    model._packed_network = lambda config: None
    try:
        return model.generate(**kwargs)
    finally:
        del model._packed_network


@pytest.fixture
def fast_calls(monkeypatch) -> list[int]:
    """Count how often the fast loop runs."""
    calls: list[int] = []
    real = generation.fast_decode

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(generation, "fast_decode", counted)
    return calls


@pytest.mark.parametrize("padding", ["left", "right"])
@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_greedy_tokens_are_those_of_transformers(changes, padding, fast_calls) -> None:
    model = tiny_model(**changes)
    wanted = {**questions(padding=padding), "max_new_tokens": 20, "do_sample": False}
    expected = core(model, **wanted)
    assert not fast_calls
    assert torch.equal(model.generate(**wanted), expected)
    assert fast_calls == [1]


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
def test_drawn_tokens_are_those_of_transformers_with_the_same_seed(settings, fast_calls) -> None:
    model = speaking_model()
    wanted = {**questions(), "max_new_tokens": 25, "do_sample": True, **settings}
    for seed in range(5):
        torch.manual_seed(seed)
        expected = core(model, **wanted)
        torch.manual_seed(seed)
        assert torch.equal(model.generate(**wanted), expected)
    assert len(fast_calls) == 5


def test_rows_that_end_at_different_times_leave_the_batch(fast_calls) -> None:
    model = speaking_model()
    inputs = questions(6, source=7)
    steps: list[int] = []
    real = generation.Stepper.step

    def noted(self: Any, tokens: torch.Tensor, position: int) -> torch.Tensor:
        steps.append(len(tokens))
        return real(self, tokens, position)

    ends = list(range(2, 60, 3))
    wanted = {**inputs, "max_new_tokens": 40, "eos_token_id": ends}
    expected = core(model, **wanted)
    places = torch.isin(expected, torch.tensor(ends)).long().argmax(1)
    assert len(set(places.tolist())) > 1, "the replies must end at different places"
    generation.Stepper.step = noted
    try:
        assert torch.equal(model.generate(**wanted), expected)
    finally:
        generation.Stepper.step = real
    assert steps[0] == 6 and steps[-1] < 6


def test_random_numbers_fall_to_the_same_rows_after_some_have_ended(fast_calls) -> None:
    model = speaking_model()
    wanted = {**questions(8), "max_new_tokens": 40, "do_sample": True, "temperature": 1.5}
    lengths = set()
    for seed in range(8):
        torch.manual_seed(seed)
        expected = core(model, **wanted)
        lengths |= set((expected == 2).long().argmax(1).tolist())
        torch.manual_seed(seed)
        assert torch.equal(model.generate(**wanted), expected)
    assert len(lengths) > 5


class Noted(BaseStreamer):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def put(self, value: torch.Tensor) -> None:
        self.heard.append(value.tolist())

    def end(self) -> None:
        self.heard.append("end")


def test_a_streamer_hears_the_same(fast_calls) -> None:
    model, heard = speaking_model(), []
    for way in (core, lambda model, **given: model.generate(**given)):
        streamer = Noted()
        way(model, **questions(1), max_new_tokens=12, streamer=streamer)
        heard.append(streamer.heard)
    assert heard[0] == heard[1]
    assert fast_calls == [1]


def test_criteria_and_processors_of_the_caller_are_obeyed(fast_calls) -> None:
    class NoToken9(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            scores[:, 9] = -torch.inf
            return scores

    model, inputs = speaking_model(), questions()
    given = {
        **inputs,
        "max_new_tokens": 12,
        "logits_processor": LogitsProcessorList([NoToken9()]),
        "stopping_criteria": StoppingCriteriaList([MaxTimeCriteria(100.0)]),
    }
    assert torch.equal(model.generate(**given), core(model, **given))
    stopped = StoppingCriteriaList([MaxTimeCriteria(0.0)])
    assert model.generate(**inputs, stopping_criteria=stopped, max_new_tokens=9).shape[1] == 2
    assert len(fast_calls) == 2


@pytest.mark.parametrize(
    "settings",
    [
        {"num_beams": 3},
        {"return_dict_in_generate": True, "output_scores": True},
        {"use_cache": False},
        {"cache_implementation": "static", "disable_compile": True},
        {"decoder_input_ids": torch.tensor([[1, 9]] * 5)},
        {"eos_token_id": None},
    ],
    ids=str,
)
def test_what_asks_for_more_goes_through_transformers(settings, fast_calls) -> None:
    speaking_model().generate(**questions(), max_new_tokens=6, **settings)
    assert not fast_calls


def test_a_changed_network_goes_through_transformers(fast_calls) -> None:
    class Doubled(torch.nn.Linear):
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(states)

    hooked, replaced = speaking_model(), speaking_model()
    hooked.model.decoder.layers[0].fc1.register_forward_hook(lambda *given: None)
    config = replaced.config
    replaced.model.decoder.layers[0].fc2 = Doubled(config.decoder_ffn_dim, config.d_model)
    training = speaking_model().train()
    for model in (hooked, replaced, training):
        model.generate(**questions(), max_new_tokens=4)
    assert not fast_calls


@pytest.mark.parametrize("way", ["step", "copy", "data", "row", "replaced", "tied row"])
def test_weights_that_changed_are_packed_anew(way) -> None:
    model = speaking_model(tie_word_embeddings=True) if way == "tied row" else speaking_model()
    wanted = {**questions(), "max_new_tokens": 15}
    model.generate(**wanted)
    weight = model.model.decoder.layers[1].fc1.weight
    if way == "step":
        with torch.no_grad():
            weight.mul_(-1)
    elif way == "copy":
        model.load_state_dict(tiny_model(3).state_dict())
    elif way == "data":
        weight.data.mul_(-1)
    elif way == "row":
        model.lm_head.weight.data[9] = 5.0
    elif way == "replaced":
        weight.data = -weight.data
    else:
        model.get_input_embeddings().weight.data[9] = 0.7
    assert torch.equal(model.generate(**wanted), core(model, **wanted))


def test_a_copied_pickled_or_moved_model_packs_its_own_weights() -> None:
    import copy
    import pickle

    model = speaking_model()
    wanted = {**questions(), "max_new_tokens": 15}
    expected = model.generate(**wanted)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(twin.generate(**wanted), expected)
    double = copy.deepcopy(model).double()
    assert torch.equal(double.generate(**wanted), core(double, **wanted))


def test_a_reply_may_be_as_long_as_the_position_table() -> None:
    model = tiny_model()
    wanted = {**questions(2), "max_new_tokens": 64, "min_new_tokens": 64}
    made = model.generate(**wanted)
    assert made.shape[1] == 65
    assert torch.equal(made, core(model, **wanted))


def test_one_token_and_one_question_are_a_batch_too() -> None:
    model = speaking_model()
    assert model.generate(**questions(1), max_new_tokens=1).shape == (1, 2)


def test_int8_answers_like_float32_on_a_model_that_is_sure() -> None:
    model = speaking_model()
    wanted = {**batch(4, 7, 2), "max_new_tokens": 14}
    del wanted["decoder_input_ids"]
    exact, rounded = model.generate(**wanted), model.generate(**wanted, weight_dtype="int8")
    same = (exact == rounded[:, : exact.shape[1]]).float().mean()
    assert same > 0.9


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_beams": 4}, ["weight_dtype", "num_beams=4", "CTranslate2"]),
        ({"return_dict_in_generate": True}, ["weight_dtype", "return_dict_in_generate"]),
        ({"weight_dtype": "int4"}, ["weight_dtype", "'int8'", "'int4'"]),
    ],
    ids=str,
)
def test_int8_is_refused_where_it_would_be_ignored(settings, words) -> None:
    with pytest.raises(ValueError) as error:
        speaking_model().generate(**questions(), **{"weight_dtype": "int8", **settings})
    assert all(word in str(error.value) for word in words)


def test_generate_takes_every_argument_of_transformers() -> None:
    import inspect

    theirs = list(inspect.signature(GenerationMixin.generate).parameters)
    ours = list(inspect.signature(TFChatForConditionalGeneration.generate).parameters)
    assert ours[: len(theirs) - 1] == theirs[:-1]


def test_a_plain_configuration_object_works(fast_calls) -> None:
    model, inputs = speaking_model(), questions()
    config = GenerationConfig(max_new_tokens=7, do_sample=False, eos_token_id=2, pad_token_id=0)
    made = model.generate(**inputs, generation_config=config)
    assert torch.equal(made, core(model, **inputs, generation_config=config))


def test_a_preset_has_every_setting_so_that_update_passes_over_none() -> None:
    config = speaking_model().preset("greedy")
    assert not config.update(weight_dtype="int8", max_phrase_repeats=1, rerank_by="reverse")
    assert config.weight_dtype == "int8"


def test_weights_of_a_fused_optimizer_are_packed_anew() -> None:
    # Its steps do not count as changes with torch.
    model, wanted = speaking_model(), {**questions(), "max_new_tokens": 15}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, fused=True)
    for _ in range(2):
        model.generate(**wanted)
        model(**batch(4, 7, 5), labels=batch(4, 7, 5)["decoder_input_ids"]).loss.backward()
        optimizer.step()
        assert torch.equal(model.generate(**wanted), core(model, **wanted))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_types_give_the_tokens_of_transformers_in_large_batches_too(dtype) -> None:
    model = tiny_model().to(dtype)
    wanted = {**questions(20), "max_new_tokens": 12}
    assert torch.equal(model.generate(**wanted), core(model, **wanted))


def test_autocast_goes_through_transformers(fast_calls) -> None:
    model, wanted = speaking_model(), {**questions(), "max_new_tokens": 6}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model.generate(**wanted), core(model, **wanted))
    assert not fast_calls


def _subclass(model: Any) -> None:
    class Other(type(model)):
        pass

    model.__class__ = Other


def _sub_encoder(model: Any) -> None:
    class Other(type(model.model.encoder)):
        pass

    model.model.encoder.__class__ = Other


def _forward(model: Any) -> None:
    layer = model.model.decoder.layers[0].fc1
    layer.forward = layer.forward


def _no_bias(model: Any) -> None:
    model.lm_head = torch.nn.Linear(32, model.config.vocab_size, bias=False)


@pytest.mark.parametrize(
    "change",
    [
        _subclass,
        _sub_encoder,
        _forward,
        _no_bias,
        lambda model: model.register_forward_hook(lambda *given: None),
        lambda model: model.model.register_forward_pre_hook(lambda *given: None),
    ],
)
def test_whatever_was_changed_about_a_network_is_not_passed_over(change, fast_calls) -> None:
    model = speaking_model()
    change(model)
    model.generate(**questions(), max_new_tokens=4)
    assert not fast_calls


def test_another_activation_is_noticed() -> None:
    model, wanted = speaking_model(), {**questions(), "max_new_tokens": 12}
    model.generate(**wanted)
    for layer in model.model.decoder.layers:
        layer.activation_fn = torch.nn.Tanh()
    assert torch.equal(model.generate(**wanted), core(model, **wanted))


def test_a_processor_may_write_into_its_scores() -> None:
    class Tenfold(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            scores.mul_(100.0)
            return scores / 100

    model = speaking_model()
    wanted = {**questions(8), "max_new_tokens": 60, "do_sample": True, "temperature": 1.5}
    wanted["logits_processor"] = LogitsProcessorList([Tenfold()])
    made = []
    for way in (core, lambda model, **given: model.generate(**given)):
        torch.manual_seed(0)
        made.append(way(model, **wanted))
    assert torch.equal(*made)


def test_what_a_streamer_keeps_is_a_tensor_like_any_other() -> None:
    class Keeper(Noted):
        def put(self, value: torch.Tensor) -> None:
            self.heard.append(value)

    model, keeper = speaking_model(), Keeper()
    model.generate(**questions(1), max_new_tokens=5, streamer=keeper)
    keeper.heard[1].add_(1)
    with torch.inference_mode():
        born_there = speaking_model()
    assert born_there.generate(**questions(), max_new_tokens=3).shape[1] > 1


def test_a_longer_reply_than_the_first_room_makes_more(monkeypatch) -> None:
    from tfchat_hf import stepping_tfchat

    monkeypatch.setattr(stepping_tfchat, "MOST_ROOM", 5)
    model = tiny_model(position_embedding_type="rotary")
    wanted = {**questions(), "max_new_tokens": 30, "min_new_tokens": 30}
    assert torch.equal(model.generate(**wanted), core(model, **wanted))


def test_int8_refuses_weights_of_another_type() -> None:
    with pytest.raises(ValueError, match=r"weight_dtype.*bfloat16"):
        speaking_model().bfloat16().generate(**questions(), weight_dtype="int8")
