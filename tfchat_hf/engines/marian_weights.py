# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Turns a model of the default architecture into a `MarianMTModel` of transformers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from transformers import MarianConfig, MarianMTModel

from ..text.errors import UserError

if TYPE_CHECKING:
    from .. import TFChatConfig, TFChatForConditionalGeneration

# What Marian's network is; a configuration that says anything else is none of Marian.
_MARIANS = {
    "normalize_before": False,
    "gated_activation": False,
    "position_embedding_type": "sinusoidal",
    "shared_layer_norm": False,
    "original_position_exponents": False,
}
# Both configurations have these, with the same meaning.
_SHARED = (
    "activation_dropout",
    "activation_function",
    "attention_dropout",
    "bos_token_id",
    "d_model",
    "decoder_attention_heads",
    "decoder_ffn_dim",
    "decoder_layers",
    "decoder_start_token_id",
    "dropout",
    "encoder_attention_heads",
    "encoder_ffn_dim",
    "encoder_layers",
    "eos_token_id",
    "init_std",
    "max_position_embeddings",
    "pad_token_id",
    "scale_embedding",
    "sep_token_id",
    "tie_word_embeddings",
    "vocab_size",
)
# Marian computes its own table of positions. The tests hold it against this project's.
_POSITIONS = tuple(f"model.{side}.embed_positions.weight" for side in ("encoder", "decoder"))
# The activations of `ct2-transformers-converter` 4.8.
_CONVERTER_ACTIVATIONS = (
    "gelu",
    "gelu_fast",
    "gelu_new",
    "gelu_python",
    "gelu_pytorch_tanh",
    "quick_gelu",
    "relu",
    "silu",
    "swish",
)


def check_architecture(config: TFChatConfig) -> None:
    """Refuse a network that Marian has not.

    Raises:
        UserError: names the setting.
    """
    for name, marians in _MARIANS.items():
        value = getattr(config, name, marians)
        if value != marians:
            raise UserError(
                f"Marian has `{name}` {marians!r} only (got {value!r}). Use `--engine onnx`, or "
                "publish the run as it is, with its own code."
            )


def check_converter(config: TFChatConfig, tokens: int) -> None:
    """Refuse what `ct2-transformers-converter` cannot express of a Marian model.

    Args:
        config: Of a network that Marian has.
        tokens: How many tokens the tokenizer has.

    Raises:
        UserError: names the setting.
    """
    way_out = "Leave out `--for-ct2-converter`, or use `--engine ctranslate2`."
    heads = config.encoder_attention_heads, config.decoder_attention_heads
    if heads[0] != heads[1]:
        raise UserError(
            "ct2-transformers-converter takes `encoder_attention_heads` for both sides (got "
            f"{heads[0]}, and {heads[1]} `decoder_attention_heads`). {way_out}"
        )
    if config.activation_function not in _CONVERTER_ACTIVATIONS:
        raise UserError(
            f"ct2-transformers-converter has no `activation_function` "
            f"{config.activation_function!r}; it has {', '.join(_CONVERTER_ACTIVATIONS)}. {way_out}"
        )
    if config.vocab_size != tokens:
        raise UserError(
            "ct2-transformers-converter wants a token for each id (got `vocab_size` "
            f"{config.vocab_size} and a tokenizer of {tokens}). {way_out}"
        )


def to_marian(model: TFChatForConditionalGeneration) -> MarianMTModel:
    """Copy a model into the class of transformers.

    Args:
        model: In float32; left as it is.

    Returns:
        A model in evaluation mode with the same logits.

    Raises:
        UserError: if Marian has not this network.
    """
    check_architecture(model.config)
    marian = MarianMTModel(_config(model.config)).eval()
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if "lm_head.bias" in weights:
        weights["final_logits_bias"] = weights.pop("lm_head.bias")[None]  # (1, vocab)
    _load(marian, weights)
    return marian


def to_marian_for_converter(model: TFChatForConditionalGeneration) -> MarianMTModel:
    """Copy a model so that `ct2-transformers-converter` says the same as transformers.

    The converter takes Marian models for those of the Marian program: it drops the last row of
    the embeddings, as one of padding, and begins a reply with a vector of zeros where transformers
    takes that of `decoder_start_token_id`. So the encoder gets a row more, that no token has, and
    the decoder a table of its own, in which the start token is zeros; what it was is added to the
    first position, which nothing but the start token has.

    Args:
        model: In float32; left as it is.

    Returns:
        A model in evaluation mode with the same logits, as long as the start token only stands at
        the start.
    """
    plain = to_marian(model)
    size = plain.config.vocab_size
    config = MarianConfig.from_dict(
        plain.config.to_dict()
        | {
            "vocab_size": size + 1,
            "decoder_vocab_size": size,
            "share_encoder_decoder_embeddings": False,
            "tie_word_embeddings": False,
        }
    )
    marian = MarianMTModel(config).eval()
    weights = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    table = weights.pop("model.shared.weight")  # (vocab, d_model)
    weights["model.encoder.embed_tokens.weight"] = torch.cat((table, torch.zeros_like(table[:1])))
    start = config.decoder_start_token_id
    scale = math.sqrt(config.d_model) if config.scale_embedding else 1.0
    weights["model.decoder.embed_positions.weight"][0] += scale * table[start]
    weights["model.decoder.embed_tokens.weight"][start] = 0
    _load(marian, weights)
    # Marian's positions are not saved otherwise, as anybody can compute them.
    marian._keys_to_ignore_on_save = {_POSITIONS[0]}
    return marian


def _config(config: TFChatConfig) -> MarianConfig:
    """Translate the configuration; what Marian sets by default and this project not is off."""
    settings: dict[str, Any] = {
        name: getattr(config, name) for name in _SHARED if hasattr(config, name)
    }
    return MarianConfig(**settings, forced_eos_token_id=None, dtype="float32")


def _load(marian: MarianMTModel, weights: dict[str, torch.Tensor]) -> None:
    """Fill a model; every weight must find its place, and every place its weight."""
    try:
        missing, unexpected = marian.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise UserError(_different(str(error).splitlines()[-1].strip())) from error
    strange = sorted({*missing, *unexpected} - set(_POSITIONS))
    if strange:
        raise UserError(_different(", ".join(strange[:3])))


def _different(what: str) -> str:
    return (
        f"The model has other weights than Marian ({what}), so its network was changed. Publish "
        "the run as it is, with its own code."
    )
