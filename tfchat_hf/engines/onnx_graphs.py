# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The three ONNX graphs of a model: encoder, keys and values for it, one step of the decoder.

Names of axes: batch; source = tokens of the question; steps = places in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch

from ..model.configuration_tfchat import TFChatConfig
from ..model.layers_tfchat import sinusoidal_table
from .onnx_attention import (
    attend_in_question,
    attend_to_question,
    attend_to_reply,
    cross_names,
    layer_names,
    question_keys,
)
from .onnx_writer import GraphWriter, path_of

Weights = Mapping[str, torch.Tensor]


class LayerWriter:
    """Writes what the layers of both sides share: embeddings, norms, residuals, feed-forward.

    Args:
        graph: Where to write.
        config: The network's shape.
        side: `encoder` or `decoder`.
    """

    def __init__(self, graph: GraphWriter, config: TFChatConfig, side: str) -> None:
        """Keep what is given."""
        self.graph, self.config, self.side = graph, config, side
        self.flat = side == "decoder"

    def embed(self, ids: str, positions: str) -> str:
        """Look up tokens and add their positions."""
        graph, side = self.graph, self.side
        table = graph.weight("model.shared.weight")
        x = graph.node("Gather", [table, ids], f"{side}/embed_tokens")
        if self.config.scale_embedding:
            root = np.float32(math.sqrt(self.config.d_model))
            scale = graph.constant("embed_scale", np.asarray(root))
            x = graph.node("Mul", [x, scale], f"{side}/embed_scale")
        if self.config.position_embedding_type == "rotary":
            return x
        rows, width = self.config.max_position_embeddings, self.config.d_model
        vectors = sinusoidal_table(rows, width, self.config.original_position_exponents)
        table = graph.constant("embed_positions.table", vectors)
        added = graph.node("Gather", [table, positions], f"{side}/embed_positions")
        return graph.node("Add", [x, added], f"{side}/embed_positions")

    def norm(self, x: str, layer: str, name: str) -> str:
        """Apply the norm `name` of a layer, or the layer's only one."""
        kept = "self_attn_layer_norm" if self.config.shared_layer_norm else name
        return self.graph.norm(x, f"{layer}.{kept}", path_of(f"{layer}.{name}"))

    def before(self, x: str, layer: str, name: str) -> str:
        """Normalise the input of a sub-layer with pre-norm."""
        return self.norm(x, layer, name) if self.config.normalize_before else x

    def after(self, x: str, output: str, layer: str, name: str, part: str) -> str:
        """Add a sub-layer's output to its input; with post-norm normalise the sum."""
        summed = self.graph.node("Add", [x, output], f"{path_of(layer)}/{part}_residual")
        return summed if self.config.normalize_before else self.norm(summed, layer, name)

    def feed_forward(self, x: str, layer: str) -> str:
        """Apply the position-wise sub-layer."""
        graph, name = self.graph, self.config.activation_function
        inner = self.before(x, layer, "final_layer_norm")
        inside = graph.linear(inner, f"{layer}.fc1", self.flat)
        path = f"{path_of(layer)}/activation_fn"
        if self.config.gated_activation:
            gate = graph.linear(inner, f"{layer}.fc_gate", self.flat)
            gate = graph.activation(gate, name, path)
            inside = graph.node("Mul", [gate, inside], f"{path_of(layer)}/fc_gate")
        else:
            inside = graph.activation(inside, name, path)
        output = graph.linear(inside, f"{layer}.fc2", self.flat)
        return self.after(x, output, layer, "final_layer_norm", "feed_forward")

    def close(self, x: str, output: str = "") -> str:
        """Apply the norm that ends a pre-norm stack."""
        if self.config.normalize_before:
            x = self.graph.norm(x, f"model.{self.side}.layer_norm", f"{self.side}/layer_norm")
        if output:
            return self.graph.node("Identity", [x], f"{self.side}/output", [output])
        return x


def encoder_graph(config: TFChatConfig, weights: Weights, int8: bool) -> GraphWriter:
    """Write `input_ids, attention_mask -> encoder_hidden_states`, padding on either side."""
    graph = GraphWriter(weights, int8)
    writer = LayerWriter(graph, config, "encoder")
    ids = graph.input("input_ids", np.int64, ["batch", "source"])
    mask = graph.input("attention_mask", np.int64, ["batch", "source"])
    seen = graph.node("Cast", [mask], "encoder/mask", to=graph.onnx.TensorProto.INT32)
    positions = _positions_of(graph, mask)
    x = writer.embed(ids, positions)
    for index in range(config.encoder_layers):
        layer = f"model.encoder.layers.{index}"
        query = writer.before(x, layer, "self_attn_layer_norm")
        output = attend_in_question(graph, config, f"{layer}.self_attn", query, seen, positions)
        x = writer.after(x, output, layer, "self_attn_layer_norm", "self_attn")
        x = writer.feed_forward(x, layer)
    writer.close(x, "encoder_hidden_states")
    graph.output("encoder_hidden_states", np.float32, ["batch", "source", config.d_model])
    return graph


def _positions_of(graph: GraphWriter, mask: str) -> str:
    """Number the tokens of `(batch, source)`, padding left out."""
    axis = graph.constant("axis_1", np.asarray(1))
    one, zero = graph.constant("one", np.asarray(1)), graph.constant("zero", np.asarray(0))
    counted = graph.node("CumSum", [mask, axis], "encoder/positions")
    return graph.node(
        "Max", [graph.node("Sub", [counted, one], "encoder/positions"), zero], "encoder/positions"
    )


def cross_graph(config: TFChatConfig, weights: Weights, int8: bool) -> GraphWriter:
    """Write `encoder_hidden_states -> ` keys and values of every layer of the decoder."""
    graph = GraphWriter(weights, int8)
    states = graph.input("encoder_hidden_states", np.float32, ["batch", "source", config.d_model])
    heads = config.decoder_attention_heads
    for index in range(config.decoder_layers):
        module = f"model.decoder.layers.{index}.encoder_attn"
        for name, projection in zip(cross_names(index), ("k_proj", "v_proj"), strict=True):
            question_keys(graph, f"{module}.{projection}", states, heads, name)
            size = config.d_model // heads
            graph.output(name, np.float32, ["batch", heads, "source", size])
    return graph


def decoder_graph(config: TFChatConfig, weights: Weights, int8: bool) -> GraphWriter:
    """Write one step of the decoder: a token of each row in, logits and the likeliest out.

    `past_length` is how many tokens are in the cache, for each row; `total_length` one more.
    Past and present of the cache are meant to be one buffer, of as many places as there are steps.
    """
    graph = GraphWriter(weights, int8)
    writer = LayerWriter(graph, config, "decoder")
    ids = graph.input("input_ids", np.int64, ["batch"])
    past = graph.input("past_length", np.int32, ["batch"])
    graph.input("total_length", np.int32, [1])
    graph.input("encoder_attention_mask", np.int32, ["batch", "source"])
    x = writer.embed(ids, past)
    for index in range(config.decoder_layers):
        x = _decoder_layer(writer, x, index)
    x = writer.close(x)
    logits = graph.linear(x, "lm_head", True, "logits")
    graph.node("ArgMax", [logits], "next_token", ["next_token"], axis=-1, keepdims=0)
    graph.output("logits", np.float32, ["batch", config.vocab_size])
    graph.output("next_token", np.int64, ["batch"])
    return graph


def _decoder_layer(writer: LayerWriter, x: str, index: int) -> str:
    """Write a layer of the decoder; past, present and question's keys become in- and outputs."""
    graph, config, layer = writer.graph, writer.config, f"model.decoder.layers.{index}"
    query = writer.before(x, layer, "self_attn_layer_norm")
    output = attend_to_reply(graph, config, f"{layer}.self_attn", query, layer_names(index))
    x = writer.after(x, output, layer, "self_attn_layer_norm", "self_attn")
    query = writer.before(x, layer, "encoder_attn_layer_norm")
    names = cross_names(index)
    output = attend_to_question(graph, config, f"{layer}.encoder_attn", query, names)
    x = writer.after(x, output, layer, "encoder_attn_layer_norm", "encoder_attn")
    return writer.feed_forward(x, layer)
