# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The losses are what their papers say, whole or in pieces, and so are their gradients."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers.trainer_pt_utils import LabelSmoother

from tfchat_hf.fast import cross_entropy as chunks
from tfchat_hf.training.losses import (
    LossOptions,
    frequency_weights,
    repeated_candidates,
)

VOCAB = 11
LENGTHS = (5, 1, 9, 2, 7)
NEVER = (0, 1)
# Token 2 has probability 1/2, tokens 0 and 1 a quarter each.
HALF_AND_QUARTERS = torch.tensor([[0.0, 0.0, math.log(2)]])


def replies(dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits, labels with many repetitions, and rows."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.tensor([row for row, length in enumerate(LENGTHS) for _ in range(length)])
    labels = torch.randint(0, VOCAB // 2, (len(rows),), generator=generator)
    logits = 2 * torch.randn(len(rows), VOCAB, dtype=torch.float64, generator=generator)
    return logits.to(dtype), labels, rows


def weights() -> Tensor:
    return frequency_weights(np.arange(VOCAB) ** 2, 0.5, neutral=[3])


def all_options() -> LossOptions:
    return LossOptions(0.1, 0.7, weights(), NEVER)


def loss_of(options: LossOptions, logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
    """Add up the losses with logits for states: the output layer changes nothing."""
    layer = nn.Linear(logits.shape[1], logits.shape[1]).requires_grad_(False)
    layer.weight.copy_(torch.eye(logits.shape[1]))
    layer.bias.zero_()
    return options.total(logits, layer.to(logits.dtype), labels, rows)


def smoothed(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    return loss_of(LossOptions(smoothing), logits, labels, torch.arange(len(labels)))


def unlikelihood(logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
    with_it = loss_of(LossOptions(unlikelihood_weight=1.0), logits, labels, rows)
    return with_it - loss_of(LossOptions(), logits, labels, rows)


EVERY_LOSS: dict[str, LossOptions] = {
    "plain": LossOptions(),
    "smoothed": LossOptions(0.1),
    "weighted": LossOptions(0.1, frequency_weights=weights()),
    "unlikelihood": LossOptions(unlikelihood_weight=0.7),
    "all": all_options(),
}


def slow_loss(logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
    """Add up everything that `all_options` holds, one token and one candidate at a time."""
    total = torch.zeros((), dtype=logits.dtype)
    weight = weights().to(logits.dtype)
    for t, label in enumerate(labels.tolist()):
        log_probs = torch.log_softmax(logits[t], dim=-1)
        total = total - weight[label] * (0.9 * log_probs[label] + 0.1 * log_probs.mean())
        earlier = {labels[i].item() for i in range(t) if rows[i] == rows[t]}
        for candidate in earlier - {label, *NEVER}:
            total = total - 0.7 * torch.log(1 - log_probs[candidate].exp())
    return total


def gradient(loss: Callable[..., Tensor], logits: Tensor, *rest: Tensor) -> Tensor:
    logits = logits.clone().requires_grad_()
    loss(logits, *rest).backward()
    return logits.grad


def test_smoothing_by_hand() -> None:
    label = torch.tensor([2])
    assert smoothed(HALF_AND_QUARTERS, label, 0.0) == pytest.approx(math.log(2))
    # 0.7 of it is -log 1/2; 0.3 is the mean over the vocabulary, (2 log 4 + log 2) / 3.
    expected = 0.7 * math.log(2) + 0.3 * (5 / 3) * math.log(2)
    assert smoothed(HALF_AND_QUARTERS, label, 0.3) == pytest.approx(expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_smoothing_is_that_of_transformers_and_of_torch(smoothing: float) -> None:
    logits, labels, _ = replies(torch.float32)
    ours = smoothed(logits, labels, smoothing)
    theirs = LabelSmoother(epsilon=smoothing)((logits[None],), labels[None]) * len(labels)
    torchs = cross_entropy(logits, labels, label_smoothing=smoothing) * len(labels)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(ours, torchs)


def test_unlikelihood_by_hand() -> None:
    logits = HALF_AND_QUARTERS.expand(3, 3)
    # 0 may come again at places 2 and 3; at place 3 the label 2 is not held against itself.
    found = unlikelihood(logits, torch.tensor([0, 2, 2]), torch.zeros(3, dtype=torch.long))
    assert found == pytest.approx(2 * -math.log(3 / 4))


def test_candidates_are_the_different_earlier_tokens_of_the_same_reply_but_the_label() -> None:
    labels = torch.tensor([4, 5, 4, 6, 6, 4, 4])
    rows = torch.tensor([0, 0, 0, 0, 1, 1, 1])
    positions, ids = repeated_candidates(labels, rows)
    found = sorted(zip(positions.tolist(), ids.tolist(), strict=True))
    assert found == [(1, 4), (2, 5), (3, 4), (3, 5), (5, 6), (6, 6)]


def test_what_is_never_a_candidate_is_left_out() -> None:
    labels, rows = torch.tensor([4, 5, 4, 6]), torch.zeros(4, dtype=torch.long)
    positions, ids = repeated_candidates(labels, rows, never_candidates=(4, 9))
    assert sorted(zip(positions.tolist(), ids.tolist(), strict=True)) == [(2, 5), (3, 5)]


def test_replies_of_one_token_have_nothing_to_repeat() -> None:
    count = 3
    logits = torch.zeros(count, VOCAB, requires_grad=True)
    labels = torch.full((count,), 7)
    loss = loss_of(LossOptions(unlikelihood_weight=1.0), logits, labels, torch.arange(count))
    loss.backward()
    assert loss.item() == pytest.approx(count * math.log(VOCAB))


def test_a_repetition_that_is_certain_costs_a_finite_sum() -> None:
    logits = torch.tensor([[0.0, 0.0], [200.0, 0.0]])
    grad = gradient(unlikelihood, logits, torch.tensor([0, 1]), torch.tensor([0, 0]))
    assert unlikelihood(logits, torch.tensor([0, 1]), torch.tensor([0, 0])) < 12
    assert grad.isfinite().all()


def test_weights_fall_with_the_frequency_and_have_mean_1_over_the_training_tokens() -> None:
    found = frequency_weights(np.array([100, 25, 4, 0]), 0.5)
    # 1/10, 1/5, 1/2 and 1 times 129 tokens / (100/10 + 25/5 + 4/2)
    torch.testing.assert_close(found, torch.tensor([0.1, 0.2, 0.5, 1.0]) * 129 / 17)
    counts = torch.tensor([100.0, 25, 4, 0])
    assert (found * counts).sum() / counts.sum() == pytest.approx(1)


def test_a_neutral_token_keeps_weight_1_and_so_does_the_mean_of_the_others() -> None:
    counts = np.array([100, 25, 4, 1000])
    found = frequency_weights(counts, 0.5, neutral=[3])
    assert found[3] == 1
    torch.testing.assert_close(found[:3], frequency_weights(counts[:3], 0.5))


@pytest.mark.parametrize("counts", [[7, 7, 7], [0, 0, 5], [0, 0, 0]])
@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_weights_of_even_or_empty_counts_are_finite(counts: list[int], strength: float) -> None:
    found = frequency_weights(np.array(counts), strength)
    assert found.isfinite().all() and (found > 0).all()
    if strength == 0 or len(set(counts)) == 1:
        torch.testing.assert_close(found, torch.ones(3))


def test_a_weight_is_on_the_whole_loss_of_its_label() -> None:
    logits, labels, rows = replies()
    one_by_one = [
        weights()[label] * smoothed(logits[t : t + 1], labels[t : t + 1], 0.1)
        for t, label in enumerate(labels)
    ]
    found = loss_of(LossOptions(0.1, frequency_weights=weights()), logits, labels, rows)
    torch.testing.assert_close(found, sum(one_by_one))


def test_all_options_together_are_the_sum_made_slowly() -> None:
    logits, labels, rows = replies()
    loss = functools.partial(loss_of, all_options())
    torch.testing.assert_close(loss(logits, labels, rows), slow_loss(logits, labels, rows))
    torch.testing.assert_close(
        gradient(loss, logits, labels, rows), gradient(slow_loss, logits, labels, rows)
    )


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_gradients_are_the_differences_of_the_loss(name: str) -> None:
    logits, labels, rows = replies()
    logits.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda given: loss_of(EVERY_LOSS[name], given, labels, rows), (logits,)
    )


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_a_batch_cut_between_replies_sums_up_to_the_same(name: str) -> None:
    loss = functools.partial(loss_of, EVERY_LOSS[name])
    logits, labels, rows = replies()
    parts = [rows == row for row in range(len(LENGTHS))]
    sums = sum(loss(logits[part], labels[part], rows[part]) for part in parts)
    torch.testing.assert_close(sums, loss(logits, labels, rows))
    grads = [gradient(loss, logits[part], labels[part], rows[part]) for part in parts]
    torch.testing.assert_close(torch.cat(grads), gradient(loss, logits, labels, rows))


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_slices_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, loss = replies(), functools.partial(loss_of, EVERY_LOSS[name])
    whole = loss(*given), gradient(loss, *given)
    monkeypatch.setattr(chunks, "LOGITS_AT_ONCE", 5 * VOCAB)
    torch.testing.assert_close((loss(*given), gradient(loss, *given)), whole)


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_bf16_logits_are_computed_in_float32_and_rounded_once(name: str) -> None:
    logits, labels, rows = replies(torch.bfloat16)
    loss = functools.partial(loss_of, EVERY_LOSS[name])
    found, exact = loss(logits, labels, rows), loss(logits.double(), labels, rows)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=0)
    grad = gradient(loss, logits, labels, rows)
    assert grad.dtype == torch.bfloat16
    # Half a unit in the last of bf16's 8 binary digits, which two roundings would exceed.
    exact = gradient(loss, logits.double(), labels, rows)
    torch.testing.assert_close(grad.double(), exact, rtol=2**-8 * 1.01, atol=1e-7)


def test_plain_is_what_has_neither_unlikelihood_nor_weights() -> None:
    assert LossOptions(label_smoothing=0.1, never_candidates=NEVER).is_plain
    assert not LossOptions(unlikelihood_weight=0.5).is_plain
    assert not LossOptions(frequency_weights=weights()).is_plain


def test_options_move_their_weights_to_a_device() -> None:
    assert LossOptions(0.1).to(torch.device("meta")) == LossOptions(0.1)
    moved = all_options().to(torch.device("meta"))
    assert moved.frequency_weights.device.type == "meta"
    assert moved.unlikelihood_weight == 0.7
