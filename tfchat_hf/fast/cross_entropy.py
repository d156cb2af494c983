# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Cross-entropy of chosen tokens without keeping the logits.

The logits of a batch, tokens x vocabulary, are its largest tensor. Here they are made some at a
time and forgotten at once; training, evaluation and re-ranking all go through `token_losses`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Logits of so many numbers are made at a time: 8 million are 32 MB in float32.
LOGITS_AT_ONCE = 8_000_000
# Beyond it float32 cannot tell 1 - p from rounding (as in the code of Welleck et al.).
_LARGEST_LOG_PROB = -1e-5

Predict = Callable[[Tensor], Tensor]
# Of a token of the batch, `(candidates,)`, an id that it should not have, `(candidates,)`.
Candidates = tuple[Tensor, Tensor]


def reply_nats(states: Tensor, predict: Predict, labels: Tensor) -> Tensor:
    """Sum up each reply of a batch; the network calls it as its `reply_loss`.

    Args:
        states: Of the decoder, `(batch, target, d_model)`.
        predict: The network's way from states to logits.
        labels: `(batch, target)`, -100 where a reply has ended.

    Returns:
        `(batch, 2)` in float32: the cross-entropy of a reply in nats, and its tokens.
    """
    real = labels != -100
    nats = torch.zeros(labels.shape, device=labels.device)  # (batch, target)
    nats[real] = token_losses(states[real], predict, labels[real]).float()
    return torch.stack([nats.sum(1), real.sum(1).float()], dim=1)


def linear_cross_entropy(
    states: Tensor,
    output_layer: nn.Linear,
    labels: Tensor,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
    unlikely: Candidates | None = None,
    unlikelihood_weight: float = 0.0,
) -> Tensor:
    """Sum the losses of all tokens, with a gradient.

    The gradients are computed on the way forward, where the logits are at hand. Under autocast the
    products are computed in its type, the softmax in float32.

    Args:
        states: `(tokens, d_model)`.
        output_layer: From d_model to the vocabulary.
        labels: See `token_losses`, and so for the rest.
        smoothing: See there.
        weights: See there.
        unlikely: See there.
        unlikelihood_weight: See there.

    Returns:
        Nats, in float32 or wider.
    """
    dtype = states.dtype
    if torch.is_autocast_enabled(states.device.type):
        dtype = torch.get_autocast_dtype(states.device.type)
    layer = (output_layer.weight.to(dtype), output_layer.bias.to(dtype))
    with torch.autocast(states.device.type, enabled=False):
        return _LinearCrossEntropy.apply(
            states.to(dtype), *layer, labels, smoothing, weights, unlikely, unlikelihood_weight
        )


@torch.no_grad()
def token_losses(
    states: Tensor,
    predict: Predict,
    labels: Tensor,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
    unlikely: Candidates | None = None,
    unlikelihood_weight: float = 0.0,
    learn: Callable[[slice, Tensor], None] | None = None,
    vocab_size: int | None = None,
) -> Tensor:
    """Compute the loss of each token, `(tokens,)`, in nats.

    Args:
        states: `(tokens, d_model)`.
        predict: From some of them to logits, `(some, vocab_size)`.
        labels: `(tokens,)`; a negative one costs nothing.
        smoothing: Share of the target that is spread over the whole vocabulary, the label included
            (Szegedy et al., 2016).
        weights: Factor of each token's cross-entropy, `(tokens,)`; None is 1.
        unlikely: Adds -log(1 - p) for each of these (Welleck et al., 2020); no pair comes twice.
        unlikelihood_weight: Factor of that.
        learn: Called with each slice of the tokens and the gradient of its losses at its logits.
        vocab_size: Of the logits; None to ask `predict`.

    Returns:
        Float32, or float64 for float64 logits.
    """
    step = max(1, LOGITS_AT_ONCE // (vocab_size or predict(states[:1]).shape[-1]))
    wide = torch.promote_types(states.dtype, torch.float32)
    losses = torch.zeros(len(states), dtype=wide, device=states.device)
    starts = range(0, len(states), step)
    candidates = [None] * len(starts) if unlikely is None else _by_slice(unlikely, starts)
    for start, some in zip(starts, candidates, strict=True):
        part = slice(start, start + step)
        logits = predict(states[part]).to(wide)
        factors = (labels[part] >= 0).to(wide) * (1 if weights is None else weights[part])
        punished = None if some is None else (*some, unlikelihood_weight)
        losses[part], gradient = _of_logits(
            logits, labels[part].clamp(min=0), factors, smoothing, punished, learn is not None
        )
        if learn is not None:
            learn(part, gradient)
    return losses


def _by_slice(candidates: Candidates, starts: range) -> list[Candidates]:
    """Give each slice its candidates, their tokens counted from its start."""
    tokens, order = candidates[0].sort(stable=True)
    ids = candidates[1][order]
    bounds = torch.searchsorted(
        tokens, torch.tensor(starts[1:], dtype=torch.long).to(tokens)
    ).tolist()
    parts = zip([0, *bounds], [*bounds, len(ids)], starts, strict=False)
    return [(tokens[begin:end] - start, ids[begin:end]) for begin, end, start in parts]


def _of_logits(
    logits: Tensor,
    labels: Tensor,
    factors: Tensor,
    smoothing: float,
    punished: tuple[Tensor, Tensor, float] | None,
    learns: bool,
) -> tuple[Tensor, Tensor | None]:
    """Compute the losses of some tokens and, if it `learns`, their gradient at the logits.

    Args:
        logits: `(tokens, vocab_size)`.
        labels: `(tokens,)`, none below 0.
        factors: Of the cross-entropy, `(tokens,)`.
        smoothing: As in `token_losses`.
        punished: Tokens, ids and weight of the unlikelihood.
        learns: Whether to make the gradient.
    """
    spread = smoothing / logits.shape[1]
    log_probs = functional.log_softmax(logits, dim=-1)
    losses = (smoothing - 1) * log_probs.gather(1, labels[:, None])[:, 0]
    if smoothing:
        losses -= spread * log_probs.sum(1)
    losses *= factors
    pull = factors  # what a token's logits lose in shares of their probability
    if punished is not None:
        tokens, ids, weight = punished
        unwanted = log_probs[tokens, ids]
        certain = unwanted > _LARGEST_LOG_PROB
        unwanted = unwanted.clamp(max=_LARGEST_LOG_PROB)
        rest = -torch.expm1(unwanted)  # 1 - p, exact for small p
        losses.index_add_(0, tokens, -weight * torch.log(rest))
        odds = (weight * unwanted.exp() / rest).masked_fill(certain, 0.0)
        pull = factors.index_add(0, tokens, -odds)
    if not learns:
        return losses, None
    gradient = log_probs.exp_().mul_(pull[:, None])
    if smoothing:
        gradient -= (spread * factors)[:, None]
    gradient.scatter_add_(1, labels[:, None], (smoothing - 1) * factors[:, None])
    if punished is not None:
        gradient[tokens, ids] += odds
    return losses, gradient


class _LinearCrossEntropy(torch.autograd.Function):
    """Keeps three gradients instead of the logits."""

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, *how: Any
    ) -> Tensor:
        """Sum the losses, and make the gradients where they will be asked for."""
        wide = torch.promote_types(weight.dtype, torch.float32)
        to_states = torch.empty_like(states)
        to_weight: Tensor | None = None
        to_bias: Tensor | None = None

        def learn(part: slice, gradient: Tensor) -> None:
            nonlocal to_weight, to_bias
            gradient = gradient.to(states.dtype)
            to_states[part] = gradient @ weight
            share = gradient.t() @ states[part], gradient.sum(0, dtype=wide)
            # Added up in float32; the first share is kept as it is, for it is often the only one.
            to_weight = share[0] if to_weight is None else to_weight.to(wide) + share[0]
            to_bias = share[1] if to_bias is None else to_bias + share[1]

        def predict(some: Tensor) -> Tensor:
            return torch.addmm(bias, some, weight.t())

        learns = any(ctx.needs_input_grad[:3])
        losses = token_losses(
            states, predict, labels, *how, learn if learns else None, weight.shape[0]
        )
        if learns:
            if to_weight is None or to_bias is None:  # there is no token
                to_weight, to_bias = torch.zeros_like(weight), torch.zeros_like(bias)
            ctx.save_for_backward(to_states, to_weight.to(weight.dtype), to_bias.to(bias.dtype))
        return losses.sum()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Scale what was kept."""
        scaled = [made * gradient.to(made.dtype) for made in ctx.saved_tensors]
        return (*scaled, *[None] * 5)
