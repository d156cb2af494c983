# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One layer of the encoder and one of the decoder: attention, residuals, norms, feed-forward."""

import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs

from .attention_tfchat import TFChatAttention
from .configuration_tfchat import TFChatConfig
from .dropout_tfchat import dropout


class TFChatLayer(GradientCheckpointingLayer):
    """What encoder and decoder layers share: residual connections, norms, feed-forward."""

    def __init__(self, config: TFChatConfig, ffn_dim: int) -> None:
        """Make the feed-forward part and the norms of self-attention and feed-forward."""
        super().__init__()
        self.dropout = config.dropout
        self.activation_dropout = config.activation_dropout
        self.normalize_before = config.normalize_before
        self.shared_layer_norm = config.shared_layer_norm
        self.activation_fn = ACT2FN[config.activation_function]
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.fc1 = nn.Linear(config.d_model, ffn_dim)
        self.fc_gate = nn.Linear(config.d_model, ffn_dim) if config.gated_activation else None
        self.fc2 = nn.Linear(ffn_dim, config.d_model)
        # seed: one LayerNorm serves the whole layer; its checkpoints hold just that one.
        if not config.shared_layer_norm:
            self.final_layer_norm = nn.LayerNorm(config.d_model)

    def norm(self, name: str) -> nn.Module:
        """Return the LayerNorm called `name`, or the layer's only one (a quirk of the seed)."""
        return self.self_attn_layer_norm if self.shared_layer_norm else getattr(self, name)

    def before(self, hidden_states: torch.Tensor, norm: str) -> torch.Tensor:
        """Prepare the input of a sub-layer: normalised with pre-norm, as it is with post-norm."""
        return self.norm(norm)(hidden_states) if self.normalize_before else hidden_states

    def after(self, residual: torch.Tensor, output: torch.Tensor, norm: str) -> torch.Tensor:
        """Add a sub-layer's output to its input: `LayerNorm(x + Dropout(f(x)))` with post-norm."""
        output = dropout(output, self.dropout, self.training)
        summed = residual + output
        return summed if self.normalize_before else self.norm(norm)(summed)

    def feed_forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Apply the position-wise feed-forward sub-layer (Vaswani et al., 3.3)."""
        inner = self.before(hidden_states, "final_layer_norm")
        if self.fc_gate is None:
            inner = self.activation_fn(self.fc1(inner))  # (batch, seq_len, ffn_dim)
        else:
            inner = self.activation_fn(self.fc_gate(inner)) * self.fc1(inner)
        inner = dropout(inner, self.activation_dropout, self.training)
        return self.after(hidden_states, self.fc2(inner), "final_layer_norm")


class TFChatEncoderLayer(TFChatLayer):
    """Self-attention, then feed-forward."""

    def __init__(self, config: TFChatConfig, layer_idx: int) -> None:
        """Make one encoder layer."""
        super().__init__(config, config.encoder_ffn_dim)
        self.self_attn = TFChatAttention(config, config.encoder_attention_heads, layer_idx)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        """Map `(batch, source, d_model)` to the same shape."""
        query = self.before(hidden_states, "self_attn_layer_norm")
        output, _ = self.self_attn(query, attention_mask=attention_mask, **kwargs)
        hidden_states = self.after(hidden_states, output, "self_attn_layer_norm")
        return self.feed_forward(hidden_states)


class TFChatDecoderLayer(TFChatLayer):
    """Masked self-attention, attention to the encoder, then feed-forward."""

    def __init__(self, config: TFChatConfig, layer_idx: int) -> None:
        """Make one decoder layer."""
        super().__init__(config, config.decoder_ffn_dim)
        heads = config.decoder_attention_heads
        self.self_attn = TFChatAttention(config, heads, layer_idx, is_causal=True)
        self.encoder_attn = TFChatAttention(config, heads, layer_idx, is_cross_attention=True)
        if not config.shared_layer_norm:
            self.encoder_attn_layer_norm = nn.LayerNorm(config.d_model)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        encoder_hidden_states: torch.Tensor | None,
        encoder_attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        angles: tuple[torch.Tensor, torch.Tensor] | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        """Map `(batch, target, d_model)` to the same shape."""
        query = self.before(hidden_states, "self_attn_layer_norm")
        output, _ = self.self_attn(
            query,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            angles=angles,
            **kwargs,
        )
        hidden_states = self.after(hidden_states, output, "self_attn_layer_norm")
        if encoder_hidden_states is not None:
            query = self.before(hidden_states, "encoder_attn_layer_norm")
            output, _ = self.encoder_attn(
                query,
                encoder_hidden_states=encoder_hidden_states,
                attention_mask=encoder_attention_mask,
                past_key_values=past_key_values,
                **kwargs,
            )
            hidden_states = self.after(hidden_states, output, "encoder_attn_layer_norm")
        return self.feed_forward(hidden_states)
