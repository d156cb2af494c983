# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What training minimises: cross-entropy, smoothed, weighted by frequency, against repetition.

Losses are sums over real reply tokens, the replies of a batch one behind the other: labels
`(tokens,)` and `replies` `(tokens,)`, the number of the reply of each token in rising order. The
sums of the pieces of a batch are the sum of the batch as long as no reply is cut.

The logits are never kept (`fast/cross_entropy.py`). `fast_loss_agrees` tells whether this way to
the loss still learns the network that is read.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..examples.rows import Pair
from ..fast.cross_entropy import linear_cross_entropy
from .data_collator import TrainingCollator

# So many ignored places are cheaper to compute than new shapes.
_FEW_IGNORED = 1.1
# In float64 the two ways were seen 1e-11 apart at most, and 1e-7 once gradients are rounded.
TOLERANCE = 1e-6

Gradients = dict[str, Tensor]


@dataclass(frozen=True)
class LossOptions:
    """Which losses are added up, and with what weight.

    Attributes:
        label_smoothing: Share of the target that is spread over the whole vocabulary.
        unlikelihood_weight: Factor of the penalty on words the reply has already; 0 is none.
        frequency_weights: Weight of each token of the vocabulary, `(vocab,)`; None is 1 for all.
        never_candidates: Ids that are not punished for coming twice, such as special tokens.
    """

    label_smoothing: float = 0.0
    unlikelihood_weight: float = 0.0
    frequency_weights: Tensor | None = None
    never_candidates: tuple[int, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is cross-entropy with nothing but label smoothing."""
        return self.unlikelihood_weight == 0 and self.frequency_weights is None

    def to(self, device: torch.device) -> LossOptions:
        """Return the same options with the weights on a device."""
        if self.frequency_weights is None:
            return self
        return replace(self, frequency_weights=self.frequency_weights.to(device))

    def total(
        self, states: Tensor, output_layer: nn.Linear, labels: Tensor, replies: Tensor
    ) -> Tensor:
        """Add up the losses of all tokens.

        The weight of a token is on its whole cross-entropy, smoothing included. torch's own
        `cross_entropy` would weigh each class of the smoothed target by itself, and so raise rare
        words everywhere (Jiang et al., 2019).

        Unlikelihood is the token-level loss of Welleck et al., 2020 ("Neural Text Generation with
        Unlikelihood Training"), used on dialogue by Li et al., 2020 ("Don't Say That!"): at each
        position -log(1 - p(c)) for every different token c earlier in the same reply, but not for
        the label.

        Args:
            states: Of the decoder, `(tokens, d_model)`.
            output_layer: From d_model to the vocabulary; its product and the loss are made in one.
            labels: `(tokens,)`; -100 is left out, and only plain losses may have it.
            replies: `(tokens,)`, the reply of each token, in rising order.

        Returns:
            The sum in nats, a float32 scalar (float64 for float64 states).
        """
        weights = candidates = None
        if self.frequency_weights is not None:
            weights = self.frequency_weights[labels]
        if self.unlikelihood_weight:
            candidates = repeated_candidates(labels, replies, self.never_candidates)
        return linear_cross_entropy(
            states, output_layer, labels, self.label_smoothing, weights, candidates,
            self.unlikelihood_weight,
        )  # fmt: skip


@dataclass(frozen=True)
class TrainingLoss:
    """The loss of one batch, on real reply tokens alone; the network calls it as `reply_loss`.

    Attributes:
        options: Which losses.
        output_layer: From d_model to the vocabulary.
        places: Of the real tokens among all decoder positions, `(tokens,)`.
        replies: The reply that each real token belongs to, `(tokens,)`.
        learns: False for a batch of nothing but ignored tokens; its loss is zero.
    """

    options: LossOptions
    output_layer: nn.Linear
    places: Tensor
    replies: Tensor
    learns: bool = True

    # torch.compile would make a new graph for each number of real tokens.
    @torch.compiler.disable
    def __call__(
        self, states: Tensor, predict: Callable[[Tensor], Tensor], labels: Tensor
    ) -> Tensor:
        """Sum up the batch, in nats.

        Args:
            states: `(batch, target, d_model)`.
            predict: The network's way from states to logits, which `output_layer` stands for.
            labels: `(batch, target)`.
        """
        states, labels, options = states.flatten(0, 1), labels.flatten(), self.options
        few = len(labels) <= _FEW_IGNORED * len(self.places)
        if not self.learns:
            # Through here too, or other processes would wait for its gradients for ever.
            options = LossOptions()
        elif not (options.is_plain and few):
            states, labels = states[self.places], labels[self.places]
        return options.total(states, self.output_layer, labels, self.replies)


def frequency_weights(counts: np.ndarray, strength: float, neutral: Sequence[int] = ()) -> Tensor:
    """Give each token a weight that falls with its frequency: count^-strength, mean 1.

    The idea is FACE's (Jiang et al., 2019, "Improving Neural Response Diversity with
    Frequency-Aware Cross-Entropy Loss"). Its weights fall in a straight line to 0 at the most
    frequent token, which in a corpus of replies is their end, and are near 1 for all but the few
    most frequent; a power is never 0 and tells rare from middling too.

    Args:
        counts: how often each token is a label in the training data, `(vocab,)`; what never is
            counts as once.
        strength: 0 is no weighting, 0.5 the inverse root, 1 makes all tokens weigh the same in
            sum.
        neutral: ids that keep weight 1. The end of a reply belongs here: weighed less it comes
            too late.

    Returns:
        `(vocab,)` in float32. The mean over the labels of the training data is 1, so the loss
        and the learning rate keep their scale.
    """
    counts = np.asarray(counts, dtype=np.float64)
    weights = np.maximum(counts, 1.0) ** -strength
    weighed = np.ones(len(counts), dtype=bool)
    weighed[list(neutral)] = False
    mass = (counts * weights)[weighed].sum()
    weights *= counts[weighed].sum() / mass if mass else 1.0
    weights[~weighed] = 1.0
    return torch.tensor(weights, dtype=torch.float32)


def repeated_candidates(
    labels: Tensor, replies: Tensor, never_candidates: Sequence[int] = ()
) -> tuple[Tensor, Tensor]:
    """List, for each position, the different tokens earlier in the same reply.

    Half the square of a reply's length at most; a mask `(tokens, vocab)` would be the size of the
    logits. On a GPU the length of the list is asked for, which waits for the device once.

    Returns:
        Positions `(candidates,)` and token ids `(candidates,)`; no pair comes twice and none is a
        position with its own label.
    """
    # (tokens,): the position behind the last one of the same reply
    ends = torch.searchsorted(replies.contiguous(), replies.contiguous(), right=True)
    # The same token of the same reply has one key; a stable sort leaves its first use in front.
    keys, order = torch.sort((replies.long() << 32) + labels, stable=True)
    is_first = torch.ones_like(keys, dtype=torch.bool)
    is_first[1:] = keys[1:] != keys[:-1]
    for token in never_candidates:
        is_first &= labels[order] != token
    later = torch.where(is_first, ends[order] - order - 1, 0)
    firsts = order.repeat_interleave(later)
    # Counts 1, 2, 3, ... within the stretch of each first use.
    starts = (later.cumsum(0) - later).repeat_interleave(later)
    positions = firsts + 1 + torch.arange(len(firsts), device=labels.device) - starts
    ids = labels[firsts]
    wrong = ids != labels[positions]
    return positions[wrong], ids[wrong]


def fast_loss_agrees(
    model: PreTrainedModel, examples: Sequence[Pair], packed: bool, label_smoothing: float
) -> bool:
    """Compare loss and gradients of the two ways on a few examples; in doubt they differ.

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
    """Go through what is read: padding, eager attention, `next_token_loss`."""
    batch = TrainingCollator(model.config, packed=False)(examples)
    for name in ("counts", "replies", "places"):
        batch.pop(name)
    batch = {name: value.to(model.device) for name, value in batch.items()}
    model.set_attn_implementation("eager")
    return _with_gradients(model, model(**batch, smoothing=label_smoothing).loss)


def _fast(
    model: PreTrainedModel, examples: Sequence[Pair], packed: bool, label_smoothing: float
) -> tuple[float, Gradients]:
    """Go the way of training."""
    batch = TrainingCollator(model.config, packed)(examples)
    counts = batch.pop("counts")
    batch = {name: value.to(model.device) for name, value in batch.items()}
    model.set_attn_implementation("packed" if packed else "eager")
    options = LossOptions(label_smoothing=label_smoothing)
    reply_loss = TrainingLoss(options, model.lm_head, batch.pop("places"), batch.pop("replies"))
    return _with_gradients(model, model(**batch, reply_loss=reply_loss).loss / counts.target_tokens)


def _with_gradients(model: nn.Module, loss: Tensor) -> tuple[float, Gradients]:
    """Return the loss and what every weight would learn from it, rounded and out of the way."""
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    gradients = {
        name: torch.zeros(()) if gradient is None else gradient.to("cpu", torch.float32)
        for name, gradient in zip(weights, found, strict=True)
    }
    return loss.item(), gradients


def _are_close(loss: float, gradients: Gradients, other_loss: float, others: Gradients) -> bool:
    """Compare two ways; a gradient that is zero but for rounding counts as zero."""
    if not abs(loss - other_loss) <= TOLERANCE * abs(loss):
        return False
    largest = {name: float(gradient.abs().max()) for name, gradient in gradients.items()}
    zero = TOLERANCE * max(largest.values(), default=0.0)
    return all(
        float((gradient - others[name]).abs().max()) <= TOLERANCE * (largest[name] + zero)
        for name, gradient in gradients.items()
    )
