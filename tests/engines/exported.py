# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Tiny runs that are exported, and what the tests of both engines ask of them."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from transformers import PreTrainedTokenizerFast

from tests.finished_run import TEXTS
from tests.tiny import batch, tiny_model
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.engines import onnx_export
from tfchat_hf.engines.export import export_run
from tfchat_hf.engines.model_folder import save_for_hub
from tfchat_hf.text.tokenizer_training import train_tokenizer

VOCAB_SIZE = 300
# Every switch of the network, at least once.
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "pre-norm": {"normalize_before": True},
    "gated": {"gated_activation": True, "activation_function": "silu"},
    "gelu": {"activation_function": "gelu"},
    "rotary": {"position_embedding_type": "rotary"},
    "rotary, gated, pre-norm": {
        "position_embedding_type": "rotary",
        "gated_activation": True,
        "normalize_before": True,
        "activation_function": "gelu_new",
    },
    "one norm a layer, the original's positions": {
        "shared_layer_norm": True,
        "original_position_exponents": True,
    },
    "tied, unscaled": {"tie_word_embeddings": True, "scale_embedding": False},
    "heads of 4 and 8": {"encoder_attention_heads": 8, "decoder_attention_heads": 4},
    "heads of 10": {"d_model": 40, "decoder_attention_heads": 4, "encoder_attention_heads": 5},
    "heads of 10, rotary": {
        "d_model": 40,
        "decoder_attention_heads": 4,
        "encoder_attention_heads": 5,
        "position_embedding_type": "rotary",
    },
}

# The onnx engine follows the code by tracing it, which takes seconds: fewer switches, fewer layers.
TRACED_SHAPES: dict[str, dict[str, Any]] = {
    "gated": {"encoder_layers": 1, "decoder_layers": 1, **SHAPES["rotary, gated, pre-norm"]},
    "heads of 10": {"encoder_layers": 1, "decoder_layers": 1, **SHAPES["heads of 10"]},
    "original": {
        "encoder_layers": 1,
        "decoder_layers": 1,
        "tie_word_embeddings": True,
        "scale_embedding": False,
        **SHAPES["one norm a layer, the original's positions"],
    },
}


def lively_model(**changes: Any) -> TFChatForConditionalGeneration:
    """Return a model whose replies vary and end, with no weight left at its first value."""
    model = tiny_model(vocab_size=VOCAB_SIZE, max_position_embeddings=32, **changes)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
        model.lm_head.weight.mul_(0.4)
    model.generation_config.update(do_sample=False, max_new_tokens=12)
    return model


class SquaredReLU(torch.nn.Module):
    """What a learner may write into a layer: no setting knows of it."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.relu(states).square()


def with_another_formula(
    model: TFChatForConditionalGeneration, formula: type[torch.nn.Module]
) -> TFChatForConditionalGeneration:
    """Give every layer another activation than the settings say."""
    for layer in (*model.model.encoder.layers, *model.model.decoder.layers):
        layer.activation_fn = formula()
    return model


@functools.cache
def tokenizer() -> PreTrainedTokenizerFast:
    """Train the tokenizer of all runs here, once."""
    return train_tokenizer(TEXTS, scheme="subword-bpe", vocab_size=VOCAB_SIZE)


def saved_run(folder: Path, **changes: Any) -> TFChatForConditionalGeneration:
    """Write a run without training; returns its model."""
    model = lively_model(**changes)
    save_for_hub(model, tokenizer(), folder)
    return model


def questions(rows: int = 4, padding: str = "right") -> dict[str, torch.Tensor]:
    """Return a batch of questions of different lengths."""
    inputs = batch(rows, 7, 2, padding=padding)
    del inputs["decoder_input_ids"]
    return inputs


# Two layers where one of many is looked at: each takes seconds to trace.
TRACED: dict[str, Any] = {"encoder_layers": 1, "decoder_layers": 2}


# Of each test for which a network is traced: that takes eight seconds, loading its packages too.
traces = pytest.mark.slow


def traced_run(shared: Path) -> Path:
    """Return a run with its export to onnx, in int8 and plain too: to read, and to be copied.

    Args:
        shared: The folder of all processes that test; what is there is not traced again.
    """
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package)
    run = shared / "traced"
    with FileLock(f"{run}.lock"):
        if not (run / "onnx").exists():
            saved_run(run, **TRACED)
            export_run(run, "onnx", int8=True, plain=True)
    return run


def trace_no_more(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the graphs of `traced_run`, whose network all exports here have."""

    def write_graphs(model: torch.nn.Module, folder: Path, int8: bool) -> None:
        for path in (run / "onnx").glob("*.onnx"):
            if int8 or "int8" not in path.name:
                shutil.copy(path, folder)

    monkeypatch.setattr(onnx_export, "write_graphs", write_graphs)
    plain = run / "onnx" / onnx_export.PLAIN
    monkeypatch.setattr(
        onnx_export, "write_plain_graphs", lambda model, folder: shutil.copytree(plain, folder)
    )
