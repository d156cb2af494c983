# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Write a model as CTranslate2 reads it: the same numbers under its names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from data_builders.errors import UserError
from data_builders.translation import listed

from ..model.configuration_tfchat import TFChatConfig
from ..model.modeling_tfchat import TFChatForConditionalGeneration
from .dependencies import need_package

# The names of CTranslate2's enumeration for those of transformers.
_ACTIVATIONS = {
    "relu": "RELU",
    "gelu": "GELU",
    "gelu_python": "GELU",
    "gelu_new": "GELUTanh",
    "gelu_fast": "GELUTanh",
    "gelu_accurate": "GELUTanh",
    "gelu_pytorch_tanh": "GELUTanh",
    "gelu_python_tanh": "GELUTanh",
    "quick_gelu": "GELUSigmoid",
    "silu": "SWISH",
    "swish": "SWISH",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
}
UNKNOWN = "<unk>"


def ctranslate2_folder(folder: Path, int8: bool) -> Path:
    """Name the folder with CTranslate2's own files; they have a `config.json` of their own."""
    return folder / ("model_int8" if int8 else "model")


def write_model(model: TFChatForConditionalGeneration, run: Path, folder: Path, int8: bool) -> None:
    """Write the model in float32, and with `int8` once more in int8.

    Args:
        model: In float32.
        run: The run's folder, for the vocabulary.
        folder: Where to write.
        int8: Add the smaller file; a model in float32 can be read as int8 too.
    """
    tokens = vocabulary(run, model.config.vocab_size)
    for kind in (False, True) if int8 else (False,):
        spec = model_spec(model, tokens)
        spec.validate()
        spec.optimize(quantization="int8" if kind else None)
        place = ctranslate2_folder(folder, kind)
        place.mkdir()
        spec.save(str(place))


def vocabulary(run: Path, size: int) -> list[str]:
    """List the tokens of a run's tokenizer, each once; CTranslate2 is handed tokens, not ids."""
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    tokens: dict[str, None] = {}
    for number in range(size):
        token = tokenizer.id_to_token(number)
        token = f"<unused {number}>" if token is None else token
        while token in tokens:
            token += f"<{number}>"
        tokens[token] = None
    return list(tokens)


def model_spec(model: TFChatForConditionalGeneration, tokens: list[str]) -> Any:
    """Describe the whole model with its weights."""
    specs = need_package("ctranslate2.specs", "ctranslate2").transformer_spec
    config = model.config
    spec = specs.TransformerSpec(
        specs.TransformerEncoderSpec(
            config.encoder_layers,
            config.encoder_attention_heads,
            **_shape(config, config.encoder_attention_heads),
        ),
        specs.TransformerDecoderSpec(
            config.decoder_layers,
            config.decoder_attention_heads,
            **_shape(config, config.decoder_attention_heads),
        ),
    )
    _copy_stack(spec.encoder, spec.encoder.embeddings[0], model.model.encoder)
    _copy_stack(spec.decoder, spec.decoder.embeddings, model.model.decoder)
    for layer, source in zip(spec.decoder.layer, model.model.decoder.layers, strict=True):
        _copy_cross(layer.attention, source)
    _copy_linear(spec.decoder.projection, model.lm_head)
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    start = tokens[config.decoder_start_token_id]
    spec.config.decoder_start_token = spec.config.bos_token = start
    eos = config.eos_token_id
    spec.config.eos_token = tokens[eos if isinstance(eos, int) else eos[0]]
    spec.config.unk_token = UNKNOWN if UNKNOWN in tokens else tokens[config.pad_token_id or 0]
    spec.config.add_source_bos = spec.config.add_source_eos = False
    spec.config.layer_norm_epsilon = 1e-5
    return spec


def _shape(config: TFChatConfig, heads: int) -> dict[str, Any]:
    """Translate the settings that both sides share."""
    name = config.activation_function
    if name not in _ACTIVATIONS:
        raise UserError(
            "CTranslate2 has no `activation_function` {name!r}; it has {known}. "
            "Use `--engine onnx` or `--engine torch`.",
            name=name,
            known=listed(_ACTIVATIONS),
        )
    common = need_package("ctranslate2.specs.common_spec", "ctranslate2")
    shape = {
        "pre_norm": config.normalize_before,
        "activation": common.Activation[_ACTIVATIONS[name]],
        "ffn_glu": config.gated_activation,
    }
    if config.position_embedding_type == "rotary":
        shape |= {"rotary_dim": config.d_model // heads, "rotary_interleave": False}
    return shape


def _copy_stack(spec: Any, embeddings: Any, stack: nn.Module) -> None:
    """Copy what encoder and decoder have in common."""
    embeddings.weight = _array(stack.embed_tokens.weight)
    spec.scale_embeddings = bool(stack.config.scale_embedding)
    if not stack.rotary:
        spec.position_encodings.encodings = _array(stack.embed_positions.table)
    elif hasattr(spec, "position_encodings"):
        # The encoder's description asks for a table although rotation takes its place.
        delattr(spec, "position_encodings")
    if stack.layer_norm is not None:
        _copy_norm(spec.layer_norm, stack.layer_norm)
    for layer, source in zip(spec.layer, stack.layers, strict=True):
        attention = source.self_attn
        _copy_fused(layer.self_attention.linear[0], attention, "qkv")
        _copy_linear(layer.self_attention.linear[1], attention.out_proj)
        _copy_norm(layer.self_attention.layer_norm, source.self_attn_layer_norm)
        _copy_feed_forward(layer.ffn, source)


def _copy_feed_forward(spec: Any, source: nn.Module) -> None:
    """Copy the feed-forward sub-layer; the gate is what the activation acts on."""
    if source.fc_gate is None:
        _copy_linear(spec.linear_0, source.fc1)
    else:
        _copy_linear(spec.linear_0, source.fc_gate)
        _copy_linear(spec.linear_0_noact, source.fc1)
    _copy_linear(spec.linear_1, source.fc2)
    _copy_norm(spec.layer_norm, source.final_layer_norm or source.self_attn_layer_norm)


def _copy_cross(spec: Any, source: nn.Module) -> None:
    """Copy the attention to the question: queries alone, keys and values as one."""
    _copy_fused(spec.linear[0], source.encoder_attn, "q")
    _copy_fused(spec.linear[1], source.encoder_attn, "kv")
    _copy_linear(spec.linear[2], source.encoder_attn.out_proj)
    _copy_norm(spec.layer_norm, source.encoder_attn_layer_norm or source.self_attn_layer_norm)


def _copy_fused(spec: Any, attention: nn.Module, parts: str) -> None:
    """Copy projections side by side."""
    layers = [getattr(attention, f"{part}_proj") for part in parts]
    spec.weight = _array(torch.cat([layer.weight for layer in layers]))
    spec.bias = _array(torch.cat([layer.bias for layer in layers]))


def _copy_linear(spec: Any, layer: nn.Linear) -> None:
    spec.weight, spec.bias = _array(layer.weight), _array(layer.bias)


def _copy_norm(spec: Any, norm: nn.LayerNorm) -> None:
    spec.gamma, spec.beta = _array(norm.weight), _array(norm.bias)


def _array(tensor: torch.Tensor) -> np.ndarray:
    # A copy: CTranslate2 turns float32 into int8 in place, and the model is asked again.
    return tensor.detach().numpy().copy()
