# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The parts of a model that become a graph each, with attention as onnxruntime's own operators.

Attention stands for "eager" in the registries of transformers while a graph is traced, so the
network need not know of it. Names of axes: batch; source = tokens of the question; past = tokens
in the cache; room = places for tokens in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.onnx.ops import symbolic, symbolic_multi_out
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel

from ..model.modeling_tfchat import TFChatForConditionalGeneration
from .onnx_names import BARRED

Tensors = Sequence[torch.Tensor]


class _Part(nn.Module):
    """A part of the model, with the model's own names for what is in it.

    Args:
        model: The whole.
        fused: Take onnxruntime's operators for attention instead of writing it out.
    """

    def __init__(self, model: TFChatForConditionalGeneration, fused: bool) -> None:
        super().__init__()
        self.model, self.lm_head = model.model, model.lm_head
        self.predict = model.predict
        self.fused = fused

    def attention(self, cache: BufferCache | None = None) -> FusedAttention | None:
        """Return what stands for "eager" here; None for the network's own."""
        return FusedAttention(cache) if self.fused else None


class Encoder(_Part):
    """Question ids to states."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Map two `(batch, source)` to `(batch, source, d_model)`."""
        with _attending(self.attention()):
            return self.model.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]


class CrossAttention(_Part):
    """States to keys and values of the question, for every layer of the decoder."""

    def forward(self, encoder_hidden_states: torch.Tensor) -> list[torch.Tensor]:
        """Map `(batch, source, d_model)` to `(batch, heads, source, head_dim)`, two a layer.

        One token is decoded for what it leaves in the cache; nothing else of it gets into the
        graph.
        """
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        with _attending(None):
            self.model.decoder(
                input_ids=encoder_hidden_states.new_zeros(
                    encoder_hidden_states.shape[0], 1, dtype=torch.long
                ),
                encoder_hidden_states=encoder_hidden_states,
                cache=cache,
            )
        return _tensors(cache.cross_attention_cache)


class _Step(_Part):
    """One token of each reply."""

    def decode(
        self,
        input_ids: torch.Tensor,
        encoder_mask: torch.Tensor,
        cross: Tensors,
        cache: DynamicCache,
    ) -> torch.Tensor:
        """Run decoder and output layer over a cache that holds the question already."""
        batch, source = cross[0].shape[0], cross[0].shape[2]
        both = EncoderDecoderCache(cache, _cache_of(cross))
        for index in range(self.model.config.decoder_layers):
            both.is_updated[index] = True
        buffers = cache if isinstance(cache, BufferCache) else None
        with _attending(self.attention(buffers)):
            states = self.model.decoder(
                input_ids=input_ids,
                # Only their shape is asked for: the cache has their keys and values.
                encoder_hidden_states=cross[0].new_zeros(batch, source, self.model.config.d_model),
                encoder_attention_mask=encoder_mask,
                # One token sees all those before it. Of four axes, so that none is made.
                attention_mask=cross[0].new_zeros(1, 1, 1, 1) if buffers is not None else None,
                cache=both,
            )[0]
        return self.predict(states)


class DecoderStep(_Step):
    """One token of each reply to the logits of the next, with a cache that grows."""

    def forward(
        self, input_ids: torch.Tensor, encoder_mask: torch.Tensor, cross: Tensors, past: Tensors
    ) -> tuple[torch.Tensor, ...]:
        """Decode one token a row.

        Args:
            input_ids: `(batch, 1)`.
            encoder_mask: `(batch, 1, 1, source)`, added to the scores of the question's tokens.
            cross: What `CrossAttention` gave.
            past: Keys and values of the reply so far, two a layer.

        Returns:
            `(batch, 1, vocab_size)`, then `past` with one token more.
        """
        cache = _cache_of(past)
        logits = self.decode(input_ids, encoder_mask, cross, cache)
        return logits, *_tensors(cache)


class BufferedDecoderStep(_Step):
    """The same step over buffers with room for the whole reply, of which nothing is copied."""

    def forward(
        self,
        input_ids: torch.Tensor,
        past_length: torch.Tensor,
        total_length: torch.Tensor,
        encoder_mask: torch.Tensor,
        cross: Tensors,
        past: Tensors,
    ) -> tuple[torch.Tensor, ...]:
        """Decode one token a row; the likeliest next ones, `(batch, 1)`, come after the logits.

        Args:
            input_ids: `(batch, 1)`.
            past_length: `(batch,)`, int32: how many tokens are in the cache.
            total_length: `(1,)`, int32: one more.
            encoder_mask: `(batch, 1, 1, source)`.
            cross: What `CrossAttention` gave.
            past: The buffers, `(batch, heads, room, head_dim)`, two a layer.
        """
        cache = BufferCache(past, past_length, total_length)
        logits = self.decode(input_ids, encoder_mask, cross, cache)
        return logits, logits.argmax(-1), *cache.present


def _cache_of(tensors: Tensors) -> DynamicCache:
    """Put keys and values of each layer in turn, `(batch, heads, len, head_dim)`, into a cache."""
    cache = DynamicCache()
    for index in range(len(tensors) // 2):
        cache.update(tensors[2 * index], tensors[2 * index + 1], index)
    return cache


def _tensors(cache: DynamicCache) -> list[torch.Tensor]:
    """List keys and values of each layer in turn."""
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]


class BufferCache(DynamicCache):
    """A cache with room for the whole reply, into which GroupQueryAttention itself writes.

    Args:
        past: Keys and values of each layer in turn, `(batch, heads, room, head_dim)`.
        past_length: `(batch,)`, how many places are filled; the same for all rows.
        total_length: `(1,)`, one more.
    """

    def __init__(
        self, past: Sequence[torch.Tensor], past_length: torch.Tensor, total_length: torch.Tensor
    ) -> None:
        """Begin with nothing written."""
        super().__init__()
        self.past, self.past_length, self.total_length = past, past_length, total_length
        self.present: list[torch.Tensor] = []
        self.newest: torch.Tensor | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the new keys and values alone: the operator puts them into the buffers."""
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

    def __init__(self, cache: BufferCache | None = None) -> None:
        """Take the cache."""
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
        """Map `(batch, heads, len, head_dim)` to `(batch, len, heads, head_dim)`; no weights."""
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


def _padding_mask(
    q_length: int, attention_mask: torch.Tensor | None = None, **kwargs: Any
) -> torch.Tensor | None:
    """Map a mask `(batch, key_len)` to what is added to scores, `(batch, 1, q_length, key_len)`."""
    if attention_mask is None:
        return None
    added = torch.where(attention_mask[:, None, None], 0.0, BARRED)
    return added.expand(-1, -1, q_length, -1)


@contextmanager
def _attending(attention: FusedAttention | None) -> Iterator[None]:
    """Put `attention` in the place of "eager", None for the network's own, and the mask above."""
    ALL_MASK_ATTENTION_FUNCTIONS["eager"] = _padding_mask
    if attention is not None:
        ALL_ATTENTION_FUNCTIONS["eager"] = attention
    try:
        yield
    finally:
        del ALL_MASK_ATTENTION_FUNCTIONS["eager"]
        if attention is not None:
            del ALL_ATTENTION_FUNCTIONS["eager"]


@contextmanager
def eager_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let the model attend as it is written out, whichever kernel it uses otherwise."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)
