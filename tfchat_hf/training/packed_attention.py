# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Training without padding: all sequences of a batch stand end to end in one row.

Everything in the network but attention works on each token for itself, so it runs on
`(1, tokens, d_model)` and spends nothing on padding. Attention puts the heads of each sequence
side by side, `(batch * heads, longest, head_dim)`, and takes them apart again. Batches hold
sequences of like length (`batch_sampler.py`), so that little is padded even there.

The network knows nothing of it: it is told `position_ids`, and attends with the implementation
that is registered here as "packed".
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface

from .cheap_dropout import dropout as dropout_of

PACKED = "packed"
SMALLEST_STEP, STEPS, LENGTH_STEP = 16, 32, 4


class _TakeRows(torch.autograd.Function):
    """Takes rows by number; the way back is the same with the inverse numbers.

    torch's own `index_select` adds up gradients row by row, ten times slower: it cannot know that
    no row is taken twice.
    """

    @staticmethod
    def forward(
        ctx: Any,
        rows: torch.Tensor,
        taken: tuple[torch.Tensor, torch.Tensor],
        inverse: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        """Take rows of `(n, width)`.

        Args:
            ctx: Of torch.
            rows: What to take from.
            taken: The number of each row to take, and which rows of the result are zeros instead.
            inverse: The same for the opposite direction.
        """
        ctx.save_for_backward(*inverse)
        numbers, zeros = taken
        return rows.index_select(0, numbers).index_fill_(0, zeros, 0)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """Give each row its gradient."""
        numbers, zeros = ctx.saved_tensors
        return gradient.index_select(0, numbers).index_fill_(0, zeros, 0), None, None


def round_up(number: int, multiple: int) -> int:
    """Return the next multiple that is not smaller."""
    return -(-number // multiple) * multiple


def filled_up(tokens: int) -> int:
    """Return how long a row of so many tokens is made, with filler at its end.

    By at most a sixteenth and 1 % in the mean: rows of some forty lengths meet again, and then
    memory and the kernels made for a length are used again. With a new length at every update a
    process of 0.8 GB had grown to 1.9 GB after 80 of them, and to 5 GB in an hour.
    """
    step = SMALLEST_STEP
    while step * 2 * STEPS <= tokens:
        step *= 2
    return round_up(tokens, step)


@dataclass
class HeadRows:
    """How the rows of `(tokens * heads, head_dim)` are laid out for attention, and back.

    Attributes:
        padded: For each row of `(batch * heads * longest)` the row to take, and the rows of it
            that are padding.
        packed: For each row of `(tokens * heads)` where it went, and the rows that are filler.
    """

    padded: tuple[torch.Tensor, torch.Tensor]
    packed: tuple[torch.Tensor, torch.Tensor]

    @classmethod
    def of_mask(cls, mask: np.ndarray, tokens: int, heads: int) -> HeadRows:
        """Number the rows for sequences that fill `mask`, `(batch, longest)`."""
        longest = mask.shape[1]
        sequence, place = mask.nonzero()
        went = ((sequence[:, None] * heads + np.arange(heads)) * longest + place[:, None]).ravel()
        packed = np.zeros(tokens * heads, dtype=np.int64)
        packed[: len(went)] = went
        padded = np.zeros(mask.size * heads, dtype=np.int64)
        padded[went] = np.arange(len(went))
        padding = np.ones(len(padded), dtype=bool)
        padding[went] = False
        filler = np.arange(len(went), len(packed))
        parts = (padded, np.flatnonzero(padding)), (packed, filler)
        return cls(*((torch.from_numpy(a), torch.from_numpy(b)) for a, b in parts))

    def to(self, device: torch.device) -> HeadRows:
        """Move the numbers to a device."""
        parts = (self.padded, self.packed)
        return HeadRows(*(tuple(p.to(device, non_blocking=True) for p in part) for part in parts))


@dataclass
class PackedSide:
    """Where the tokens of one side of a batch, question or reply, stand.

    Attributes:
        batch: how many sequences there are.
        longest: tokens of the longest one, rounded up.
        positions: the place of each token in its sequence, `(1, tokens)`; 0 for filler.
        mask: True at real places, `(batch, longest)`; None if all are equally long.
        rows: the layout for each number of heads that attention has.
    """

    batch: int
    longest: int
    positions: torch.Tensor
    mask: torch.Tensor | None
    rows: dict[int, HeadRows]

    @classmethod
    def of_lengths(cls, lengths: np.ndarray, heads: Collection[int]) -> PackedSide:
        """Lay out sequences of these lengths; all on the host, where the lengths are known."""
        batch, longest = len(lengths), round_up(int(lengths.max()), LENGTH_STEP)
        place = np.arange(longest)
        mask = place < lengths[:, None]  # (batch, longest)
        real = int(lengths.sum())
        positions = np.zeros((1, filled_up(real)), dtype=np.int64)
        positions[0, :real] = np.broadcast_to(place, mask.shape)[mask]
        rows = {count: HeadRows.of_mask(mask, positions.size, count) for count in heads}
        even = None if mask.all() else torch.from_numpy(mask)
        return cls(batch, longest, torch.from_numpy(positions), even, rows)

    def to(self, device: torch.device) -> PackedSide:
        """Move what attention needs to a device."""
        mask = None if self.mask is None else self.mask.to(device, non_blocking=True)
        rows = {heads: layout.to(device) for heads, layout in self.rows.items()}
        positions = self.positions.to(device, non_blocking=True)
        return PackedSide(self.batch, self.longest, positions, mask, rows)

    def pad(self, states: torch.Tensor) -> torch.Tensor:
        """Turn `(1, heads, tokens, head_dim)` into `(batch, heads, longest, head_dim)`."""
        heads, head_dim = states.shape[1], states.shape[3]
        rows = states.transpose(1, 2).reshape(-1, head_dim)  # (tokens * heads, head_dim)
        layout = self.rows[heads]
        padded = _TakeRows.apply(rows, layout.padded, layout.packed)
        return padded.view(self.batch, heads, self.longest, head_dim)

    def unpad(self, states: torch.Tensor) -> torch.Tensor:
        """Turn `(batch, heads, longest, head_dim)` into `(1, tokens, heads, head_dim)`."""
        heads, head_dim = states.shape[1], states.shape[3]
        layout = self.rows[heads]
        padded = states.reshape(-1, head_dim)
        rows = _TakeRows.apply(padded, layout.packed, layout.padded)
        return rows.view(1, -1, heads, head_dim)


@dataclass
class Packing:
    """The layout of a packed batch: who sees whom."""

    source: PackedSide
    target: PackedSide

    def to(self, device: torch.device) -> Packing:
        """Move the layout to a device."""
        return Packing(self.source.to(device), self.target.to(device))


def packed_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    scaling: float,
    packing: Packing,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within each sequence, as an attention function of transformers.

    Args:
        module: a `TFChatAttention`; says which sides are asked and asking.
        query: `(1, heads, tokens, head_dim)`; `key` and `value` likewise.
        key: see `query`.
        value: see `query`.
        attention_mask: None; the layout says who sees whom.
        scaling: factor of the scores.
        packing: the layout.
        dropout: probability of dropping an attention weight.
        **kwargs: what other implementations take.

    Returns:
        `(1, tokens, heads, head_dim)` and no weights.
    """
    asking = packing.target if module.is_causal or module.is_cross_attention else packing.source
    asked = packing.target if module.is_causal else packing.source
    # Causal attention needs no mask for padding: it stands behind every real token.
    real = None if module.is_causal else asked.mask
    mask = None if real is None else real[:, None, None, :]  # (batch, 1, 1, key)
    padded = (asking.pad(query), asked.pad(key), asked.pad(value))
    mixed = attend(*padded, mask, scaling, dropout, module.is_causal)
    return asking.unpad(mixed), None


AttentionInterface.register(PACKED, packed_attention)
AttentionMaskInterface.register(PACKED, lambda **kwargs: None)


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
    dropout: float,
    causal: bool,
) -> torch.Tensor:
    """Compute scaled dot-product attention (Vaswani et al., 2017, 3.2.1).

    In bfloat16 on a CPU it is written out: torch's fused kernel takes 23 ms there for 50 short
    sequences, forward and back, and this 3 ms. With dropout torch has no fused kernel at all.

    Args:
        query: `(batch, heads, query, head_dim)`; `key` and `value` likewise.
        key: see `query`.
        value: see `query`.
        mask: True where a key may be looked at, `(batch, 1, 1, key)`, or None.
        scaling: factor of the scores.
        dropout: probability of dropping a weight.
        causal: a query sees keys up to its own place only.

    Returns:
        `(batch, heads, query, head_dim)`.
    """
    on_cpu = query.device.type == "cpu"
    if not on_cpu or (query.dtype == torch.float32 and not dropout):
        return functional.scaled_dot_product_attention(
            query, key, value, mask, dropout, is_causal=causal, scale=scaling
        )
    scores = torch.matmul(query * scaling, key.transpose(2, 3))  # (batch, heads, query, key)
    if causal:
        length = query.shape[2]
        future = torch.ones(length, length, dtype=torch.bool, device=query.device).triu(1)
        scores = scores.masked_fill(future, float("-inf"))
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = dropout_of(functional.softmax(scores, dim=-1), dropout, dropout > 0)
    return torch.matmul(weights, value)
