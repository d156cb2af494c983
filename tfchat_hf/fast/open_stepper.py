# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The network, one token at a time, for a batch that replies join and leave at any step."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from ..model.layers_tfchat import CACHE

# Buffers grow by so many tokens at least.
_ROOM = 32


class OpenStepper:
    """Call a network for rows that have different lengths.

    Keys and values lie in buffers, one row after the other without gaps: a row that joins is the
    last one, and where a row leaves, the last one takes its place. A step copies none of them.

    Attributes:
        lengths: Tokens of each row so far.

    Args:
        network: A `TFChatForConditionalGeneration`, or what stands for one.
        most: The most rows there may be.
    """

    def __init__(self, network: PreTrainedModel, most: int) -> None:
        """Begin without rows."""
        self.network, self.most = network, most
        self.lengths: list[int] = []
        self._sources: list[int] = []
        config, layers = network.config, network.config.decoder_layers
        heads = config.decoder_attention_heads
        first = next(network.parameters())
        self._barred = torch.finfo(first.dtype).min
        # Zeros: what stands behind a row's end is multiplied by nothing, and must be a number.
        empty = first.detach().new_zeros(most, heads, 0, config.d_model // heads)
        self._own = [_Pair(empty) for _ in range(layers)]
        self._cross = [_Pair(empty) for _ in range(layers)]
        self._mask = empty.new_empty(most, 1, 1, 0)  # added to the scores of the question's tokens

    def join(self, states: torch.Tensor, mask: torch.Tensor) -> None:
        """Take questions as the last rows: `(new, source, d_model)`, mask `(new, source)`."""
        begin, source = len(self.lengths), states.shape[1]
        rows = slice(begin, begin + len(states))
        layers = self.network.get_decoder().layers
        for layer, own, cross in zip(layers, self._own, self._cross, strict=True):
            cross.widen(source)
            for pair in (own, cross):  # numbers that are none would spread from who was here before
                pair.keys[rows], pair.values[rows] = 0, 0
            made = layer.encoder_attn.keys_and_values(states, None, None)
            cross.keys[rows, :, :source], cross.values[rows, :, :source] = made
        more = self._cross[0].keys.shape[2] - self._mask.shape[3]
        self._mask = functional.pad(self._mask, (0, more), value=self._barred)
        self._mask[rows] = self._barred
        self._mask[rows, 0, 0, :source].masked_fill_(mask.bool(), 0.0)
        self.lengths += [0] * len(states)
        self._sources += [source] * len(states)

    def step(self, tokens: torch.LongTensor, rows: slice = slice(None)) -> torch.Tensor:
        """Map the newest token of each of these rows to float32 logits `(rows, vocab_size)`.

        Nothing has changed until `advance()`: a step may be made again, and for fewer rows.
        """
        rows = slice(*rows.indices(len(self.lengths)))
        at = torch.tensor(self.lengths[rows], device=tokens.device)
        width, source = max(self.lengths[rows]) + 1, max(self._sources[rows])
        later = torch.arange(width, device=tokens.device) > at[:, None]
        mask = self._mask.new_zeros(later.shape).masked_fill_(later, self._barred)
        nothing = mask.new_zeros(1, 1, self.network.config.d_model).expand(len(at), -1, -1)
        own = Cache([_Written(pair, rows, at, width) for pair in self._own])
        cross = Cache([_Held(pair, rows, source) for pair in self._cross])
        both = EncoderDecoderCache(own, cross)
        both.is_updated = dict.fromkeys(range(len(self._own)), True)
        output = self.network(
            encoder_outputs=BaseModelOutput(last_hidden_state=nothing),  # read when they joined
            attention_mask=self._mask[rows, ..., :source],
            decoder_input_ids=tokens[:, None],
            decoder_attention_mask=mask[:, None, None],
            decoder_position_ids=at[:, None],
            use_cache=True,
            return_dict=True,
            **{CACHE: both},
        )
        return output.logits[:, -1].float()

    def advance(self) -> None:
        """Count the step that has been made."""
        self.lengths = [length + 1 for length in self.lengths]

    def leave(self, row: int) -> None:
        """Let a row go; the last one takes its place."""
        last = len(self.lengths) - 1
        if row < last:
            for pair in (*self._own, *self._cross):
                pair.keys[row], pair.values[row] = pair.keys[last], pair.values[last]
            self._mask[row] = self._mask[last]
        for numbers in (self.lengths, self._sources):
            numbers[row] = numbers[last]
            numbers.pop()


class _Pair:
    """Keys and values of a layer, `(most, heads, room, head_dim)` each."""

    def __init__(self, empty: torch.Tensor) -> None:
        self.keys = self.values = empty

    def widen(self, width: int) -> None:
        """Make room for so many tokens."""
        room = self.keys.shape[2]
        if width > room:
            more = (0, 0, 0, max(width - room, room, _ROOM))
            self.keys, self.values = (functional.pad(x, more) for x in (self.keys, self.values))


class _Held(DynamicLayer):
    """Shows the network keys and values that are known."""

    def __init__(self, pair: _Pair, rows: slice, width: int) -> None:
        super().__init__()
        self.keys, self.values = (x[rows, :, :width] for x in (pair.keys, pair.values))
        self.is_initialized = True


class _Written(_Held):
    """Writes each row's newest key and value at the row's own place.

    Args:
        at: The place of each row, `(rows,)`.
    """

    def __init__(self, pair: _Pair, rows: slice, at: torch.LongTensor, width: int) -> None:
        pair.widen(width)
        super().__init__(pair, rows, width)
        self.at = (torch.arange(len(at), device=at.device), slice(None), at)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write `(rows, heads, 1, head_dim)`, and return all that each row has so far."""
        self.keys[self.at], self.values[self.at] = key_states[:, :, 0], value_states[:, :, 0]
        return self.keys, self.values
