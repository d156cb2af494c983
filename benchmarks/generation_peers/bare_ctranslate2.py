# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""CTranslate2 as its documentation shows it: a TransformerSpec filled by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctranslate2
import torch
from ctranslate2.specs import common_spec, transformer_spec
from torch import nn

from tfchat_hf import TFChatForConditionalGeneration


def export(model: TFChatForConditionalGeneration, folder: Path) -> None:
    """Write a model of post-norm layers of ReLU with position vectors, as in the original.

    Args:
        model: the model.
        folder: where to write.
    """
    config = model.config
    spec = transformer_spec.TransformerSpec.from_config(
        config.encoder_layers,
        config.encoder_attention_heads,
        pre_norm=False,
        activation=common_spec.Activation.RELU,
    )
    spec.encoder.embeddings[0].weight = model.model.shared.weight.detach().numpy()
    spec.decoder.embeddings.weight = model.model.shared.weight.detach().numpy()
    for side in ("encoder", "decoder"):
        ours, theirs = getattr(model.model, side), getattr(spec, side)
        theirs.scale_embeddings = True
        theirs.position_encodings.encodings = ours.embed_positions.table.numpy()
        for layer, made in zip(ours.layers, theirs.layer, strict=True):
            _fill(made.self_attention.linear[0], layer.self_attn, "qkv")
            _linear(made.self_attention.linear[1], layer.self_attn.out_proj)
            _norm(made.self_attention.layer_norm, layer.self_attn_layer_norm)
            if side == "decoder":
                _fill(made.attention.linear[0], layer.encoder_attn, "q")
                _fill(made.attention.linear[1], layer.encoder_attn, "kv")
                _linear(made.attention.linear[2], layer.encoder_attn.out_proj)
                _norm(made.attention.layer_norm, layer.encoder_attn_layer_norm)
            _linear(made.ffn.linear_0, layer.fc1)
            _linear(made.ffn.linear_1, layer.fc2)
            _norm(made.ffn.layer_norm, layer.final_layer_norm)
    _linear(spec.decoder.projection, model.lm_head)
    tokens = _tokens(config.vocab_size)
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.config.bos_token = spec.config.decoder_start_token = tokens[config.decoder_start_token_id]
    spec.config.eos_token, spec.config.unk_token = tokens[config.eos_token_id], tokens[3]
    spec.config.add_source_bos = spec.config.add_source_eos = False
    spec.validate()
    spec.save(str(folder))


def _tokens(size: int) -> list[str]:
    return [f"t{number}" for number in range(size)]


def _fill(spec: Any, attention: nn.Module, parts: str) -> None:
    layers = [getattr(attention, f"{part}_proj") for part in parts]
    spec.weight = torch.cat([layer.weight for layer in layers]).detach().numpy()
    spec.bias = torch.cat([layer.bias for layer in layers]).detach().numpy()


def _linear(spec: Any, layer: nn.Linear) -> None:
    spec.weight, spec.bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()


def _norm(spec: Any, norm: nn.LayerNorm) -> None:
    spec.gamma, spec.beta = norm.weight.detach().numpy(), norm.bias.detach().numpy()


class BareCTranslate2:
    """Greedy or beam search by `translate_batch`.

    Args:
        folder: what `export` filled.
        int8: calculate in int8.
        beams: how many.
        model: for its vocabulary.
    """

    def __init__(
        self, folder: Path, int8: bool, beams: int, model: TFChatForConditionalGeneration
    ) -> None:
        """Open the model, on one thread."""
        kind = "int8" if int8 else "float32"
        self.translator = ctranslate2.Translator(
            str(folder), device="cpu", compute_type=kind, inter_threads=1, intra_threads=1
        )
        self.beams = beams
        self.tokens = _tokens(model.config.vocab_size)
        self.ids = {token: number for number, token in enumerate(self.tokens)}

    def __call__(self, batch: dict[str, torch.Tensor], new_tokens: int) -> list[list[int]]:
        """Answer a batch with so many tokens."""
        pairs = zip(batch["input_ids"].tolist(), batch["attention_mask"].tolist(), strict=True)
        rows = [
            [self.tokens[number] for number, kept in zip(row, mask, strict=True) if kept]
            for row, mask in pairs
        ]
        results = self.translator.translate_batch(
            rows,
            beam_size=self.beams,
            max_decoding_length=new_tokens,
            min_decoding_length=new_tokens,
        )
        return [[self.ids[token] for token in result.hypotheses[0]] for result in results]
