# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The loop that one writes by hand in plain torch: fused projections, a cache made beforehand."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def joined(*layers: nn.Linear) -> nn.Linear:
    """Make one linear layer of several that read the same input."""
    both = nn.Linear(layers[0].in_features, sum(layer.out_features for layer in layers))
    with torch.no_grad():
        both.weight.copy_(torch.cat([layer.weight for layer in layers]))
        both.bias.copy_(torch.cat([layer.bias for layer in layers]))
    return both


class Layer(nn.Module):
    """One decoder layer, post-norm and ReLU."""

    def __init__(self, layer: nn.Module) -> None:
        """Join what reads the same input."""
        super().__init__()
        own, other = layer.self_attn, layer.encoder_attn
        self.qkv, self.own_out = joined(own.q_proj, own.k_proj, own.v_proj), joined(own.out_proj)
        self.query, self.pair = joined(other.q_proj), joined(other.k_proj, other.v_proj)
        self.other_out = joined(other.out_proj)
        self.fc1, self.fc2 = joined(layer.fc1), joined(layer.fc2)
        self.norms = nn.ModuleList(
            [layer.self_attn_layer_norm, layer.encoder_attn_layer_norm, layer.final_layer_norm]
        )


class HandLoop(nn.Module):
    """Decodes greedily with the weights of a TFChat model of the default shape."""

    def __init__(self, model: nn.Module) -> None:
        """Take the weights of a model."""
        super().__init__()
        self.encoder = model.model.encoder
        decoder = model.model.decoder
        self.layers = nn.ModuleList([Layer(layer) for layer in decoder.layers])
        self.embed, self.table = decoder.embed_tokens, decoder.embed_positions.table
        self.scale, self.output = decoder.embed_scale, joined(model.lm_head)
        self.heads = model.config.decoder_attention_heads

    @torch.inference_mode()
    def greedy(self, ids: torch.Tensor, mask: torch.Tensor, new_tokens: int) -> torch.Tensor:
        """Decode so many tokens, `(batch, source)` to `(batch, 1 + new_tokens)`."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        batch, source, width = states.shape
        shape = (batch, self.heads, new_tokens, width // self.heads)
        caches = [(torch.zeros(shape), torch.zeros(shape)) for _ in self.layers]
        cross = []
        for layer in self.layers:
            pair = layer.pair(states).view(batch, source, 2, self.heads, -1)
            cross.append(pair.permute(2, 0, 3, 1, 4).contiguous())
        seen = mask[:, None, None].bool()
        reply = torch.ones(batch, 1 + new_tokens, dtype=torch.long)
        for place in range(new_tokens):
            logits = self.step(reply[:, place], place, caches, cross, seen)
            reply[:, place + 1] = logits.argmax(-1)
        return reply

    def step(self, tokens, place, caches, cross, seen) -> torch.Tensor:  # noqa: ANN001
        """Decode one token a row."""
        x = self.embed(tokens) * self.scale + self.table[place]
        batch = len(x)
        for layer, (keys, values), (their_keys, their_values) in zip(
            self.layers, caches, cross, strict=True
        ):
            query, key, value = layer.qkv(x).view(batch, 3, self.heads, -1).unbind(1)
            keys[:, :, place], values[:, :, place] = key, value
            mixed = functional.scaled_dot_product_attention(
                query[:, :, None], keys[:, :, : place + 1], values[:, :, : place + 1]
            )
            x = layer.norms[0](x + layer.own_out(mixed.reshape(batch, -1)))
            query = layer.query(x).view(batch, self.heads, 1, -1)
            mixed = functional.scaled_dot_product_attention(
                query, their_keys, their_values, attn_mask=seen
            )
            x = layer.norms[1](x + layer.other_out(mixed.reshape(batch, -1)))
            x = layer.norms[2](x + layer.fc2(layer.fc1(x).relu()))
        return self.output(x)
