# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The drawings of a layer and of a reply show what the model did, and the command writes them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch

from tests.finished_run import finished_run
from tests.tiny import ARCHITECTURES, tiny_model
from tfchat_hf.engines.model_folder import load_for_chat
from tfchat_hf.look.__main__ import main
from tfchat_hf.look.layer_picture import draw_layer, read_operators
from tfchat_hf.look.reply_picture import draw_reply, make_reply
from tfchat_hf.model.layers_tfchat import TFChatLayer


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("runs")
    return str(finished_run(folder, encoder_layers=1, decoder_layers=2))


@pytest.mark.parametrize("changes", ARCHITECTURES, ids=str)
def test_the_operators_hold_every_weight_of_the_layer_once(changes) -> None:
    model = tiny_model(attn_implementation="eager", **changes)
    operators = read_operators(model)
    layer = model.model.encoder.layers[0]
    given = [name for operator in operators for name in operator.given if "." in name]
    assert set(given) == {name for name, _ in layer.named_parameters()}
    norms = 2 * 2 if changes.get("shared_layer_norm") else 0
    assert len(given) - len(set(given)) == norms // 2
    assert operators[0].shape == operators[-1].shape == "batch × source × 32"
    names = [operator.name for operator in operators]
    assert names.count("softmax") == 1 and names.count("matmul") == 2
    assert names.count("rotate") == (2 if "position_embedding_type" in changes else 0)
    # What comes to an operator was there before it.
    for place, operator in enumerate(operators):
        assert all(any(e is each for e in operators[:place]) for each in operator.inputs)


def test_a_changed_layer_is_another_drawing(monkeypatch) -> None:
    model = tiny_model(attn_implementation="eager")
    before = draw_layer(model, "mine", "en")
    own = TFChatLayer.feed_forward
    monkeypatch.setattr(
        TFChatLayer, "feed_forward", lambda self, states: own(self, states).square()
    )
    after = draw_layer(model, "mine", "en")
    assert ">square<" not in before and ">pow<" not in before
    assert ">square<" in after or ">pow<" in after


def test_the_reply_is_the_models_and_so_are_weights_and_probabilities(run) -> None:
    model, tokenizer = load_for_chat(run, "cpu")
    model.generation_config.max_new_tokens = 6
    reply = make_reply(model, tokenizer, "你好")
    given = tokenizer("你好", return_tensors="pt")
    made = model.generate(
        **given, return_dict_in_generate=True, output_attentions=True, output_logits=True
    )
    names = tokenizer.convert_ids_to_tokens(made.sequences[0].tolist())
    assert [reply.start, *(step.token for step in reply.steps)] == names
    assert reply.heads == 2 and len(reply.question) == given["input_ids"].shape[1]
    for step, layers, logits in zip(reply.steps, made.cross_attentions, made.logits, strict=True):
        weights = layers[-1][0, :, -1].mean(dim=0)
        torch.testing.assert_close(torch.tensor(step.looked), weights, atol=1e-5, rtol=0)
        likely = logits[0].softmax(dim=-1)
        for token, share in step.likely:
            own = float(likely[tokenizer.convert_tokens_to_ids(token)])
            assert share == pytest.approx(own, abs=1e-5)
        assert step.likely[0][1] == pytest.approx(float(likely.max()), abs=1e-5)


def test_the_moving_picture_shows_each_token_and_stands_still_for_who_asks(run) -> None:
    model, tokenizer = load_for_chat(run, "cpu")
    model.generation_config.max_new_tokens = 5
    reply = make_reply(model, tokenizer, "你好")
    svg = draw_reply(reply, "mine", "zh")
    ElementTree.fromstring(svg)
    assert svg.count('class="token"') == len(reply.steps)
    named = set(re.findall(r"animation-name: (\w+)", svg))
    assert named == set(re.findall(r"@keyframes (\w+)", svg))
    assert "prefers-reduced-motion" in svg and "prefers-color-scheme: dark" in svg
    assert "<script" not in svg and "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_a_reply_that_is_too_long_is_refused_in_one_sentence(run) -> None:
    model, tokenizer = load_for_chat(run, "cpu")
    reply = make_reply(model, tokenizer, "你好")
    long = type(reply)(reply.question, reply.start, reply.steps[:1] * 60, reply.heads)
    with pytest.raises(ValueError, match="no room for a reply of 61 tokens"):
        draw_reply(long, "mine", "en")


def test_the_command_prints_the_table_and_writes_the_files(
    run, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([run, "--structure"]) == 0
    assert "total" in capsys.readouterr().out
    order = [run, "--structure", "network.svg", "--layer", "layer.svg", "--language", "zh"]
    assert main(order) == 0
    for file in ("network.svg", "layer.svg"):
        assert ElementTree.parse(Path(file)).getroot().get("lang") == "zh-CN"
    drawn = Path("network.svg").read_text(encoding="utf-8")
    assert "参数" in drawn
    # A drawing is shown to others, whom the folders of this machine are no business of.
    assert Path(run).name in drawn and str(Path(run).parent.parent) not in drawn


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (["--structure"], "needs one model before its options .got 0 words"),
        (["RUN", "--animation", "a.svg"], "a model and a question .*got 1 words"),
        (["RUN", "--structure", "a.png"], "end in .svg.*got a.png"),
        (["RUN", "--layer", "nowhere/a.svg"], "a folder that is there"),
        (["runs/nowhere", "--structure"], "no model folder runs/nowhere"),
    ],
)
def test_mistakes_are_one_line(order, says, run, capsys) -> None:
    assert main([run if word == "RUN" else word for word in order]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert re.search(says, line)
