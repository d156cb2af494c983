# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the graphs' inputs and outputs are called, and the size of a head in the cache."""

from __future__ import annotations

from typing import NamedTuple

from ..model.configuration_tfchat import TFChatConfig


class CacheNames(NamedTuple):
    """What the cache of one layer is called, going in and coming out."""

    past_key: str
    past_value: str
    present_key: str
    present_value: str


def layer_names(index: int) -> CacheNames:
    """Name the cache of the decoder's layer `index`."""
    return CacheNames(
        f"past.{index}.decoder.key",
        f"past.{index}.decoder.value",
        f"present.{index}.decoder.key",
        f"present.{index}.decoder.value",
    )


def cross_names(index: int) -> tuple[str, str]:
    """Name the question's keys and values for the decoder's layer `index`."""
    return f"encoder.{index}.key", f"encoder.{index}.value"


def all_cross_names(config: TFChatConfig) -> list[str]:
    """Name the question's keys and values of every layer."""
    return [name for index in range(config.decoder_layers) for name in cross_names(index)]


def all_past_names(config: TFChatConfig) -> list[str]:
    """Name the cache of every layer as it goes in."""
    return [name for index in range(config.decoder_layers) for name in layer_names(index)[:2]]


def all_present_names(config: TFChatConfig) -> list[str]:
    """Name the cache of every layer as it comes out."""
    return [name for index in range(config.decoder_layers) for name in layer_names(index)[2:]]


def cache_head_dim(config: TFChatConfig) -> int:
    """Give the size of a head in the decoder's cache.

    GroupQueryAttention takes multiples of 8; a head of another size is filled up with zeros,
    which change nothing.
    """
    return -(-(config.d_model // config.decoder_attention_heads) // 8) * 8
