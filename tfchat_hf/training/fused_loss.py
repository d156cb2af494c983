# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Output layer and smoothed cross-entropy in one, so that the logits are never kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

# Logits of so many numbers are made at a time: 8 million are 32 MB in float32.
CHUNK_NUMBERS = 8_000_000


def linear_cross_entropy(
    states: torch.Tensor, output_layer: nn.Linear, labels: torch.Tensor, smoothing: float
) -> torch.Tensor:
    """Sums the label-smoothed cross-entropy over all tokens.

    The same as `losses.label_smoothed_cross_entropy(output_layer(states), labels, smoothing)`.
    The gradients are computed on the way forward, chunk by chunk, so that neither the logits nor
    their softmax are kept: at 16,000 tokens of vocabulary they are the largest tensors of all.
    Under autocast the products are computed in its type, the softmax in float32.

    Args:
        states: `(tokens, d_model)`.
        output_layer: from d_model to the vocabulary.
        labels: `(tokens,)`, ids; a negative one is left out.
        smoothing: share of the probability spread over the whole vocabulary (Szegedy et al.,
            2016).

    Returns:
        Nats, in float32 or wider.
    """
    dtype = states.dtype
    if torch.is_autocast_enabled(states.device.type):
        dtype = torch.get_autocast_dtype(states.device.type)
    with torch.autocast(states.device.type, enabled=False):
        return _LinearCrossEntropy.apply(
            states.to(dtype),
            output_layer.weight.to(dtype),
            output_layer.bias.to(dtype),
            labels,
            smoothing,
        )


class _LinearCrossEntropy(torch.autograd.Function):
    """Keeps three gradients instead of the logits."""

    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        labels: torch.Tensor,
        smoothing: float,
    ) -> torch.Tensor:
        """Computes the sum, and the gradients where they will be asked for."""
        ctx.wanted = any(ctx.needs_input_grad[:3])
        to_states = torch.empty_like(states)
        wide = torch.promote_types(weight.dtype, torch.float32)
        total = torch.zeros((), dtype=wide, device=states.device)
        to_weight = to_bias = None
        step = max(1, CHUNK_NUMBERS // weight.shape[0])
        for start in range(0, len(states), step):
            part = slice(start, start + step)
            loss, gradient = _chunk(states[part], weight, bias, labels[part], smoothing)
            total += loss
            if ctx.wanted:
                gradient = gradient.to(states.dtype)
                to_states[part] = gradient @ weight
                share = gradient.t() @ states[part], gradient.sum(0, dtype=wide)
                # Added up in float32; the first share is kept as it is, for it is often the only.
                to_weight = share[0] if to_weight is None else to_weight.to(wide) + share[0]
                to_bias = share[1] if to_bias is None else to_bias + share[1]
        if ctx.wanted:
            ctx.save_for_backward(to_states, to_weight.to(weight.dtype), to_bias.to(bias.dtype))
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Scales what was kept."""
        scaled = [kept * gradient.to(kept.dtype) for kept in ctx.saved_tensors]
        return (*scaled, None, None)


def _chunk(
    states: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    labels: torch.Tensor,
    smoothing: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Computes the loss of some tokens and its gradient at their logits."""
    logits = torch.addmm(bias, states, weight.t())  # (tokens, vocab)
    wide = torch.promote_types(logits.dtype, torch.float32)
    logits = logits.to(wide)
    vocabulary = logits.shape[1]
    highest = logits.amax(1, keepdim=True)
    logits -= highest
    learnt = (labels >= 0).to(wide)[:, None]  # (tokens, 1)
    places = labels.clamp(min=0)[:, None]
    losses = (smoothing - 1) * logits.gather(1, places)
    if smoothing:
        losses -= smoothing / vocabulary * logits.sum(1, keepdim=True)
    powers = logits.exp_()
    sums = powers.sum(1, keepdim=True)
    losses += sums.log()
    gradient = powers.mul_(learnt / sums)
    if smoothing:
        gradient -= learnt * (smoothing / vocabulary)
    gradient.scatter_add_(1, places, learnt * (smoothing - 1))
    return (losses * learnt).sum(), gradient
