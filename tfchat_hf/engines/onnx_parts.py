# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The parts of a model that become a graph each: encoder, question's keys and values, one step.

Names of axes: batch; source = tokens of the question; past = tokens in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from ..model.modeling_tfchat import TFChatForConditionalGeneration
from .onnx_attention import FusedAttention, RoomCache, attention_of_the_export

Tensors = Sequence[torch.Tensor]


class _Part(nn.Module):
    """A part of the model, with the model's own names for what is in it.

    Args:
        model: The whole.
        fused: Take onnxruntime's operators for attention.
    """

    def __init__(self, model: TFChatForConditionalGeneration, fused: bool) -> None:
        super().__init__()
        self.model, self.lm_head = model.model, model.lm_head
        self.predict = model.predict
        self.fused = fused

    def attention(self, cache: RoomCache | None = None) -> FusedAttention | None:
        """Give what stands for "eager" here."""
        return FusedAttention(cache) if self.fused else None


class Encoder(_Part):
    """Question ids to states."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Map two `(batch, source)` to `(batch, source, d_model)`."""
        with attention_of_the_export(self.attention()):
            return self.model.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]


class CrossAttention(_Part):
    """States to keys and values of the question, for every layer of the decoder."""

    def forward(self, encoder_hidden_states: torch.Tensor) -> list[torch.Tensor]:
        """Map `(batch, source, d_model)` to `(batch, heads, source, head_dim)`, two a layer.

        One token is decoded for what it leaves in the cache; nothing else of it gets into the
        graph.
        """
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        with attention_of_the_export(None):
            self.model.decoder(
                input_ids=encoder_hidden_states.new_zeros(
                    encoder_hidden_states.shape[0], 1, dtype=torch.long
                ),
                encoder_hidden_states=encoder_hidden_states,
                cache=cache,
            )
        return _tensors(cache.cross_attention_cache)


class DecoderStep(_Part):
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
        kept = cache if isinstance(cache, RoomCache) else None
        with attention_of_the_export(self.attention(kept)):
            states = self.model.decoder(
                input_ids=input_ids,
                # Only their shape is asked for: the cache has their keys and values.
                encoder_hidden_states=cross[0].new_zeros(batch, source, self.model.config.d_model),
                encoder_attention_mask=encoder_mask,
                # One token sees all those before it. Of four axes, so that none is made.
                attention_mask=cross[0].new_zeros(1, 1, 1, 1) if kept is not None else None,
                cache=both,
            )[0]
        return self.predict(states)


class DecoderStepInRoom(DecoderStep):
    """The same step over buffers with room for the whole reply: nothing of them is copied."""

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
        cache = RoomCache(past, past_length, total_length)
        logits = self.decode(input_ids, encoder_mask, cross, cache)
        return logits, logits.argmax(-1), *cache.present


def _cache_of(tensors: Tensors) -> DynamicCache:
    """Put keys and values of each layer in turn into a cache."""
    cache = DynamicCache()
    for index in range(len(tensors) // 2):
        cache.update(tensors[2 * index], tensors[2 * index + 1], index)
    return cache


def _tensors(cache: DynamicCache) -> list[torch.Tensor]:
    """Take them out again."""
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]
