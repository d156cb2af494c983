# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How likely a model finds a given reply: its cross-entropy in nats, exactly."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

# Logits of so many numbers are made at a time: 8 million are 32 MB in float32.
LOGITS_AT_ONCE = 8_000_000


def nats_and_tokens(
    states: torch.Tensor, predict: Callable[[torch.Tensor], torch.Tensor], labels: torch.Tensor
) -> torch.Tensor:
    """Sums up each reply of a batch; the network calls it as its `reply_loss`.

    Logits are made only where there is a token, and some at a time: all of them together would be
    the largest tensor of an evaluation.

    Args:
        states: of the decoder, `(batch, target_len, d_model)`.
        predict: the network's way from states to logits.
        labels: `(batch, target_len)`, -100 where a reply has ended.

    Returns:
        `(batch, 2)` in float32: the cross-entropy of a reply in nats, and its tokens.
    """
    real = labels != -100
    step = max(1, LOGITS_AT_ONCE // predict(states[:1, :1]).shape[-1])
    parts = zip(states[real].split(step), labels[real].split(step), strict=True)
    nats = [
        functional.cross_entropy(predict(part).float(), wanted, reduction="none")
        for part, wanted in parts
    ]
    by_place = torch.zeros(labels.shape, device=labels.device)  # (batch, target_len)
    by_place[real] = torch.cat(nats)
    return torch.stack([by_place.sum(1), real.sum(1).float()], dim=1)
