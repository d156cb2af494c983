# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The network of the hand-written loop: plain torch, nothing that the shape does not need.

Post-norm, ReLU, one embedding for both sides, an output layer of its own. Queries, keys and
values come from one product, attention is torch's own, and only real reply positions get logits.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .job import Shape

DROPOUT = 0.1


class Sublayer(nn.Module):
    """Attention over one sequence, with keys and values of the same or of another one."""

    def __init__(self, width: int, heads: int, crossing: bool) -> None:
        """Makes one product for what comes from the same sequence."""
        super().__init__()
        self.heads, self.crossing = heads, crossing
        self.inward = nn.Linear(width, width if crossing else 3 * width)
        self.memory = nn.Linear(width, 2 * width) if crossing else None
        self.outward = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def _heads(self, x: Tensor) -> Tensor:
        # (batch, length, width) -> (batch, heads, length, width / heads)
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(
        self, x: Tensor, mask: Tensor | None, causal: bool, memory: Tensor | None
    ) -> Tensor:
        """Attends, adds and normalises."""
        if self.crossing:
            query, (key, value) = self.inward(x), self.memory(memory).chunk(2, -1)
        else:
            query, key, value = self.inward(x).chunk(3, -1)
        mixed = functional.scaled_dot_product_attention(
            self._heads(query), self._heads(key), self._heads(value), mask, is_causal=causal
        )
        told = self.outward(mixed.transpose(1, 2).flatten(2))
        return self.norm(x + functional.dropout(told, DROPOUT, self.training))


class Layer(nn.Module):
    """One layer of either side."""

    def __init__(self, shape: Shape, decoder: bool) -> None:
        """Makes the parts; a decoder has a second attention."""
        super().__init__()
        width = shape.d_model
        self.own = Sublayer(width, shape.heads, False)
        self.cross = Sublayer(width, shape.heads, True) if decoder else None
        self.widen = nn.Linear(width, shape.ffn)
        self.narrow = nn.Linear(shape.ffn, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor, memory: Tensor | None = None) -> Tensor:
        """Runs the layer; `mask` is that of the source, padded replies need none."""
        decoder = self.cross is not None
        x = self.own(x, None if decoder else mask, decoder, None)
        if decoder:
            x = self.cross(x, mask, False, memory)
        told = self.narrow(functional.relu(self.widen(x)))
        return self.norm(x + functional.dropout(told, DROPOUT, self.training))


class LoopModel(nn.Module):
    """The whole network, ending in its loss."""

    def __init__(self, shape: Shape) -> None:
        """Makes the layers and the table of positions."""
        super().__init__()
        self.width = shape.d_model
        self.embedding = nn.Embedding(shape.vocabulary, shape.d_model)
        self.encoder = nn.ModuleList(Layer(shape, False) for _ in range(shape.layers))
        self.decoder = nn.ModuleList(Layer(shape, True) for _ in range(shape.layers))
        self.output = nn.Linear(shape.d_model, shape.vocabulary)
        self.register_buffer("positions", _sinusoids(shape.positions, shape.d_model), False)

    def _embed(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids) * math.sqrt(self.width) + self.positions[: ids.shape[1]]
        return functional.dropout(x, DROPOUT, self.training)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Gives the smoothed cross-entropy of a batch of `loop.collate`."""
        memory, mask = self._embed(batch["source"]), batch["mask"]
        for layer in self.encoder:
            memory = layer(memory, mask)
        x = self._embed(batch["reply"])
        for layer in self.decoder:
            x = layer(x, mask, memory)
        real = x.flatten(0, 1).index_select(0, batch["places"])
        logits = self.output(real).float()
        return functional.cross_entropy(logits, batch["labels"], label_smoothing=0.1)


def _sinusoids(length: int, width: int) -> Tensor:
    """Gives the table of Vaswani et al. (2017), (length, width)."""
    angles = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, width, 2) / width)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)
