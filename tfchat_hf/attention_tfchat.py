# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Multi-head attention over any of transformers' implementations, with a cache.

Names of axes: batch; source, target = tokens of the question, of the reply; query, key = tokens
that ask and that are asked; heads; head_dim = d_model / heads.
"""

from collections.abc import Callable

import torch
from torch import nn
from transformers.cache_utils import Cache, EncoderDecoderCache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs

from .configuration_tfchat import TFChatConfig
from .dropout_tfchat import dropout as dropout_of
from .positions_tfchat import rotate


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Unpack[TransformersKwargs],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scaled dot-product attention written out (Vaswani et al., 3.2.1), with its weights.

    Args:
        module: The attention that calls; says whether it is training.
        query: `(batch, heads, query, head_dim)`.
        key: `(batch, heads, key, head_dim)`.
        value: `(batch, heads, key, head_dim)`.
        attention_mask: `(batch, 1, query, key)`, 0 where a token may look and very negative
            elsewhere, or None.
        scaling: `1 / sqrt(head_dim)`.
        dropout: Probability of dropping an attention weight.
        **kwargs: What other implementations take.

    Returns:
        The mixed values `(batch, query, heads, head_dim)` and the weights
        `(batch, heads, query, key)`.
    """
    scores = torch.matmul(query, key.transpose(2, 3)) * scaling  # (batch, heads, query, key)
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = nn.functional.softmax(scores, dim=-1)
    weights = dropout_of(weights, dropout, module.training)
    mixed = torch.matmul(weights, value).transpose(1, 2).contiguous()
    return mixed, weights


class TFChatAttention(nn.Module):
    """Multi-head attention (Vaswani et al., 3.2.2): to oneself, or to the encoder's states."""

    def __init__(
        self,
        config: TFChatConfig,
        num_heads: int,
        layer_idx: int,
        is_causal: bool = False,
        is_cross_attention: bool = False,
    ) -> None:
        """Make the four projections, each `(d_model, d_model)` with a bias."""
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.is_causal = is_causal
        self.is_cross_attention = is_cross_attention
        self.head_dim = config.d_model // num_heads
        self.scaling = self.head_dim**-0.5
        self.dropout = config.attention_dropout
        self.q_proj = nn.Linear(config.d_model, config.d_model)
        self.k_proj = nn.Linear(config.d_model, config.d_model)
        self.v_proj = nn.Linear(config.d_model, config.d_model)
        self.out_proj = nn.Linear(config.d_model, config.d_model)

    def split_heads(self, states: torch.Tensor) -> torch.Tensor:
        """Turn `(batch, seq_len, d_model)` into `(batch, heads, seq_len, head_dim)`."""
        return states.view(*states.shape[:-1], -1, self.head_dim).transpose(1, 2)

    def keys_and_values(
        self,
        states: torch.Tensor,
        cache: Cache | None,
        angles: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Project `states` and add them to the cache; returns all keys and values so far."""
        key = self.split_heads(self.k_proj(states))
        value = self.split_heads(self.v_proj(states))
        if angles is not None:
            key = rotate(key, angles)
        if cache is not None:
            key, value = cache.update(key, value, self.layer_idx)
        return key, value

    def cross_keys_and_values(
        self, encoder_hidden_states: torch.Tensor, past_key_values: Cache | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Project the encoder's states once; later steps read them from the cache."""
        if not isinstance(past_key_values, EncoderDecoderCache):
            return self.keys_and_values(encoder_hidden_states, None, None)
        cache = past_key_values.cross_attention_cache
        if past_key_values.is_updated.get(self.layer_idx):
            return cache.layers[self.layer_idx].keys, cache.layers[self.layer_idx].values
        key, value = self.keys_and_values(encoder_hidden_states, cache, None)
        past_key_values.is_updated[self.layer_idx] = True
        return key, value

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        angles: tuple[torch.Tensor, torch.Tensor] | None = None,
        packing: Callable | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attend from `hidden_states` to themselves or to `encoder_hidden_states`.

        Args:
            hidden_states: `(batch, query, d_model)`.
            encoder_hidden_states: `(batch, source, d_model)` for cross-attention.
            attention_mask: As `transformers.masking_utils` makes it.
            past_key_values: The cache of both attentions, or None.
            angles: Rotation of queries and keys, or None.
            packing: The attention to use where sequences stand end to end in one row (training
                does without padding that way); None for the one that the configuration names.
            **kwargs: Passed on to the attention implementation.

        Returns:
            `(batch, query, d_model)`, and the attention weights `(batch, heads, query, key)` if
            the implementation gives them (eager does).
        """
        query = self.split_heads(self.q_proj(hidden_states))
        if angles is not None:
            query = rotate(query, angles)
        if encoder_hidden_states is not None:
            key, value = self.cross_keys_and_values(encoder_hidden_states, past_key_values)
        else:
            key, value = self.keys_and_values(hidden_states, self_cache(past_key_values), angles)
        attend: Callable = packing or ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        mixed, weights = attend(
            self,
            query,
            key,
            value,
            attention_mask,
            dropout=self.dropout if self.training else 0.0,
            scaling=self.scaling,
            **kwargs,
        )
        mixed = mixed.reshape(*hidden_states.shape[:-1], -1).contiguous()  # heads side by side
        return self.out_proj(mixed), weights


def self_cache(past_key_values: Cache | None) -> Cache | None:
    """Return the half of the cache that belongs to the decoder's self-attention."""
    if isinstance(past_key_values, EncoderDecoderCache):
        return past_key_values.self_attention_cache
    return past_key_values
