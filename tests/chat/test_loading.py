# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What is loaded to chat with, and a sentence for what cannot be."""

from __future__ import annotations

import pytest

from data_builders.errors import UserError
from tests.chat.small_chat import watch_fast_decoding
from tfchat_hf.chat.session import load_session
from tfchat_hf.engines.model_folder import choose_device


def test_loading_brings_back_the_same_model(model_dir, session):
    loaded = load_session(str(model_dir), "cpu")
    assert loaded.reply("你好") == session.reply("你好")


def test_a_missing_folder_names_the_next_step(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("runs/quickstart", "./nothing", str(tmp_path / "x"), "a/b/c"):
        with pytest.raises(UserError, match="make chat"):
            load_session(name, "cpu")


def test_an_unfinished_run_names_its_newest_checkpoint(tmp_path):
    for step in (20, 100):
        (tmp_path / f"checkpoint-{step}").mkdir()
    with pytest.raises(UserError, match="checkpoint-100"):
        load_session(str(tmp_path), "cpu")


def test_a_model_with_missing_weights_is_refused(model, tokenizer, tmp_path):
    state = {k: v for k, v in model.state_dict().items() if "decoder.layers.0.fc1" not in k}
    model.save_pretrained(tmp_path, state_dict=state)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="lacks weights"):
        load_session(str(tmp_path), "cpu")


def test_another_kind_of_model_is_refused(tokenizer, tmp_path):
    from transformers import BartConfig, BartForConditionalGeneration

    config = BartConfig(
        vocab_size=50, d_model=8, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=8,
        decoder_ffn_dim=8, encoder_attention_heads=1, decoder_attention_heads=1,
    )  # fmt: skip
    BartForConditionalGeneration(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="'bart'; chat needs a TFChat model"):
        load_session(str(tmp_path), "cpu")


def test_int8_is_a_setting_of_the_whole_session(model_dir, monkeypatch):
    session = load_session(str(model_dir), "cpu", int8=True)
    session.settings.set("preset", "greedy")
    decoded = watch_fast_decoding(monkeypatch)
    assert len(list(session.stream("你好"))) > 1
    session.reply_to_many([["你好"], ["再见"]])
    session.settings.set("num_candidates", "3")
    session.reply("你好")
    assert decoded == ["int8"] * 3


def test_beams_in_int8_are_refused_in_a_sentence(model_dir):
    session = load_session(str(model_dir), "cpu", int8=True)
    session.settings.set("preset", "beam")
    for answer in (lambda: session.reply("你好"), lambda: session.reply_to_many([["你好"]])):
        with pytest.raises(ValueError, match="`num_beams=4` asks for more.*`--int8`") as caught:
            answer()
        assert "\n" not in str(caught.value)
    assert session.history == []


def test_fast_decoding_is_for_the_torch_engine(model_dir):
    with pytest.raises(UserError, match="`--fast` is .*`--engine onnx`"):
        load_session(str(model_dir), "cpu", engine="onnx", fast=True)


def test_an_unknown_engine_names_the_known_ones(model_dir):
    with pytest.raises(UserError, match="torch, ctranslate2, onnx"):
        load_session(str(model_dir), "cpu", engine="steam")


def test_an_engine_for_the_cpu_refuses_a_gpu(model_dir):
    with pytest.raises(UserError, match="runs on the CPU.*cuda"):
        load_session(str(model_dir), "cuda", engine="onnx")


def test_a_device_that_is_not_there_is_a_sentence():
    for device in ("abacus", "cuda:99"):
        with pytest.raises(UserError, match="Use auto, cpu"):
            choose_device(device)
