# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Encoder and decoder for inference alone: packed weights, fewer and larger products.

The same arithmetic as the modules they are made of, without what serves other purposes: recorded
outputs, a choice of attention, dropout, modules' calls. Names of axes: rows; source, target =
tokens of the question, of the reply; heads; head_dim.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from .packed_linear_tfchat import Linear, pack
from .positions_tfchat import position_ids_from_mask, rotary_angles, rotate

# From so many rows on two products and a softmax are faster than the fused kernel, which is made
# for many queries (measured: 32 rows of 48 keys 0.15 ms against 0.23; 4 rows equal).
_MANY_ROWS = 16


class PackedLayer:
    """What encoder and decoder layers share: self-attention, feed-forward, norms."""

    def __init__(self, layer: nn.Module, dtype: str | None, norms: tuple[str, ...]) -> None:
        """Pack a `TFChatEncoderLayer` or `TFChatDecoderLayer`.

        Args:
            layer: The layer.
            dtype: "int8", or None for its own type.
            norms: Names of the LayerNorms, one for each sub-layer in order.
        """
        own = layer.self_attn
        self.pre_norm = layer.normalize_before
        self.norms = [normaliser(layer.norm(name)) for name in norms]
        self.self_qkv = _side_by_side((own.q_proj, own.k_proj, own.v_proj), dtype)
        self.self_out = _side_by_side((own.out_proj,), dtype)
        relu = type(layer.activation_fn) is nn.ReLU and layer.fc_gate is None
        self.fc1 = _side_by_side((layer.fc1,), dtype, relu)
        self.fc2 = _side_by_side((layer.fc2,), dtype)
        self.gate = None if layer.fc_gate is None else _side_by_side((layer.fc_gate,), dtype)
        self.activation = None if relu else layer.activation_fn

    def before(self, states: torch.Tensor, place: int) -> torch.Tensor:
        """Normalise the input of sub-layer `place` with pre-norm."""
        return self.norms[place](states) if self.pre_norm else states

    def after(self, states: torch.Tensor, output: torch.Tensor, place: int) -> torch.Tensor:
        """Add the output of sub-layer `place` to its input; normalise with post-norm."""
        summed = states + output
        return summed if self.pre_norm else self.norms[place](summed)

    def feed_forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map `(rows, d_model)` to the same shape, residual and norm included."""
        given = self.before(states, -1)
        inner = self.fc1(given)
        if self.gate is not None:
            inner = self.activation(self.gate(given)) * inner
        elif self.activation is not None:
            inner = self.activation(inner)
        return self.after(states, self.fc2(inner), -1)


class PackedDecoderLayer(PackedLayer):
    """A decoder layer: attention to the question besides."""

    def __init__(self, layer: nn.Module, dtype: str | None) -> None:
        """Pack a `TFChatDecoderLayer`."""
        norms = ("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm")
        super().__init__(layer, dtype, norms)
        other = layer.encoder_attn
        self.cross_q = _side_by_side((other.q_proj,), dtype)
        self.cross_kv = _side_by_side((other.k_proj, other.v_proj), dtype)
        self.cross_out = _side_by_side((other.out_proj,), dtype)


class PackedEncoder:
    """The encoder of a model, for questions without gradients."""

    def __init__(self, encoder: nn.Module, num_heads: int, dtype: str | None) -> None:
        """Pack a `TFChatEncoder`."""
        norms = ("self_attn_layer_norm", "final_layer_norm")
        self.layers = [PackedLayer(layer, dtype, norms) for layer in encoder.layers]
        self.encoder = encoder
        self.num_heads = num_heads

    def __call__(
        self, input_ids: torch.LongTensor, attention_mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Map `(rows, source)` ids and mask to states `(rows, source, d_model)`."""
        encoder = self.encoder
        encoder.check_inputs(input_ids, None, ("input_ids", "inputs_embeds"))
        rows, source = input_ids.shape
        place = position_ids_from_mask(attention_mask, source, 0, input_ids.device)
        states = encoder.embed(encoder.embed_tokens(input_ids), place)
        angles = rotary_angles(place, encoder.head_dim, states.dtype) if encoder.rotary else None
        mask = additive_mask(attention_mask, states.dtype)
        states = states.reshape(rows * source, -1)
        for layer in self.layers:
            mixed = self._attend(layer.self_qkv(layer.before(states, 0)), rows, angles, mask)
            states = layer.feed_forward(layer.after(states, layer.self_out(mixed), 0))
        return encoder.close(states.view(rows, source, -1))

    def _attend(
        self,
        joined: torch.Tensor,
        rows: int,
        angles: tuple[torch.Tensor, torch.Tensor] | None,
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        """Mix `(rows * source, 3 * d_model)` queries, keys and values to `(…, d_model)`."""
        parts = joined.view(rows, -1, 3, self.num_heads, self.encoder.head_dim)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (rows, heads, source, head_dim)
        if angles is not None:
            query, key = rotate(query, angles), rotate(key, angles)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return mixed.transpose(1, 2).reshape(len(joined), -1)


class PackedDecoder:
    """What all replies share: the packed weights of a decoder and its output layer."""

    def __init__(self, model: nn.Module, dtype: str | None = None) -> None:
        """Pack a `TFChatForConditionalGeneration`; "int8" as `dtype` rounds all its products."""
        decoder = model.model.decoder
        config = model.config
        self.layers = [PackedDecoderLayer(layer, dtype) for layer in decoder.layers]
        self.output = pack(model.lm_head.weight, model.lm_head.bias, dtype)
        self.embed_tokens = decoder.embed_tokens
        self.embed_positions = decoder.embed_positions
        self.embed_scale = decoder.embed_scale
        self.closing_norm = decoder.layer_norm and normaliser(decoder.layer_norm)
        self.num_heads = config.decoder_attention_heads
        self.head_dim = config.d_model // self.num_heads
        self.graphs: dict[tuple, Any] = {}  # steps recorded with these weights, by shape

    def embed(self, tokens: torch.LongTensor, position: int) -> torch.Tensor:
        """Embed one token a row, `(rows,)` to `(rows, d_model)`."""
        states = functional.embedding(tokens, self.embed_tokens.weight)
        if self.embed_scale != 1.0:
            states = states * self.embed_scale
        if self.embed_positions is not None:
            states = states + self.embed_positions.table[position].to(states.dtype)
        return states

    def angles(self, position: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Return the rotation of this position, None with position vectors."""
        if self.embed_positions is not None:
            return None
        place = torch.tensor([[position]], device=like.device)
        return rotary_angles(place, self.head_dim, like.dtype)

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Map the last layer's `(rows, d_model)` to `(rows, vocab_size)` in float32."""
        if self.closing_norm is not None:
            states = self.closing_norm(states)
        return self.output(states).float()


def attend(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """Mix values for one query a row.

    Args:
        query: `(rows, heads, 1, head_dim)`.
        keys: `(rows, heads, places, head_dim)`.
        values: `(rows, heads, places, head_dim)`.
        mask: `(rows, 1, 1, places)`, added to the scores, or None.

    Returns:
        `(rows, d_model)`.
    """
    # In half precision the fused kernel adds up more exactly than two products do.
    exact = query.dtype in (torch.float32, torch.float64)
    if len(query) < _MANY_ROWS or not exact or query.device.type != "cpu":
        mixed = functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
    else:
        scores = torch.matmul(query, keys.transpose(2, 3)).mul_(query.shape[-1] ** -0.5)
        if mask is not None:
            scores = scores.add_(mask)
        mixed = torch.matmul(scores.softmax(-1), values)
    return mixed.reshape(len(query), -1)


def additive_mask(attention_mask: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    """Turn a mask `(rows, source)` of 0 and 1 into `(rows, 1, 1, source)` to add to scores."""
    if attention_mask is None or bool(attention_mask.all()):
        return None
    barred = attention_mask[:, None, None] == 0
    return torch.zeros_like(barred, dtype=dtype).masked_fill_(barred, torch.finfo(dtype).min)


def normaliser(norm: nn.LayerNorm) -> Linear:
    """Return a LayerNorm as a function, without the module's call."""
    shape, eps = norm.normalized_shape, norm.eps
    weight, bias = norm.weight.detach(), norm.bias.detach()
    return lambda states: torch.layer_norm(states, shape, weight, bias, eps)


def _side_by_side(layers: tuple[nn.Module, ...], dtype: str | None, relu: bool = False) -> Linear:
    """Join linear layers that read the same input into one."""
    weight = torch.cat([layer.weight.detach() for layer in layers])
    bias = torch.cat([layer.bias.detach() for layer in layers])
    return pack(weight, bias, dtype, relu)


__all__ = ["PackedDecoder", "PackedEncoder"]
