# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The CTranslate2 engine says what torch says, and refuses what it would say otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GenerationConfig, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.engines import load_engine
from tfchat_hf.engines.export import export_run

from .exported import SHAPES, SquaredReLU, questions, saved_run, with_another_formula

pytest.importorskip("ctranslate2")

from data_builders.errors import UserError
from tfchat_hf.engines.ctranslate2_model import CTranslate2Model  # noqa: E402
from tfchat_hf.engines.ctranslate2_weights import vocabulary, write_model  # noqa: E402

Models = tuple[TFChatForConditionalGeneration, CTranslate2Model]


def exported(folder: Path, **changes: Any) -> Models:
    model = saved_run(folder, **changes)
    export_run(folder, "ctranslate2")
    return model, load_engine(folder, "ctranslate2", threads=1)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return exported(tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_network_says_what_torch_says(shape: str, tmp_path: Path) -> None:
    model, engine = exported(tmp_path, **SHAPES[shape])
    for padding in ("left", "right"):
        inputs = questions(padding=padding)
        assert torch.equal(engine.generate(**inputs), model.generate(**inputs))


@pytest.mark.parametrize(
    "settings",
    [
        {"no_repeat_ngram_size": 1},
        {"no_repeat_ngram_size": 2},
        {"repetition_penalty": 1.3},
        {"repetition_penalty": 0.8, "no_repeat_ngram_size": 3},
        {"min_new_tokens": 8},
        {"max_new_tokens": 1},
        {"max_length": 6, "max_new_tokens": None},
        {"generation_config": GenerationConfig(eos_token_id=2, pad_token_id=0)},
        {"suppress_tokens": [7, 8, 9]},
        {"bad_words_ids": [[7], [2], [20, 21]]},
        {"eos_token_id": [2, 30, 40]},
        {"num_beams": 3, "early_stopping": True},
        {"num_beams": 3, "early_stopping": True, "num_return_sequences": 2},
        {"num_beams": 3, "early_stopping": True, "length_penalty": 0.3},
        {"preset": "greedy"},
    ],
)
def test_settings_that_it_has_work_as_in_torch(models: Models, settings: dict[str, Any]) -> None:
    expected, made = (model.generate(**questions(), **settings) for model in models)
    assert torch.equal(made, expected)


def test_the_beam_preset_is_torchs_with_two_settings_made_explicit(models: Models) -> None:
    config = models[0].preset("beam")
    made = models[1].generate(**questions(), generation_config=config)
    config.update(early_stopping=True, renormalize_logits=True)
    assert torch.equal(made, models[0].generate(**questions(), generation_config=config))


def test_int8_is_read_from_either_file_and_says_the_same(tmp_path: Path) -> None:
    saved_run(tmp_path)
    export_run(tmp_path, "ctranslate2")
    on_the_way = load_engine(tmp_path, "ctranslate2", int8=True, threads=1)
    export_run(tmp_path, "ctranslate2", int8=True, overwrite=True)
    saved = load_engine(tmp_path, "ctranslate2", int8=True, threads=1)
    assert (saved.path.name, on_the_way.path.name) == ("model_int8", "model")
    assert torch.equal(saved.generate(**questions()), on_the_way.generate(**questions()))


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.3},
        {"top_k": 5, "temperature": 1.5},
        {"top_p": 0.5},
        {"top_k": 12, "top_p": 0.7, "temperature": 0.8},
    ],
)
def test_it_draws_with_torchs_probabilities(models: Models, settings: dict[str, Any]) -> None:
    ids = torch.tensor([[9, 10, 11, 2]]).repeat(500, 1)
    counts = []
    for model in models:
        torch.manual_seed(0)
        made = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            **{"do_sample": True, "top_k": 0, "max_new_tokens": 1, **settings},
            num_return_sequences=4,
        )
        counts.append(torch.bincount(made[:, 1], minlength=300) / len(made))
    # How far apart two times 2,000 drawings are by chance alone.
    chance = (sum(counts) / 2 / torch.pi / 2000).sqrt().sum()
    assert (counts[0] - counts[1]).abs().sum() / 2 < 1.3 * chance
    plain = models[0](ids[:1], decoder_input_ids=torch.tensor([[1]])).logits[0, 0].softmax(-1)
    assert (counts[1] - plain).abs().sum() / 2 > 2 * chance  # the settings do something


def test_drawings_follow_torchs_seed_and_go_on_without_a_new_one(models: Models) -> None:
    def drawn() -> list[list[int]]:
        return models[1].generate(**questions(), do_sample=True, top_k=0).tolist()

    torch.manual_seed(11)
    first = [drawn(), drawn()]
    torch.manual_seed(11)
    assert [drawn(), drawn()] == first
    assert first[0] != first[1]
    torch.manual_seed(12)
    assert drawn() != first[0]


class Keeper(BaseStreamer):
    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def put(self, value: torch.Tensor) -> None:
        self.calls.append(value.reshape(-1).tolist())

    def end(self) -> None:
        self.calls.append([])


def test_a_streamer_gets_the_tokens_one_by_one(models: Models) -> None:
    keeper = Keeper()
    made = models[1].generate(**questions(1), streamer=keeper)
    assert keeper.calls == [*([token] for token in made[0].tolist()), []]


def test_a_stopping_criterion_ends_each_reply_by_itself(models: Models) -> None:
    def short(ids: torch.LongTensor, scores: None, **kwargs: Any) -> torch.BoolTensor:
        return torch.full((len(ids),), ids.shape[1] >= 4)

    made = models[1].generate(
        **questions(), stopping_criteria=StoppingCriteriaList([short]), min_new_tokens=6
    )
    assert made.shape == (4, 4)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"max_phrase_repeats": 2}, ["max_phrase_repeats", "'greedy'", "--engine torch"]),
        ({"preset": "precise"}, ["max_phrase_repeats", "'beam'"]),
        ({"dry_multiplier": 0.8}, ["dry_multiplier"]),
        ({"copy_penalty": 1.0}, ["copy_penalty"]),
        ({"anti_lm_weight": 0.4}, ["anti_lm_weight"]),
        ({"num_candidates": 4, "rerank_by": "unconditional"}, ["num_candidates"]),
        ({"encoder_no_repeat_ngram_size": 2}, ["encoder_no_repeat_ngram_size"]),
        ({"min_p": 0.1, "do_sample": True}, ["min_p"]),
        ({"num_beams": 2, "do_sample": True}, ["num_beams", "do_sample"]),
        ({"num_beams": 2, "repetition_penalty": 1.2}, ["repetition_penalty", "num_beams"]),
        ({"num_beams": 2, "early_stopping": False}, ["early_stopping", "true"]),
        ({"num_beams": 2, "early_stopping": "never"}, ["early_stopping", "'never'"]),
        ({"num_return_sequences": 2}, ["num_return_sequences"]),
        ({"output_scores": True}, ["output_scores"]),
        ({"weight_dtype": "int8"}, ["weight_dtype"]),
        ({"logits_processor": [print]}, ["logits_processor"]),
        ({"streamer": Keeper()}, ["streamer", "4 questions"]),
        ({"max_new_tokens": 40}, ["max_new_tokens", "max_position_embeddings"]),
        ({"preset": "greedy", "generation_config": GenerationConfig()}, ["preset"]),
    ],
)
def test_what_the_engine_has_not_is_refused_by_name(
    models: Models, settings: dict[str, Any], names: list[str]
) -> None:
    # transformers itself refuses some; its sentences name the setting too.
    with pytest.raises(ValueError) as error:
        models[1].generate(**questions(), **settings)
    assert all(name in str(error.value) for name in names)


def test_an_unknown_activation_is_refused_by_its_setting(tmp_path: Path) -> None:
    saved_run(tmp_path, activation_function="mish")
    with pytest.raises(UserError, match="`activation_function` 'mish'"):
        export_run(tmp_path, "ctranslate2")


def test_a_network_that_was_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = with_another_formula(saved_run(tmp_path), SquaredReLU)
    monkeypatch.setattr(
        TFChatForConditionalGeneration, "from_pretrained", lambda *args, **kwargs: model
    )
    with pytest.raises(UserError, match="something else than the network's code.*--engine onnx"):
        export_run(tmp_path, "ctranslate2")
    assert not (tmp_path / "ctranslate2").exists()


def test_an_export_to_int8_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = saved_run(tmp_path)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    write_model(model, tmp_path, tmp_path, int8=True)
    assert all(torch.equal(before[name], one) for name, one in model.state_dict().items())


def test_the_vocabulary_has_each_id_once_also_those_without_a_token(tmp_path: Path) -> None:
    saved_run(tmp_path)
    tokens = vocabulary(tmp_path, 400)
    assert len(set(tokens)) == len(tokens) == 400
    assert tokens[:5] == ["<pad>", "<s>", "</s>", "<unk>", "<sep>"]
