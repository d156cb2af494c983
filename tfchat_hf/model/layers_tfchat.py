# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The arithmetic of a layer: positions, attention, residual connections, feed-forward.

Names of axes: batch; source, target = tokens of the question, of the reply; query, key = tokens
that ask and that are asked; heads; head_dim = d_model / heads.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache, EncoderDecoderCache
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import Seq2SeqLMOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs

from .configuration_tfchat import TFChatConfig

# The cache is called `past_key_values` up to transformers 5.23, and `cache` from 5.24 on.
CACHE = "cache" if "cache" in Seq2SeqLMOutput.__dataclass_fields__ else "past_key_values"
# Cosine and sine of each token's rotation, `(batch, 1, seq_len, head_dim)` each.
Angles = tuple[Tensor, Tensor]

# --------------------------------------------------------------------------------- positions


def sinusoidal_table(num_positions: int, d_model: int, original_exponents: bool = False) -> Tensor:
    """Return the fixed position vectors `(num_positions, d_model)` of Vaswani et al., 3.5.

    Sines fill the first half of a row and cosines the second, as in Marian and tensor2tensor: the
    paper's interleaved order is the same up to a permutation of the dimensions. With
    `original_exponents` they are as in the original TFChat, whose checkpoints need it: interleaved,
    and with exponents from an index that is already even, `10000^(2i/d)`.
    """
    even = torch.arange(0, d_model, 2, dtype=torch.float64, device="cpu")
    position = torch.arange(num_positions, dtype=torch.float64, device="cpu")[:, None]
    if original_exponents:
        sine = torch.sin(position / 10000 ** (2 * even / d_model))
        cosine = torch.cos(position / 10000 ** (2 * (even + 1) / d_model))
        return torch.stack((sine, cosine), dim=-1).flatten(1).float()
    angle = position / 10000 ** (even / d_model)
    return torch.cat((torch.sin(angle), torch.cos(angle)), dim=-1).float()


class TFChatSinusoidalPositions(nn.Module):
    """Looks up the fixed position vectors; nothing in it is trained or saved."""

    def __init__(self, config: TFChatConfig) -> None:
        """Make the table, `(max_position_embeddings, d_model)`."""
        super().__init__()
        # No buffer: a model is loaded on the meta device, and buffers come back unfilled.
        self.table = sinusoidal_table(
            config.max_position_embeddings, config.d_model, config.original_position_exponents
        )

    def forward(self, position_ids: Tensor) -> Tensor:
        """Map `(..., seq_len)` position ids to `(..., seq_len, d_model)`."""
        if self.table.device != position_ids.device:
            self.table = self.table.to(position_ids.device)
        return functional.embedding(position_ids, self.table)


def position_ids_from_mask(
    attention_mask: Tensor | None, seq_len: int, past_len: int | Tensor, device: torch.device
) -> Tensor:
    """Number the tokens of a batch, padding left out, so that left and right padding agree.

    There are `seq_len` new tokens behind `past_len` in the cache. The mask is `(batch, past_len +
    seq_len)` of 0 and 1; with anything else all tokens count. Returns `(batch or 1, seq_len)`.
    """
    new = torch.arange(seq_len, device=device) + past_len
    if attention_mask is None or attention_mask.dim() != 2:
        return new[None]
    counted = (attention_mask.long().cumsum(dim=1) - 1).clamp(min=0)
    return counted.index_select(1, new)


def rotary_angles(position_ids: Tensor, head_dim: int, dtype: torch.dtype) -> Angles:
    """Return the rotation of tokens at `(batch, seq_len)` positions (Su et al., 2021)."""
    even = torch.arange(0, head_dim, 2, device=position_ids.device, dtype=torch.float32)
    angle = position_ids[..., None].float() / 10000 ** (even / head_dim)
    angle = torch.cat((angle, angle), dim=-1)[:, None]  # (batch, 1, seq_len, head_dim)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def rotate(states: Tensor, angles: Angles) -> Tensor:
    """Rotate `(batch, heads, seq_len, head_dim)` queries or keys by their positions."""
    cosine, sine = angles
    first, second = states.chunk(2, dim=-1)
    return states * cosine + torch.cat((-second, first), dim=-1) * sine


# --------------------------------------------------------------------------------- attention


def given_cache(
    cache: Cache | None, past_key_values: Cache | None, others: dict[str, Any]
) -> Cache | None:
    """Return the cache, under whichever of its two names it came.

    A cache among `others` would be ignored, and each token taken for the first of its reply.
    """
    for name, value in others.items():
        if isinstance(value, Cache):
            raise ValueError(
                f"A cache came as `{name}`, not as `cache` or `past_key_values`: transformers is "
                "newer than this code. Take the range that the model card names."
            )
    if cache is not None and past_key_values is not None:
        raise ValueError("Give one cache, as `cache` or as `past_key_values` (got both).")
    if past_key_values is not None and CACHE == "cache" and not torch.compiler.is_compiling():
        warnings.warn("`past_key_values` is deprecated: give `cache`.", FutureWarning, stacklevel=3)
    return past_key_values if cache is None else cache


def self_attention_cache(cache: Cache | None) -> Cache | None:
    """Return the half of the cache that belongs to the decoder's self-attention."""
    return cache.self_attention_cache if isinstance(cache, EncoderDecoderCache) else cache


def eager_attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Unpack[TransformersKwargs],
) -> tuple[Tensor, Tensor]:
    """Compute scaled dot-product attention, written out (Vaswani et al., 3.2.1).

    `attn_implementation="eager"`: this package chats and evaluates with it. `from_pretrained` takes
    torch's kernel of the same, "sdpa", which gives no weights. `query` is `(batch, heads, query,
    head_dim)`, `key` and `value` `(batch, heads, key, head_dim)`, `scaling` 1 / sqrt(head_dim);
    `attention_mask` `(batch, 1, query, key)` is 0 where a token may look, else very negative.
    Returns `(batch, query, heads, head_dim)` and weights `(batch, heads, query, key)`.
    """
    scores = torch.matmul(query, key.transpose(2, 3)) * scaling  # (batch, heads, query, key)
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = functional.softmax(scores, dim=-1)  # each query's weights sum to 1
    weights = functional.dropout(weights, dropout, module.training)
    mixed = torch.matmul(weights, value)  # (batch, heads, query, head_dim)
    return mixed.transpose(1, 2).contiguous(), weights


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

    def split_heads(self, states: Tensor) -> Tensor:
        """Turn `(batch, seq_len, d_model)` into `(batch, heads, seq_len, head_dim)`."""
        return states.view(*states.shape[:-1], -1, self.head_dim).transpose(1, 2)

    def keys_and_values(
        self, states: Tensor, cache: Cache | None, angles: Angles | None
    ) -> tuple[Tensor, Tensor]:
        """Project `(batch, new, d_model)` to two `(batch, heads, past + new, head_dim)`."""
        key = self.split_heads(self.k_proj(states))  # (batch, heads, new, head_dim)
        value = self.split_heads(self.v_proj(states))
        if angles is not None:
            key = rotate(key, angles)
        if cache is not None:
            key, value = cache.update(key, value, self.layer_idx)
        return key, value

    def cross_keys_and_values(
        self, encoder_hidden_states: Tensor, cache: Cache | None
    ) -> tuple[Tensor, Tensor]:
        """Project the encoder's states once, `(batch, heads, source, head_dim)` each."""
        if not isinstance(cache, EncoderDecoderCache):
            return self.keys_and_values(encoder_hidden_states, None, None)
        cross = cache.cross_attention_cache
        if cache.is_updated.get(self.layer_idx):  # the question stays while the reply grows
            return cross.layers[self.layer_idx].keys, cross.layers[self.layer_idx].values
        key, value = self.keys_and_values(encoder_hidden_states, cross, None)
        cache.is_updated[self.layer_idx] = True
        return key, value

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        cache: Cache | None = None,
        angles: Angles | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from `(batch, query, d_model)` states to themselves, or to the encoder's.

        `encoder_hidden_states` are `(batch, source, d_model)`; `angles` turn queries and keys.
        Returns `(batch, query, d_model)`, and the weights `(batch, heads, query, key)` where the
        implementation gives them (eager does).
        """
        query = self.split_heads(self.q_proj(hidden_states))  # (batch, heads, query, head_dim)
        if angles is not None:
            query = rotate(query, angles)
        if encoder_hidden_states is not None:
            key, value = self.cross_keys_and_values(encoder_hidden_states, cache)
        else:
            key, value = self.keys_and_values(hidden_states, self_attention_cache(cache), angles)
        attend: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        kwargs |= {"scaling": self.scaling, "dropout": self.dropout if self.training else 0.0}
        mixed, weights = attend(self, query, key, value, attention_mask, **kwargs)
        # mixed is (batch, query, heads, head_dim)
        mixed = mixed.reshape(*hidden_states.shape[:-1], -1).contiguous()  # heads side by side
        return self.out_proj(mixed), weights


# --------------------------------------------------------------------------------- layers


class TFChatLayer(GradientCheckpointingLayer):
    """What encoder and decoder layers share: residual connections, norms, feed-forward."""

    def __init__(self, config: TFChatConfig, ffn_dim: int) -> None:
        """Make the feed-forward part and the norms of self-attention and feed-forward."""
        super().__init__()
        self.normalize_before = config.normalize_before
        self.dropout = nn.Dropout(config.dropout)
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.fc1 = nn.Linear(config.d_model, ffn_dim)
        self.activation_fn = ACT2FN[config.activation_function]
        self.fc_gate = nn.Linear(config.d_model, ffn_dim) if config.gated_activation else None
        self.activation_dropout = nn.Dropout(config.activation_dropout)
        self.fc2 = nn.Linear(ffn_dim, config.d_model)
        # None where, as in the original's checkpoints, one norm serves all sub-layers of a layer.
        shared = config.shared_layer_norm
        self.final_layer_norm = None if shared else nn.LayerNorm(config.d_model)

    def before(self, hidden_states: Tensor, norm: nn.Module | None) -> Tensor:
        """Return a sub-layer's input, `(batch, seq_len, d_model)`: with pre-norm it is normed."""
        norm = norm or self.self_attn_layer_norm
        return norm(hidden_states) if self.normalize_before else hidden_states

    def add_and_norm(self, hidden_states: Tensor, output: Tensor, norm: nn.Module | None) -> Tensor:
        """Add a sub-layer's output to its input, both `(batch, seq_len, d_model)`.

        Post-norm is `norm(x + dropout(f(x)))` (Vaswani et al., 3.1), pre-norm
        `x + dropout(f(norm(x)))` (Xiong et al., 2020).
        """
        norm = norm or self.self_attn_layer_norm
        summed = hidden_states + self.dropout(output)
        return summed if self.normalize_before else norm(summed)

    def feed_forward(self, hidden_states: Tensor) -> Tensor:
        """Map each token for itself, `(batch, seq_len, d_model)` (Vaswani et al., 3.3)."""
        given = self.before(hidden_states, self.final_layer_norm)
        inner = self.fc1(given)  # (batch, seq_len, ffn_dim)
        if self.fc_gate is None:
            inner = self.activation_fn(inner)
        else:
            inner = self.activation_fn(self.fc_gate(given)) * inner
        output = self.fc2(self.activation_dropout(inner))  # (batch, seq_len, d_model)
        return self.add_and_norm(hidden_states, output, self.final_layer_norm)


class TFChatEncoderLayer(TFChatLayer):
    """Self-attention, then feed-forward."""

    def __init__(self, config: TFChatConfig, layer_idx: int) -> None:
        """Make one encoder layer."""
        super().__init__(config, config.encoder_ffn_dim)
        self.self_attn = TFChatAttention(config, config.encoder_attention_heads, layer_idx)

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Tensor:
        """Map `(batch, source, d_model)` to the same shape."""
        given = self.before(hidden_states, self.self_attn_layer_norm)
        output, _ = self.self_attn(given, attention_mask=attention_mask, **kwargs)
        hidden_states = self.add_and_norm(hidden_states, output, self.self_attn_layer_norm)
        return self.feed_forward(hidden_states)


class TFChatDecoderLayer(TFChatLayer):
    """Masked self-attention, attention to the encoder, then feed-forward."""

    def __init__(self, config: TFChatConfig, layer_idx: int) -> None:
        """Make one decoder layer."""
        super().__init__(config, config.decoder_ffn_dim)
        heads = config.decoder_attention_heads
        self.self_attn = TFChatAttention(config, heads, layer_idx, is_causal=True)
        self.encoder_attn = TFChatAttention(config, heads, layer_idx, is_cross_attention=True)
        shared = config.shared_layer_norm
        self.encoder_attn_layer_norm = None if shared else nn.LayerNorm(config.d_model)

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None,
        encoder_hidden_states: Tensor | None,
        encoder_attention_mask: Tensor | None = None,
        cache: Cache | None = None,
        angles: Angles | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Tensor:
        """Map `(batch, target, d_model)` to the same shape."""
        given = self.before(hidden_states, self.self_attn_layer_norm)
        output, _ = self.self_attn(
            given, attention_mask=attention_mask, cache=cache, angles=angles, **kwargs
        )
        hidden_states = self.add_and_norm(hidden_states, output, self.self_attn_layer_norm)
        if encoder_hidden_states is not None:
            given = self.before(hidden_states, self.encoder_attn_layer_norm)
            question = (encoder_hidden_states, encoder_attention_mask)
            output, _ = self.encoder_attn(given, *question, cache=cache, **kwargs)
            hidden_states = self.add_and_norm(hidden_states, output, self.encoder_attn_layer_norm)
        return self.feed_forward(hidden_states)
