# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The attentions as nodes: onnxruntime's fused operators, which work in place on a fixed cache."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ..model.configuration_tfchat import TFChatConfig
from ..model.layers_tfchat import rotary_angles
from .onnx_writer import MICROSOFT, GraphWriter, path_of

# A reply or question may go on past `max_position_embeddings` with rotary positions; a table may
# not. It has room for so many times as many.
_ROTARY_ROOM = 4


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


def cache_head_dim(config: TFChatConfig) -> int:
    """Give the size of a head in the decoder's cache.

    GroupQueryAttention takes multiples of 8, with rotary positions of 16; a head of another size
    is filled up with zeros, which change nothing.
    """
    unit = 16 if config.position_embedding_type == "rotary" else 8
    head_dim = config.d_model // config.decoder_attention_heads
    return -(-head_dim // unit) * unit


def rotary_rows(config: TFChatConfig) -> int:
    """How many positions the table of angles has."""
    return _ROTARY_ROOM * config.max_position_embeddings


def attend_in_question(
    graph: GraphWriter, config: TFChatConfig, module: str, x: str, mask: str, positions: str
) -> str:
    """Write the encoder's self-attention over `(batch, source, d_model)`."""
    heads = config.encoder_attention_heads
    query, key, value = (graph.linear(x, f"{module}.{p}_proj", False) for p in "qkv")
    if config.position_embedding_type == "rotary":
        size = config.d_model // heads
        angles = _angles(graph, config, size, size)
        query, key = (
            graph.node(
                "RotaryEmbedding",
                [states, positions, *angles],
                f"{path_of(module)}/{name}_rotary",
                domain=MICROSOFT,
            )
            for states, name in ((query, "q"), (key, "k"))
        )
    mixed = graph.node(
        "MultiHeadAttention",
        [query, key, value, "", mask],
        path_of(module),
        domain=MICROSOFT,
        num_heads=heads,
    )
    return graph.linear(mixed, f"{module}.out_proj", False)


def question_keys(graph: GraphWriter, module: str, states: str, heads: int, output: str) -> str:
    """Write keys or values of the question, `(batch, heads, source, head_dim)`."""
    path = path_of(module)
    flat = graph.linear(states, module, False)
    shape = graph.constant("split_heads", np.asarray([0, 0, heads, -1]))
    split = graph.node("Reshape", [flat, shape], path)
    return graph.node("Transpose", [split], path, [output], perm=[0, 2, 1, 3])


def attend_to_question(
    graph: GraphWriter, config: TFChatConfig, module: str, x: str, names: tuple[str, str]
) -> str:
    """Write the decoder's attention to the question for one token of each row."""
    heads = config.decoder_attention_heads
    for name in names:
        graph.input(name, np.float32, ["batch", heads, "source", config.d_model // heads])
    query = _one_step(graph, graph.linear(x, f"{module}.q_proj", True), module)
    mixed = graph.node(
        "MultiHeadAttention",
        [query, *names, "", "encoder_attention_mask"],
        path_of(module),
        domain=MICROSOFT,
        num_heads=heads,
    )
    return graph.linear(_no_step(graph, mixed, module), f"{module}.out_proj", True)


def attend_to_reply(
    graph: GraphWriter, config: TFChatConfig, module: str, x: str, names: CacheNames
) -> str:
    """Write the decoder's self-attention for one token of each row, and its cache."""
    heads, size = config.decoder_attention_heads, cache_head_dim(config)
    for name in (names.past_key, names.past_value):
        graph.input(name, np.float32, ["batch", heads, "steps", size])
    for name in (names.present_key, names.present_value):
        graph.output(name, np.float32, ["batch", heads, "steps", size])
    weight, bias = _joined(graph, config, module)
    states = graph.product(x, f"{module}.qkv_proj", weight, bias, True)
    inputs = [_one_step(graph, states, module), "", "", names.past_key, names.past_value]
    inputs += ["past_length", "total_length"]
    rotary = config.position_embedding_type == "rotary"
    if rotary:
        inputs += _angles(graph, config, config.d_model // heads, size)
    mixed = graph.node(
        "GroupQueryAttention",
        inputs,
        path_of(module),
        [f"{path_of(module)}/mixed", names.present_key, names.present_value],
        MICROSOFT,
        num_heads=heads,
        kv_num_heads=heads,
        scale=(config.d_model // heads) ** -0.5,
        do_rotary=int(rotary),
    )
    weight = _fill_heads(graph.weights[f"{module}.out_proj.weight"].T, config).T
    bias = graph.weights[f"{module}.out_proj.bias"]
    mixed = _no_step(graph, mixed, module)
    return graph.product(mixed, f"{module}.out_proj", weight, bias, True)


def _joined(
    graph: GraphWriter, config: TFChatConfig, module: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Join the projections of queries, keys and values into one, `(3 * heads * size, d_model)`."""
    names = [f"{module}.{part}_proj" for part in "qkv"]
    weights = [_fill_heads(graph.weights[f"{name}.weight"], config) for name in names]
    biases = [_fill_heads(graph.weights[f"{name}.bias"][:, None], config)[:, 0] for name in names]
    return torch.cat(weights), torch.cat(biases)


def _fill_heads(rows: torch.Tensor, config: TFChatConfig) -> torch.Tensor:
    """Add rows of zeros to each head of `(d_model, width)`, to the size that the cache has."""
    heads, size = config.decoder_attention_heads, cache_head_dim(config)
    # Rotation turns dimension i with dimension i + size / 2: both halves must be filled alike.
    halves = 2 if config.position_embedding_type == "rotary" else 1
    parts = rows.reshape(heads * halves, -1, rows.shape[1])
    missing = size // halves - parts.shape[1]
    if not missing:
        return rows
    return torch.nn.functional.pad(parts, (0, 0, 0, missing)).flatten(0, 1)


def _angles(graph: GraphWriter, config: TFChatConfig, head_dim: int, size: int) -> list[str]:
    """Add cosines and sines of all positions, `(positions, size / 2)`.

    Args:
        graph: Where to write.
        config: The network's shape.
        head_dim: Size of a head in the network, which the angles depend on.
        size: Size of a head with the zeros that fill it up.
    """
    positions = torch.arange(rotary_rows(config))[None]
    names = []
    tables = rotary_angles(positions, head_dim, torch.float32)
    for name, table in zip(("cosine", "sine"), tables, strict=True):
        half = table[0, 0, :, : head_dim // 2]
        filled = torch.nn.functional.pad(half, (0, size // 2 - half.shape[1]))
        names.append(graph.constant(f"rotary.{name}", filled))
    return names


def _one_step(graph: GraphWriter, x: str, module: str) -> str:
    """Give `(batch, width)` an axis of one step: `(batch, 1, width)`."""
    axis = graph.constant("axes_1", np.asarray([1]))
    return graph.node("Unsqueeze", [x, axis], f"{path_of(module)}/one_step")


def _no_step(graph: GraphWriter, x: str, module: str) -> str:
    """Take that axis away again."""
    axis = graph.constant("axes_1", np.asarray([1]))
    return graph.node("Squeeze", [x, axis], f"{path_of(module)}/one_step")
