# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the exported graphs, their inputs and their outputs are called."""

from __future__ import annotations

from ..model.configuration_tfchat import TFChatConfig

# Added to the scores of what must not be seen; finite, so that a row of padding alone is no NaN.
BARRED = -1e9


def graph_file(graph: str, int8: bool) -> str:
    """Name the file of a graph: `encoder`, `cross_attention` or `decoder`."""
    return f"{graph}_int8.onnx" if int8 else f"{graph}.onnx"


def cross_names(config: TFChatConfig) -> list[str]:
    """Name the question's keys and values of every layer of the decoder."""
    return _of_every_layer(config, "encoder.{}")


def past_names(config: TFChatConfig) -> list[str]:
    """Name the cache of every layer as it goes in."""
    return _of_every_layer(config, "past.{}.decoder")


def present_names(config: TFChatConfig) -> list[str]:
    """Name the cache of every layer as it comes out."""
    return _of_every_layer(config, "present.{}.decoder")


def _of_every_layer(config: TFChatConfig, name: str) -> list[str]:
    layers = map(name.format, range(config.decoder_layers))
    return [f"{layer}.{kind}" for layer in layers for kind in ("key", "value")]


def cache_head_dim(config: TFChatConfig) -> int:
    """Return the size of a head in the decoder's cache.

    GroupQueryAttention takes multiples of 8; a head of another size is filled up with zeros,
    which change nothing.
    """
    return -(-(config.d_model // config.decoder_attention_heads) // 8) * 8
