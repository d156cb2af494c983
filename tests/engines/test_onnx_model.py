# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The onnx engine says what torch says, whatever the network's shape and the settings."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LogitsProcessor, LogitsProcessorList
from transformers.generation.streamers import BaseStreamer

from data_builders.errors import UserError
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.engines import load_engine
from tfchat_hf.engines.export import check_export
from tfchat_hf.fast import decoding

from .exported import (
    TRACED_SHAPES,
    SquaredReLU,
    lively_model,
    questions,
    traced_run,
    traces,
    with_another_formula,
)

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from tfchat_hf.engines.onnx_export import write_graphs  # noqa: E402
from tfchat_hf.engines.onnx_model import OnnxModel  # noqa: E402

pytestmark = traces

Models = tuple[TFChatForConditionalGeneration, OnnxModel]


@pytest.fixture(scope="module")
def run(shared: Path) -> Path:
    return traced_run(shared)


@pytest.fixture(scope="module")
def models(run: Path) -> Models:
    torch_model = TFChatForConditionalGeneration.from_pretrained(run).eval()
    return torch_model, load_engine(run, "onnx", threads=1)


@pytest.fixture(scope="module", params=["run", *TRACED_SHAPES])
def shaped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Models:
    if request.param == "run":
        return request.getfixturevalue("models")
    model, folder = lively_model(**TRACED_SHAPES[request.param]), tmp_path_factory.mktemp("shape")
    write_graphs(model, folder, int8=True)
    return model, OnnxModel(model.config, folder, model.generation_config, threads=1)


def test_every_shape_of_network_has_torchs_logits_and_tokens(shaped: Models) -> None:
    model, engine = shaped
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


def test_int8_is_near_and_a_row_is_answered_in_a_batch_as_alone(shaped: Models) -> None:
    model = shaped[0]
    engine = OnnxModel(model.config, shaped[1].folder, model.generation_config, int8=True)
    inputs, reply = questions(), torch.randint(5, 97, (4, 6))
    expected = model(**inputs, decoder_input_ids=reply).logits
    made = engine(**inputs, decoder_input_ids=reply).logits
    likeness = torch.nn.functional.cosine_similarity(made, expected, dim=-1)
    assert likeness.min() > 0.97
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


def test_the_best_of_many_candidates_is_torchs(models: Models) -> None:
    made = []
    for model in models:
        torch.manual_seed(7)
        config = decoding.preset(model, "candidates")
        config.return_dict_in_generate = True
        how = decoding.generate_options(config, questions()["input_ids"])
        made.append(model.generate(**questions(), **how))
    assert torch.equal(made[0].candidates, made[1].candidates)
    for name in ("forward_scores", "second_scores"):
        torch.testing.assert_close(made[0][name], made[1][name], atol=1e-3, rtol=1e-4)


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
    with pytest.raises(UserError) as error:
        models[1].generate(**questions(), **settings)
    assert all(name in str(error.value) for name in names)


def test_too_long_a_question_and_too_long_a_reply_are_refused(models: Models) -> None:
    long = torch.full((1, 33), 7)
    with pytest.raises(ValueError, match="max_position_embeddings"):
        models[1].generate(long, attention_mask=torch.ones_like(long))
    with pytest.raises(ValueError, match="max_position_embeddings"):
        models[1].generate(**questions(), max_new_tokens=40)


def test_int8_without_its_files_is_refused_with_the_command(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "onnx" / "decoder_int8.onnx").unlink()
    with pytest.raises(UserError, match="--engine onnx --int8 --overwrite"):
        load_engine(folder, "onnx", int8=True).generate(**questions())


def test_a_network_that_was_changed_is_followed(tmp_path: Path) -> None:
    model = lively_model(**TRACED_SHAPES["original"])
    before = model.generate(**questions())
    with_another_formula(model, SquaredReLU)
    write_graphs(model, tmp_path, int8=False)
    engine = OnnxModel(model.config, tmp_path, model.generation_config, threads=1)
    check_export(model, engine, "onnx")
    assert torch.equal(engine.generate(**questions()), model.generate(**questions()))
    assert not torch.equal(before, model.generate(**questions()))


def test_a_network_that_cannot_be_traced_is_refused_with_the_reason(tmp_path: Path) -> None:
    class Choosy(torch.nn.Module):
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            return states if states.sum() > 0 else states.relu()

    model = with_another_formula(lively_model(encoder_layers=1, decoder_layers=1), Choosy)
    with pytest.raises(UserError, match="cannot follow the network's Encoder .*--engine torch"):
        write_graphs(model, tmp_path, int8=False)


def test_an_export_that_says_something_else_is_refused(run: Path) -> None:
    model = TFChatForConditionalGeneration.from_pretrained(run).eval()
    with torch.no_grad():
        model.model.decoder.layers[1].fc2.bias += torch.linspace(-1, 1, 32)
    with pytest.raises(UserError, match="something else than the network's code"):
        check_export(model, load_engine(run, "onnx", threads=1), "onnx")


GRAPHS = ["encoder", "cross_attention", "decoder", "decoder_int8"]
PLAIN = ["plain/encoder", "plain/cross_attention", "plain/decoder_step"]


@pytest.mark.parametrize("graph", [*GRAPHS, *PLAIN])
def test_nodes_and_weights_have_the_networks_names_and_nothing_of_the_machine(
    run: Path, graph: str
) -> None:
    path = run / "onnx" / f"{graph}.onnx"
    model = onnx.load(path)
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    inside = [name for name in names if name.startswith(("/model/", "/lm_head/"))]
    assert len(inside) >= len(names) - 6  # what is left reads the size of a batch
    assert b".py" not in path.read_bytes()
    if graph.startswith("decoder"):  # nothing is split into heads only to be put together again
        assert not {"Reshape", "Transpose"} & {node.op_type for node in model.graph.node}
    if graph == "decoder":
        assert "/model/decoder/layers.1/fc1/MatMul" in names
        weights = [one.name for one in model.graph.initializer]
        assert {"model.decoder.layers.1.fc1.weight.transposed", "lm_head.bias"} <= set(weights)
        assert {"logits", "next_token"} <= {one.name for one in model.graph.output}


@pytest.mark.parametrize(("graph", "attentions"), list(zip(PLAIN, (1, 0, 4), strict=True)))
def test_plain_graphs_write_attention_out_in_standard_operators(
    run: Path, graph: str, attentions: int
) -> None:
    model = onnx.load(run / "onnx" / f"{graph}.onnx")
    onnx.checker.check_model(model)
    assert [one.domain for one in model.opset_import] == [""]
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    nodes = {node.name: node for node in model.graph.node}
    softmaxes = [name for name in nodes if name.endswith("/Softmax")]
    assert len(softmaxes) == attentions
    for name in softmaxes:
        module = name.removesuffix("/Softmax")
        assert module.endswith(("/self_attn", "/encoder_attn"))
        scores = nodes[nodes[name].input[0]]  # values are called like the nodes that give them
        if "decoder" not in module or "encoder_attn" in module:  # a step hides no reply from itself
            assert scores.name == f"{module}/Add"
            scores = nodes[scores.input[0]]
        assert scores.name == f"{module}/Mul"
        assert nodes[scores.input[0]].name == f"{module}/MatMul"
        assert nodes[f"{module}/MatMul_2"].input[0] == name


def test_plain_graphs_run_and_have_torchs_logits(run: Path) -> None:
    torch_model = TFChatForConditionalGeneration.from_pretrained(run).eval()
    inputs, reply = questions(), torch.randint(5, 97, (4, 3))
    encoder, cross, step = (
        onnxruntime.InferenceSession(run / "onnx" / f"{graph}.onnx") for graph in PLAIN
    )
    states = encoder.run(None, {name: one.numpy() for name, one in inputs.items()})[0]
    named = [one.name for one in cross.get_outputs()]
    fixed = dict(zip(named, cross.run(None, {"encoder_hidden_states": states}), strict=True))
    mask = np.where(inputs["attention_mask"].numpy()[:, None, None] == 1, 0, -1e9)
    fixed["encoder_mask"] = mask.astype(np.float32)
    names = [one.name for one in step.get_inputs() if one.name.startswith("past")]
    past = {name: np.zeros((4, 2, 0, 16), np.float32) for name in names}
    logits = []
    for at in range(3):
        made = step.run(None, {"input_ids": reply[:, at : at + 1].numpy(), **fixed, **past})
        logits.append(torch.from_numpy(made[0]))
        past = dict(zip(names, made[1:], strict=True))
    expected = torch_model(**inputs, decoder_input_ids=reply).logits
    torch.testing.assert_close(torch.cat(logits, 1), expected, atol=5e-5, rtol=1e-4)
