# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The loss of one training batch, from the decoder's states and on real reply tokens alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from .fused_loss import linear_cross_entropy
from .losses import LossOptions

FEW_IGNORED = 1.1
Predict = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class ReplyLoss:
    """Sums the losses of a batch; `TFChatForConditionalGeneration` calls it as `reply_loss`.

    Attributes:
        options: which losses.
        output_layer: from d_model to the vocabulary; its product and the loss are made in one.
        kept: places of the real tokens among all decoder positions, `(tokens,)`.
        rows: the reply that each real token belongs to, `(tokens,)`.
        learns: False for a batch of nothing but ignored tokens; its loss is zero.
    """

    options: LossOptions
    output_layer: nn.Linear
    kept: torch.Tensor
    rows: torch.Tensor
    learns: bool = True

    # torch.compile would make a new graph for each number of real tokens.
    @torch.compiler.disable
    def __call__(
        self, states: torch.Tensor, predict: Predict, labels: torch.Tensor
    ) -> torch.Tensor:
        """Gives the sum in nats.

        Args:
            states: `(batch, target, d_model)`.
            predict: the network's way from states to logits.
            labels: `(batch, target)`.
        """
        states, labels = states.flatten(0, 1), labels.flatten()
        # Few ignored places are cheaper to compute than new shapes; a batch that teaches nothing
        # goes through here too, or other processes would wait for its gradients for ever.
        few = len(labels) <= FEW_IGNORED * len(self.kept)
        if not self.learns or (self.options.is_plain and few):
            smoothing = self.options.label_smoothing
            return linear_cross_entropy(states, self.output_layer, labels, smoothing)
        states, labels = states.index_select(0, self.kept), labels.index_select(0, self.kept)
        if self.options.is_plain:
            smoothing = self.options.label_smoothing
            return linear_cross_entropy(states, self.output_layer, labels, smoothing)
        return self.options.loss(predict(states), labels, self.rows)
