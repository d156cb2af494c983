# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One step of the decoder for all rows of a batch, with room for the whole reply made beforehand.

Names of axes: rows; source, target = tokens of the question, of the reply; heads; head_dim.
"""

import torch

from .packed_network_tfchat import PackedDecoder, additive_mask, attend
from .positions_tfchat import rotate

# Room for so many tokens is made at first; only models with rotary positions can go beyond.
MOST_ROOM = 4096


class Stepper:
    """Decodes a batch of replies token by token; the keys and values lie in fixed buffers.

    Args:
        packed: The weights.
    """

    def __init__(self, packed: PackedDecoder) -> None:
        """Nothing is made before the questions are known."""
        self.packed = packed
        self.mask: torch.Tensor | None = None
        self.written = 0
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
            # Pages that no token reaches are never touched, so a long limit costs nothing.
            room = min(max_steps, MOST_ROOM)
            self.caches.append(flat.new_empty(2, rows, heads, room, head_dim))
        self.mask = additive_mask(encoder_attention_mask, flat.dtype)

    def step(self, tokens: torch.LongTensor, position: int) -> torch.Tensor:
        """Decode one token a row.

        Args:
            tokens: `(rows,)`, the newest of each reply; the start token first.
            position: Its place in the reply, from 0.

        Returns:
            `(rows, vocab_size)` in float32.
        """
        if position == self.caches[0].shape[3]:
            self.caches = [torch.cat((cache, torch.empty_like(cache)), 3) for cache in self.caches]
        self.written = position + 1
        states = self.packed.embed(tokens, position)
        angles = self.packed.angles(position, states)
        for index, layer in enumerate(self.packed.layers):
            query = layer.before(states, 0)
            mixed = self._attend_to_reply(index, layer.self_qkv(query), position, angles)
            states = layer.after(states, layer.self_out(mixed), 0)
            query = layer.before(states, 1)
            mixed = self._attend_to_question(index, layer.cross_q(query))
            states = layer.after(states, layer.cross_out(mixed), 1)
            states = layer.feed_forward(states)
        return self.packed.logits(states)

    def select(self, rows: torch.LongTensor) -> None:
        """Go on with these rows of the batch only, in this order."""
        self.caches = [self._kept(cache, rows) for cache in self.caches]
        self.cross = [pair.index_select(1, rows) for pair in self.cross]
        if self.mask is not None:
            self.mask = self.mask.index_select(0, rows)

    def _kept(self, cache: torch.Tensor, rows: torch.LongTensor) -> torch.Tensor:
        """Copy what was written of some rows into a cache of the same room."""
        kept = cache.new_empty(2, len(rows), *cache.shape[2:])
        written = slice(0, self.written)
        kept[:, :, :, written] = cache[:, :, :, written].index_select(1, rows)
        return kept

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
        cache.select(3, position).copy_(parts[:, 1:].transpose(0, 1))
        keys, values = cache.narrow(3, 0, position + 1).unbind(0)
        return attend(parts[:, 0, :, None], keys, values, None)

    def _attend_to_question(self, index: int, query: torch.Tensor) -> torch.Tensor:
        """Mix the values of the question, `(rows, d_model)`."""
        keys, values = self.cross[index]
        query = query.view(len(query), self.packed.num_heads, 1, -1)
        return attend(query, keys, values, self.mask)


__all__ = ["Stepper"]
