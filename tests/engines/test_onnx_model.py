# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The onnx engine says what torch says, whatever the network's shape and the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LogitsProcessor, LogitsProcessorList
from transformers.generation.streamers import BaseStreamer

from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.engines import EngineError, load_engine
from tfchat_hf.export import export_run

from .exported import SHAPES, lively_model, questions, saved_run

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tfchat_hf.engines.onnx_export import write_graphs  # noqa: E402
from tfchat_hf.engines.onnx_model import OnnxModel  # noqa: E402
from tfchat_hf.engines.onnx_sessions import OnnxSessions  # noqa: E402

Models = tuple[TFChatForConditionalGeneration, OnnxModel]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    saved_run(folder)
    export_run(folder, "onnx", int8=True)
    return folder


@pytest.fixture(scope="module")
def models(run: Path) -> Models:
    torch_model = TFChatForConditionalGeneration.from_pretrained(run).eval()
    return torch_model, load_engine(run, "onnx", threads=1)


def exported(folder: Path, **changes: Any) -> Models:
    model = lively_model(**changes)
    write_graphs(model, folder, int8=True)
    return model, OnnxModel(model.config, OnnxSessions(folder, 1), model.generation_config)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_network_has_torchs_logits_and_tokens(shape: str, tmp_path: Path) -> None:
    model, engine = exported(tmp_path, **SHAPES[shape])
    for padding in ("left", "right"):
        inputs = questions(padding=padding)
        reply = torch.randint(5, 97, (4, 9))
        expected = model(**inputs, decoder_input_ids=reply).logits
        made = engine(**inputs, decoder_input_ids=reply).logits
        torch.testing.assert_close(made, expected, atol=5e-5, rtol=1e-4)
        assert torch.equal(engine.generate(**inputs), model.generate(**inputs))


def test_the_loss_of_labels_is_torchs(models: Models) -> None:
    labels = torch.randint(5, 97, (4, 6))
    labels[1, 4:] = -100
    expected, made = (model(**questions(), labels=labels).loss for model in models)
    torch.testing.assert_close(made, expected)


@pytest.mark.parametrize("shape", ["plain", "rotary, gated, pre-norm", "heads of 10"])
def test_int8_is_near_and_a_row_is_answered_in_a_batch_as_alone(shape: str, tmp_path: Path) -> None:
    model, engine = exported(tmp_path, **SHAPES[shape])
    engine.int8 = True
    inputs, reply = questions(), torch.randint(5, 97, (4, 6))
    expected = model(**inputs, decoder_input_ids=reply).logits
    made = engine(**inputs, decoder_input_ids=reply).logits
    likeness = torch.nn.functional.cosine_similarity(made, expected, dim=-1)
    assert likeness.min() > 0.99
    assert not torch.equal(made, expected)  # else int8 was not what ran
    whole = {name: tensor[:1] for name, tensor in inputs.items()}
    alone = engine(**whole, decoder_input_ids=reply[:1]).logits
    torch.testing.assert_close(alone, made[:1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("preset", ["greedy", "precise", "balanced", "creative"])
def test_presets_give_torchs_replies_drawn_with_the_same_seed(models: Models, preset: str) -> None:
    made = []
    for model in models:
        torch.manual_seed(7)
        made.append(model.generate(**questions(), preset=preset))
    assert torch.equal(*made)
    assert made[0].shape[1] > 2


@pytest.mark.parametrize(
    "settings",
    [
        {"num_return_sequences": 3, "do_sample": True, "top_k": 20},
        {"no_repeat_ngram_size": 2, "repetition_penalty": 1.3},
        {"min_new_tokens": 8},
        {"max_new_tokens": 1},
        {"suppress_tokens": [7, 8, 9]},
    ],
)
def test_settings_of_transformers_work_as_in_torch(
    models: Models, settings: dict[str, Any]
) -> None:
    made = []
    for model in models:
        torch.manual_seed(3)
        made.append(model.generate(**questions(), **settings))
    assert torch.equal(*made)


def test_a_processor_of_the_callers_is_asked(models: Models) -> None:
    class OnlySeven(LogitsProcessor):
        def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
            return torch.full_like(scores, -torch.inf).index_fill(1, torch.tensor([7]), 0.0)

    made = models[1].generate(**questions(2), logits_processor=LogitsProcessorList([OnlySeven()]))
    assert made[:, 1:].unique().tolist() == [7]


def test_a_streamer_gets_the_tokens_one_by_one(models: Models) -> None:
    class Keeper(BaseStreamer):
        def __init__(self) -> None:
            self.calls: list[list[int]] = []

        def put(self, value: torch.Tensor) -> None:
            self.calls.append(value.reshape(-1).tolist())

        def end(self) -> None:
            self.calls.append([])

    keeper = Keeper()
    made = models[1].generate(**questions(1), streamer=keeper)
    assert keeper.calls == [*([token] for token in made[0].tolist()), []]


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"num_beams": 2}, ["num_beams", "ctranslate2"]),
        ({"preset": "beam"}, ["num_beams", "torch"]),
        ({"output_hidden_states": True}, ["output_hidden_states", "torch"]),
        ({"return_dict_in_generate": True, "output_scores": True}, ["output_scores"]),
        ({"decoder_input_ids": torch.ones(4, 2).long()}, ["decoder_input_ids"]),
    ],
)
def test_what_the_engine_has_not_is_refused_by_name(
    models: Models, settings: dict[str, Any], names: list[str]
) -> None:
    with pytest.raises(EngineError) as error:
        models[1].generate(**questions(), **settings)
    assert all(name in str(error.value) for name in names)


def test_too_long_a_question_and_too_long_a_reply_are_refused(models: Models) -> None:
    long = torch.full((1, 33), 7)
    with pytest.raises(ValueError, match="max_position_embeddings"):
        models[1].generate(long, attention_mask=torch.ones_like(long))
    with pytest.raises(ValueError, match="max_position_embeddings"):
        models[1].generate(**questions(), max_new_tokens=40)


def test_int8_without_its_files_is_refused_with_the_command(tmp_path: Path) -> None:
    saved_run(tmp_path)
    export_run(tmp_path, "onnx")
    with pytest.raises(EngineError, match="--engine onnx --int8 --overwrite"):
        load_engine(tmp_path, "onnx", int8=True).generate(**questions())


def test_an_unknown_activation_is_refused_by_its_setting(tmp_path: Path) -> None:
    model = lively_model(activation_function="laplace")
    with pytest.raises(EngineError, match="`activation_function` 'laplace'"):
        write_graphs(model, tmp_path, int8=False)


@pytest.mark.parametrize("graph", ["encoder", "cross_attention", "decoder", "decoder_int8"])
def test_nodes_and_weights_have_the_networks_names(run: Path, graph: str) -> None:
    model = onnx.load(run / "onnx" / f"{graph}.onnx")
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    starts = ("encoder/", "decoder/", "lm_head/", "next_token/")
    assert all(name.startswith(starts) for name in names)
    if graph == "decoder":
        assert "decoder/layers.2/fc1/Gemm" in names
        weights = [one.name for one in model.graph.initializer]
        assert "model.decoder.layers.2.fc1.weight" in weights
        assert {"logits", "next_token"} <= {one.name for one in model.graph.output}
