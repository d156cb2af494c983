# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Attention for the export: as the network writes it out, or as onnxruntime's own operators.

Both stand for "eager" in the registries of transformers while a graph is traced, so the network
need not know of either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.onnx.ops import symbolic, symbolic_multi_out
from transformers.cache_utils import DynamicCache
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel

# Added to the scores of what must not be seen; finite, so that a row of padding alone is no NaN.
BARRED = -1e9


class RoomCache(DynamicCache):
    """A cache with room for the whole reply, into which GroupQueryAttention itself writes.

    Args:
        past: Keys and values of each layer in turn, `(batch, heads, room, head_dim)`.
        past_length: `(batch,)`, how many places are filled; the same for all rows.
        total_length: `(1,)`, one more.
    """

    def __init__(
        self, past: Sequence[torch.Tensor], past_length: torch.Tensor, total_length: torch.Tensor
    ) -> None:
        """Keep the buffers; nothing has been written yet."""
        super().__init__()
        self.past, self.past_length, self.total_length = past, past_length, total_length
        self.present: list[torch.Tensor] = []
        self.newest: torch.Tensor | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give back the new keys and values alone: the operator puts them into the buffers."""
        self.newest = key_states
        return key_states, value_states

    def get_seq_length(self, layer_idx: int = 0) -> torch.Tensor:
        """Return how many places are filled, as a tensor that the graph computes with."""
        return self.past_length[0].long()

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        """Write a step's key and value and attend to all so far.

        Args:
            query: `(batch, heads, 1, head_dim)`.
            key: As `query`.
            value: As `query`.
            scaling: Of the scores.

        Returns:
            `(batch, 1, heads, head_dim)`.
        """
        batch, heads, steps, head_dim = query.shape
        buffers = self.past[len(self.present) : len(self.present) + 2]
        size = buffers[0].shape[3]
        filled = [query, key, value]
        if size != head_dim:  # the exporter would keep a padding by nothing
            filled = [nn.functional.pad(one, (0, size - head_dim)) for one in filled]
        mixed, *present = symbolic_multi_out(
            "com.microsoft::GroupQueryAttention",
            [*map(_heads_side_by_side, filled), *buffers, self.past_length, self.total_length],
            {"num_heads": heads, "kv_num_heads": heads, "scale": scaling},
            dtypes=[query.dtype] * 3,
            shapes=[(batch, steps, heads * size), *(one.shape for one in buffers)],
            version=1,
        )
        self.present += present
        mixed = mixed.view(batch, steps, heads, size)
        return mixed if size == head_dim else mixed[..., :head_dim]


class FusedAttention:
    """Attention as onnxruntime's operators; takes the place of `eager_attention_forward`.

    Args:
        cache: Of the decoder's self-attention, or None where there is none.
    """

    def __init__(self, cache: RoomCache | None = None) -> None:
        """Keep the cache."""
        self.cache = cache

    def __call__(
        self,
        module: nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        scaling: float,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, None]:
        """Take and give what every attention of transformers does, without the weights."""
        if self.cache is not None and key is self.cache.newest:
            return self.cache.attend(query, key, value, scaling), None
        batch, heads, length, head_dim = query.shape
        mixed = symbolic(
            "com.microsoft::MultiHeadAttention",
            [_heads_side_by_side(query), key, value, None, None, attention_mask],
            {"num_heads": heads, "scale": scaling},
            dtype=query.dtype,
            shape=(batch, length, heads * head_dim),
            version=1,
        )
        return mixed.view(batch, length, heads, head_dim), None


def _heads_side_by_side(states: torch.Tensor) -> torch.Tensor:
    """Turn `(batch, heads, seq_len, head_dim)` into `(batch, seq_len, heads * head_dim)`."""
    return states.transpose(1, 2).flatten(2)


def padding_mask(
    q_length: int, attention_mask: torch.Tensor | None = None, **kwargs: Any
) -> torch.Tensor | None:
    """Make what is added to the scores, in the few operators that it takes.

    Args:
        q_length: How many tokens ask.
        attention_mask: `(batch, key_len)`, False for padding, or None where all may be seen.
        **kwargs: What transformers gives every such function.

    Returns:
        `(batch, 1, q_length, key_len)`, or None.
    """
    if attention_mask is None:
        return None
    added = torch.where(attention_mask[:, None, None], 0.0, BARRED)
    return added.expand(-1, -1, q_length, -1)


@contextmanager
def attention_of_the_export(attention: Callable | None) -> Iterator[None]:
    """Put `attention` in the place of "eager", None for the network's own, and the mask above."""
    ALL_MASK_ATTENTION_FUNCTIONS["eager"] = padding_mask
    if attention is not None:
        ALL_ATTENTION_FUNCTIONS["eager"] = attention
    try:
        yield
    finally:
        del ALL_MASK_ATTENTION_FUNCTIONS["eager"]
        if attention is not None:
            del ALL_ATTENTION_FUNCTIONS["eager"]


@contextmanager
def eager(model: PreTrainedModel) -> Iterator[None]:
    """Let the model attend as it is written out."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)
