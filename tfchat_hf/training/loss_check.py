# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Does training's fast way to the loss still learn the network that is read?

Attention over packed rows and the loss without logits are written for speed, beside the network's
own. Whoever changes those would else train another network than the one that answers.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from .batches.collating import BatchMaker, Pair
from .losses import LossOptions
from .reply_loss import ReplyLoss

Gradients = dict[str, torch.Tensor]

# In float64 the two were seen 1e-11 apart at most, and 1e-7 once gradients are rounded to be kept.
TOLERANCE = 1e-6


def fast_loss_agrees(
    model: PreTrainedModel, examples: Sequence[Pair], packed: bool, label_smoothing: float
) -> bool:
    """Compares loss and gradients of the two ways on a few examples; in doubt they differ.

    A copy in float64 is asked, in evaluation mode: no random number is drawn, and nothing of the
    model changes. Gradients are compared because an untrained network hardly attends to anything:
    there another formula moves the loss by less than float32 can tell.

    Args:
        model: a `TFChatForConditionalGeneration` that nothing is wrapped around yet.
        examples: question and reply ids.
        packed: whether the fast way packs its batches.
        label_smoothing: of the loss.
    """
    try:
        twin = copy.deepcopy(model).eval()
        # Apple's GPUs have no float64.
        twin.to("cpu" if model.device.type == "mps" else model.device, torch.float64)
        expected = _readable(twin, examples, label_smoothing)
        found = _fast(twin, examples, packed, label_smoothing)
    # A changed network may not run so at all: with another output layer, or in float32 alone.
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return False
    return _are_close(*expected, *found)


def _readable(
    model: PreTrainedModel, examples: Sequence[Pair], label_smoothing: float
) -> tuple[float, Gradients]:
    """Goes through what is read: padding, eager attention, `next_token_loss`."""
    batch = BatchMaker(model.config, packed=False)(examples)
    for name in ("facts", "rows", "kept"):
        batch.pop(name)
    batch = {name: value.to(model.device) for name, value in batch.items()}
    model.set_attn_implementation("eager")
    return _with_gradients(model, model(**batch, smoothing=label_smoothing).loss)


def _fast(
    model: PreTrainedModel, examples: Sequence[Pair], packed: bool, label_smoothing: float
) -> tuple[float, Gradients]:
    """Goes the way of training."""
    batch = BatchMaker(model.config, packed)(examples)
    facts = batch.pop("facts")
    batch = {name: value.to(model.device) for name, value in batch.items()}
    model.set_attn_implementation("packed" if packed else "eager")
    options = LossOptions(label_smoothing=label_smoothing)
    reply_loss = ReplyLoss(options, model.lm_head, batch.pop("kept"), batch.pop("rows"))
    return _with_gradients(model, model(**batch, reply_loss=reply_loss).loss / facts.target_tokens)


def _with_gradients(model: nn.Module, loss: torch.Tensor) -> tuple[float, Gradients]:
    """Gives the loss and what every weight would learn from it, rounded and out of the way."""
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    gradients = {
        name: torch.zeros(()) if gradient is None else gradient.to("cpu", torch.float32)
        for name, gradient in zip(weights, found, strict=True)
    }
    return loss.item(), gradients


def _are_close(loss: float, gradients: Gradients, other_loss: float, others: Gradients) -> bool:
    """Compares two ways; a gradient that is zero but for rounding counts as zero."""
    if not abs(loss - other_loss) <= TOLERANCE * abs(loss):
        return False
    largest = {name: float(gradient.abs().max()) for name, gradient in gradients.items()}
    zero = TOLERANCE * max(largest.values(), default=0.0)
    return all(
        float((gradient - others[name]).abs().max()) <= TOLERANCE * (largest[name] + zero)
        for name, gradient in gradients.items()
    )
