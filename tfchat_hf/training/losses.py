# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What training minimises: cross-entropy, smoothed, weighted by frequency, against repetition.

Every function takes real positions only, the replies of a batch one behind the other: logits
`(tokens, vocab)`, labels `(tokens,)` and, where replies must be told apart, rows `(tokens,)`, the
number of the reply of each token in rising order. Every function returns a sum over the tokens,
so the sums of the pieces of a batch are the sum of the batch as long as no reply is cut.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

# Rows of logits are taken in slices of about so many numbers: on a CPU they then stay in the
# cache (twice as fast as all at once), and on a GPU the float32 copies of bf16 stay small.
_CPU_SLICE, _GPU_SLICE = 2**18, 2**26
# As in the code of Welleck et al.: beyond it float32 cannot tell 1 - p from rounding.
_LARGEST_LOG_PROB = -1e-5


@dataclass(frozen=True)
class LossOptions:
    """Which losses are added up, and with what weight.

    Attributes:
        label_smoothing: share of the target that is spread over the whole vocabulary.
        unlikelihood_weight: factor of the penalty on words the reply has already; 0 is none.
        frequency_weights: weight of each token of the vocabulary, `(vocab,)`; None is 1 for all.
        never_candidates: ids that are not punished for coming twice, such as special tokens.
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
        """Gives the same options with the weights on a device."""
        if self.frequency_weights is None:
            return self
        return replace(self, frequency_weights=self.frequency_weights.to(device))

    def loss(self, logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        """Adds up the losses of all tokens.

        Args:
            logits: `(tokens, vocab)`, of any floating type.
            labels: `(tokens,)`, no position to be left out among them.
            rows: `(tokens,)`, the reply of each token, in rising order.

        Returns:
            The sum, a float32 scalar (float64 for float64 logits).
        """
        if not self.unlikelihood_weight:
            return self._cross_entropy(*_log_probs(logits, labels, self.label_smoothing), labels)
        tokens, ids = repeated_candidates(labels, rows, self.never_candidates)
        # One pass over the logits for both: the candidates stand behind the labels.
        every = torch.arange(len(labels), device=labels.device)
        picked, means = _PickedLogProbs.apply(
            logits, torch.cat([every, tokens]), torch.cat([labels, ids]), self.label_smoothing > 0
        )
        gold, repeats = picked.split([len(labels), len(ids)])
        penalty = _penalty(repeats).sum()
        return self._cross_entropy(gold, means, labels) + self.unlikelihood_weight * penalty

    def _cross_entropy(self, gold: Tensor, means: Tensor, labels: Tensor) -> Tensor:
        """Sums the cross-entropy, from log-probabilities of the labels and their row means."""
        losses = _smoothed(gold, means, self.label_smoothing)
        if self.frequency_weights is not None:
            losses = losses * self.frequency_weights.to(losses)[labels]
        return losses.sum()


def label_smoothed_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Sums the cross-entropy against targets that are a little unsure (Szegedy et al., 2016).

    The label keeps `1 - smoothing`; the rest is spread evenly over the vocabulary, label included,
    as in transformers' `LabelSmoother` and torch's `cross_entropy`.

    Args:
        logits: `(tokens, vocab)`.
        labels: `(tokens,)`.
        smoothing: from 0 (plain cross-entropy) to below 1.

    Returns:
        The sum over the tokens, in nats.
    """
    return _smoothed(*_log_probs(logits, labels, smoothing), smoothing).sum()


def frequency_weighted_cross_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float = 0.0
) -> Tensor:
    """Sums the cross-entropy of each token times the weight of its label (Jiang et al., 2019).

    The weight is on the whole term of a token, its smoothing included. torch's `cross_entropy`
    would weigh each class of the smoothed target by itself, and so raise rare words everywhere.

    Args:
        logits: `(tokens, vocab)`.
        labels: `(tokens,)`.
        weights: `(vocab,)`, from `frequency_weights`.
        smoothing: as in `label_smoothed_cross_entropy`.
    """
    losses = _smoothed(*_log_probs(logits, labels, smoothing), smoothing)
    return (losses * weights.to(losses)[labels]).sum()


def label_counts(targets: Iterable[np.ndarray], vocab_size: int) -> np.ndarray:
    """Counts how often each token is a label.

    Args:
        targets: the labels of the examples, each `(target_len,)`.
        vocab_size: number of tokens that there are.

    Returns:
        `(vocab,)` in int64.
    """
    counts = np.zeros(vocab_size, dtype=np.int64)
    remaining = iter(targets)
    # A count over one short reply costs as much as one over a thousand.
    while some := list(itertools.islice(remaining, 1000)):
        counts += np.bincount(np.concatenate(some), minlength=vocab_size)
    return counts


def frequency_weights(counts: np.ndarray, strength: float, neutral: Sequence[int] = ()) -> Tensor:
    """Gives each token a weight that falls with its frequency: count^-strength, mean 1.

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


def unlikelihood(
    logits: Tensor, labels: Tensor, rows: Tensor, never_candidates: Sequence[int] = ()
) -> Tensor:
    """Sums the penalty on saying again what the reply has said already.

    The token-level loss of Welleck et al., 2020 ("Neural Text Generation with Unlikelihood
    Training"), used on dialogue by Li et al., 2020 ("Don't Say That!"): at each position
    -log(1 - p(c)) for every different token c earlier in the same reply, but not for the label.

    Args:
        logits: `(tokens, vocab)`.
        labels: `(tokens,)`.
        rows: `(tokens,)`, the reply of each token, in rising order.
        never_candidates: ids that are never punished.

    Returns:
        The sum over tokens and candidates, in nats.
    """
    tokens, ids = repeated_candidates(labels, rows, never_candidates)
    return _penalty(_PickedLogProbs.apply(logits, tokens, ids, False)[0]).sum()


def repeated_candidates(
    labels: Tensor, rows: Tensor, never_candidates: Sequence[int] = ()
) -> tuple[Tensor, Tensor]:
    """Lists, for each position, the different tokens earlier in the same reply.

    Half the square of a reply's length at most; a mask `(tokens, vocab)` would be the size of the
    logits. On a GPU the length of the list is asked for, which waits for the device once.

    Returns:
        Positions `(candidates,)` and token ids `(candidates,)`; no pair comes twice and none is a
        position with its own label.
    """
    # (tokens,): the position behind the last one of the same reply
    ends = torch.searchsorted(rows.contiguous(), rows.contiguous(), right=True)
    # The same token of the same reply has one key; a stable sort leaves its first use in front.
    keys, order = torch.sort((rows.long() << 32) + labels, stable=True)
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


def _log_probs(logits: Tensor, labels: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Gives the log-probabilities of the labels and, if smoothing wants them, the row means."""
    every = torch.arange(len(labels), device=labels.device)
    return _PickedLogProbs.apply(logits, every, labels, smoothing > 0)


def _smoothed(gold: Tensor, means: Tensor, smoothing: float) -> Tensor:
    """Mixes the loss of the labels with that of the whole vocabulary, `(tokens,)`."""
    return -((1 - smoothing) * gold + smoothing * means) if smoothing else -gold


def _penalty(log_probs: Tensor) -> Tensor:
    """Gives -log(1 - p) from log p, exact for small p and finite for p = 1."""
    return -torch.log(-torch.expm1(log_probs.clamp(max=_LARGEST_LOG_PROB)))


class _PickedLogProbs(Function):
    """Log-probabilities at a few positions of the logits, with a gradient made in one buffer.

    log_softmax followed by gather keeps the log-probabilities of all tokens for the way back and
    makes a buffer of that size for each of its steps. This keeps the logits, which are there
    anyway, and computes their softmax again.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, logits: Tensor, tokens: Tensor, ids: Tensor, with_means: bool
    ) -> tuple[Tensor, Tensor]:
        """Picks.

        Args:
            ctx: carries what the way back needs.
            logits: `(tokens, vocab)`.
            tokens: `(picked,)`, which row of the logits.
            ids: `(picked,)`, which column; no pair of both comes twice.
            with_means: whether the mean over the vocabulary is wanted.

        Returns:
            The log-probabilities picked `(picked,)`, and their means over the vocabulary
            `(tokens,)`, or zeros if not wanted. Both in float32, or float64 for float64.
        """
        dtype = torch.promote_types(logits.dtype, torch.float32)
        norms = torch.empty(len(logits), dtype=dtype, device=logits.device)
        means = torch.zeros_like(norms)
        for part in _slices(logits):
            some = logits[part].to(dtype)
            # 1.6 times as fast as logsumexp on a CPU.
            norms[part] = some.amax(-1) - torch.log_softmax(some, dim=-1).amax(-1)
            if with_means:
                means[part] = some.mean(dim=-1)
        picked = logits[tokens, ids].to(dtype) - norms[tokens]
        ctx.save_for_backward(logits, tokens, ids, picked)
        return picked, means - norms if with_means else means

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, for_picked: Tensor, for_means: Tensor) -> tuple[Tensor | None, ...]:
        """Spreads the gradient of the picked numbers over the logits `(tokens, vocab)`."""
        logits, tokens, ids, picked = ctx.saved_tensors
        shares = for_means / logits.shape[1]
        # Each log-probability takes its gradient off every logit of its row, in shares of p.
        totals = for_means.index_add(0, tokens, for_picked)
        grads = torch.empty_like(logits)
        for part in _slices(logits):
            some = torch.softmax(logits[part].to(picked.dtype), dim=-1)
            grads[part] = some.mul_(-totals[part, None]).add_(shares[part, None])
        # No pair comes twice, so what stands there is written anew in float32, rounded once.
        values = for_picked + shares[tokens] - picked.exp() * totals[tokens]
        grads[tokens, ids] = values.to(grads.dtype)
        return grads, None, None, None


def _slices(logits: Tensor) -> Iterator[slice]:
    """Cuts the rows of the logits into pieces of a good size for their device."""
    size = _CPU_SLICE if logits.device.type == "cpu" else _GPU_SLICE
    step = max(1, size // logits.shape[1])
    for start in range(0, len(logits), step):
        yield slice(start, start + step)
