# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One step of the decoder for all rows of a batch, with room for the whole reply made beforehand.

The same arithmetic as `TFChatDecoder` with a cache, without what serves other purposes: masks of
the target side, recorded outputs, a choice of attention, Python objects made a layer and step.
Names of axes: rows; source, target = tokens of the question, of the reply; heads; head_dim.
"""

import torch
from torch import nn
from torch.nn import functional

from .packed_linear_tfchat import Linear, pack
from .positions_tfchat import rotary_angles, rotate


class PackedLayer:
    """The weights of one decoder layer, queries, keys and values side by side."""

    def __init__(self, layer: nn.Module, dtype: str | None) -> None:
        """Pack a `TFChatDecoderLayer`."""
        own, other = layer.self_attn, layer.encoder_attn
        self.pre_norm = layer.normalize_before
        names = ("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm")
        self.norms = [layer.norm(name) for name in names]
        self.self_qkv = _side_by_side((own.q_proj, own.k_proj, own.v_proj), dtype)
        self.self_out = _side_by_side((own.out_proj,), dtype)
        self.cross_q = _side_by_side((other.q_proj,), dtype)
        self.cross_kv = _side_by_side((other.k_proj, other.v_proj), dtype)
        self.cross_out = _side_by_side((other.out_proj,), dtype)
        relu = isinstance(layer.activation_fn, nn.ReLU) and layer.fc_gate is None
        self.fc1 = _side_by_side((layer.fc1,), dtype, relu)
        self.fc2 = _side_by_side((layer.fc2,), dtype)
        self.gate = None if layer.fc_gate is None else _side_by_side((layer.fc_gate,), dtype)
        self.activation = None if relu else layer.activation_fn

    def before(self, states: torch.Tensor, place: int) -> torch.Tensor:
        """Normalise the input of sub-layer `place` with pre-norm."""
        return _normalised(states, self.norms[place]) if self.pre_norm else states

    def after(self, states: torch.Tensor, output: torch.Tensor, place: int) -> torch.Tensor:
        """Add the output of sub-layer `place` to its input; normalise with post-norm."""
        summed = states + output
        return summed if self.pre_norm else _normalised(summed, self.norms[place])

    def feed_forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map `(rows, d_model)` to the same shape."""
        if self.gate is not None:
            return self.fc2(self.activation(self.gate(states)) * self.fc1(states))
        inner = self.fc1(states)
        return self.fc2(inner if self.activation is None else self.activation(inner))


class PackedDecoder:
    """What all replies share: the packed weights of a decoder and its output layer."""

    def __init__(self, model: nn.Module, dtype: str | None = None) -> None:
        """Pack a `TFChatForConditionalGeneration`; "int8" as `dtype` rounds all but the rest."""
        decoder = model.model.decoder
        config = model.config
        self.layers = [PackedLayer(layer, dtype) for layer in decoder.layers]
        self.output = pack(model.lm_head.weight, model.lm_head.bias, dtype)
        self.embed_tokens = decoder.embed_tokens
        self.embed_positions = decoder.embed_positions
        self.embed_scale = decoder.embed_scale
        self.closing_norm = decoder.layer_norm
        self.num_heads = config.decoder_attention_heads
        self.head_dim = config.d_model // self.num_heads

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
            states = _normalised(states, self.closing_norm)
        return self.output(states).float()


class Stepper:
    """Decodes a batch of replies token by token; the keys and values lie in fixed buffers.

    Args:
        packed: The weights.
    """

    def __init__(self, packed: PackedDecoder) -> None:
        """Nothing is made before the questions are known."""
        self.packed = packed
        self.mask: torch.Tensor | None = None
        self.caches: list[torch.Tensor] = []
        self.cross: list[torch.Tensor] = []

    def start(
        self,
        encoder_hidden_states: torch.Tensor,
        encoder_attention_mask: torch.Tensor | None,
        max_steps: int,
    ) -> None:
        """Read the questions and make room for the replies.

        Args:
            encoder_hidden_states: `(rows, source, d_model)`.
            encoder_attention_mask: `(rows, source)`, 0 for padding, or None.
            max_steps: The most calls of `step` to come.
        """
        rows, source, d_model = encoder_hidden_states.shape
        heads, head_dim = self.packed.num_heads, self.packed.head_dim
        flat = encoder_hidden_states.reshape(-1, d_model)
        self.cross, self.caches = [], []
        for layer in self.packed.layers:
            pair = layer.cross_kv(flat).view(rows, source, 2, heads, head_dim)
            # (2, rows, heads, source, head_dim): keys, then values
            self.cross.append(pair.permute(2, 0, 3, 1, 4).contiguous())
            # Pages that no token reaches are never touched, so long limits cost nothing.
            self.caches.append(flat.new_empty(2, rows, heads, max_steps, head_dim))
        self.mask = None
        if encoder_attention_mask is not None and not bool(encoder_attention_mask.all()):
            barred = encoder_attention_mask[:, None, None] == 0
            mask = flat.new_zeros(barred.shape)  # (rows, 1, 1, source)
            self.mask = mask.masked_fill(barred, torch.finfo(flat.dtype).min)

    def step(self, tokens: torch.LongTensor, position: int) -> torch.Tensor:
        """Decode one token a row.

        Args:
            tokens: `(rows,)`, the newest of each reply; the start token first.
            position: Its place in the reply, from 0.

        Returns:
            `(rows, vocab_size)` in float32.
        """
        states = self.packed.embed(tokens, position)
        angles = self.packed.angles(position, states)
        for index, layer in enumerate(self.packed.layers):
            query = layer.before(states, 0)
            mixed = self._attend_to_reply(index, layer.self_qkv(query), position, angles)
            states = layer.after(states, layer.self_out(mixed), 0)
            query = layer.before(states, 1)
            mixed = self._attend_to_question(index, layer.cross_q(query))
            states = layer.after(states, layer.cross_out(mixed), 1)
            states = layer.after(states, layer.feed_forward(layer.before(states, 2)), 2)
        return self.packed.logits(states)

    def select(self, rows: torch.LongTensor) -> None:
        """Go on with these rows of the batch only, in this order."""
        self.caches = [cache.index_select(1, rows) for cache in self.caches]
        self.cross = [pair.index_select(1, rows) for pair in self.cross]
        if self.mask is not None:
            self.mask = self.mask.index_select(0, rows)

    def _attend_to_reply(
        self,
        index: int,
        joined: torch.Tensor,
        position: int,
        angles: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> torch.Tensor:
        """Write the new key and value, and mix the values so far, `(rows, d_model)`."""
        heads, head_dim = self.packed.num_heads, self.packed.head_dim
        cache = self.caches[index]
        parts = joined.view(-1, 3, heads, head_dim)  # query, key, value
        if angles is not None:
            turned = rotate(parts[:, :2].reshape(-1, 2 * heads, 1, head_dim), angles)
            parts = torch.cat((turned.view(-1, 2, heads, head_dim), parts[:, 2:]), dim=1)
        cache[:, :, :, position] = parts[:, 1:].transpose(0, 1)
        keys, values = cache[:, :, :, : position + 1]
        query = parts[:, 0, :, None]  # (rows, heads, 1, head_dim)
        mixed = functional.scaled_dot_product_attention(query, keys, values)
        return mixed.reshape(len(parts), -1)

    def _attend_to_question(self, index: int, query: torch.Tensor) -> torch.Tensor:
        """Mix the values of the question, `(rows, d_model)`."""
        keys, values = self.cross[index]
        query = query.view(len(query), self.packed.num_heads, 1, -1)
        mixed = functional.scaled_dot_product_attention(query, keys, values, attn_mask=self.mask)
        return mixed.reshape(len(query), -1)


def _side_by_side(layers: tuple[nn.Module, ...], dtype: str | None, relu: bool = False) -> Linear:
    """Join linear layers that read the same input into one."""
    weight = torch.cat([layer.weight.detach() for layer in layers])
    bias = torch.cat([layer.bias.detach() for layer in layers])
    return pack(weight, bias, dtype, relu)


def _normalised(states: torch.Tensor, norm: nn.LayerNorm) -> torch.Tensor:
    """Apply a LayerNorm without the module's call."""
    return functional.layer_norm(states, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


__all__ = ["PackedDecoder", "Stepper"]
