# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The loss of one training batch, from the decoder's states and on real reply tokens alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from .fused_loss import linear_cross_entropy
from .losses import LossOptions


@dataclass(frozen=True)
class ReplyLoss:
    """Sums the losses of a batch; `TFChatForConditionalGeneration` calls it as `reply_loss`.

    Attributes:
        options: which losses.
        kept: places of the real tokens among all decoder positions; None if all are real.
        rows: the reply that each real token belongs to, `(tokens,)`.
        learns: False for a batch of nothing but ignored tokens; its loss is zero.
    """

    options: LossOptions
    kept: torch.Tensor | None
    rows: torch.Tensor
    learns: bool = True

    def __call__(
        self, states: torch.Tensor, output_layer: nn.Linear, labels: torch.Tensor
    ) -> torch.Tensor:
        """Gives the sum in nats.

        Args:
            states: `(batch, target, d_model)`.
            output_layer: from d_model to the vocabulary.
            labels: `(batch, target)`.
        """
        states, labels = states.flatten(0, 1), labels.flatten()
        if self.kept is not None and self.learns:
            states, labels = states.index_select(0, self.kept), labels.index_select(0, self.kept)
        if not self.learns:
            # All weights take part, or other processes would wait for their gradients for ever.
            return linear_cross_entropy(states, output_layer, labels.clamp(min=0), 0.0) * 0.0
        if self.options.is_plain:
            smoothing = self.options.label_smoothing
            return linear_cross_entropy(states, output_layer, labels, smoothing)
        return self.options.loss(output_layer(states), labels, self.rows)
