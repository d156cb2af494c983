# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Losses without kept logits against torch's own, and replies summed up by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from tfchat_hf.fast import cross_entropy
from tfchat_hf.fast.cross_entropy import linear_cross_entropy, reply_nats, token_losses


def parts(dtype=torch.float64, tokens=11, width=6, vocab=17):
    torch.manual_seed(0)
    layer = nn.Linear(width, vocab, dtype=dtype)
    states = torch.randn(tokens, width, dtype=dtype, requires_grad=True)
    return states, layer, torch.randint(0, vocab, (tokens,))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk", [17, 17 * 4, 10**6])
def test_equals_torch(smoothing, chunk, monkeypatch):
    monkeypatch.setattr(cross_entropy, "LOGITS_AT_ONCE", chunk)
    states, layer, labels = parts()
    inputs = [states, layer.weight, layer.bias]
    expected = functional.cross_entropy(
        layer(states), labels, label_smoothing=smoothing, reduction="sum"
    )
    found = linear_cross_entropy(states, layer, labels, smoothing)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-6)
    expected_gradients = torch.autograd.grad(expected * 0.5, inputs)
    given = torch.autograd.grad(found * 0.5, inputs)
    for gradient, reference in zip(given, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, reference, atol=1e-9, rtol=1e-7)


def test_under_autocast_it_is_as_exact_as_torch():
    states, layer, labels = parts(torch.float32, tokens=200, width=64, vocab=500)
    exact = functional.cross_entropy(layer(states), labels, label_smoothing=0.1, reduction="sum")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = linear_cross_entropy(states, layer, labels, 0.1)
        usual = functional.cross_entropy(
            layer(states).float(), labels, label_smoothing=0.1, reduction="sum"
        )
    assert found.dtype == torch.float32
    assert abs(found - exact) <= 1.5 * abs(usual - exact) + 1e-2
    gradients = torch.autograd.grad(found, [states, layer.weight])
    for gradient, reference in zip(
        gradients, torch.autograd.grad(exact, [states, layer.weight]), strict=True
    ):
        assert functional.cosine_similarity(gradient.ravel(), reference.ravel(), 0) > 0.9999


def test_no_tokens_cost_nothing_and_teach_nothing():
    states, layer, labels = parts()
    loss = linear_cross_entropy(states[:0], layer, labels[:0])
    found = torch.autograd.grad(loss, [states, layer.weight, layer.bias])
    assert loss == 0 and all(not gradient.any() for gradient in found)


def test_without_gradients_nothing_is_kept():
    states, layer, labels = parts()
    with torch.no_grad():
        found = linear_cross_entropy(states, layer, labels, 0.1)
    assert not found.requires_grad


def test_negative_labels_are_left_out():
    states, layer, labels = parts()
    labels[[0, 4]] = -100
    inputs = [states, layer.weight, layer.bias]
    expected = functional.cross_entropy(
        layer(states), labels, label_smoothing=0.1, reduction="sum", ignore_index=-100
    )
    found = linear_cross_entropy(states, layer, labels, 0.1)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-6)
    for gradient, reference in zip(
        torch.autograd.grad(found, inputs), torch.autograd.grad(expected, inputs), strict=True
    ):
        torch.testing.assert_close(gradient, reference, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("chunk", [17 * 4, 10**6])
def test_each_token_has_the_loss_that_torch_gives_it(chunk, monkeypatch):
    monkeypatch.setattr(cross_entropy, "LOGITS_AT_ONCE", chunk)
    states, layer, labels = parts()
    labels[3] = -100
    found = token_losses(states, layer, labels)
    expected = functional.cross_entropy(layer(states), labels, reduction="none")
    torch.testing.assert_close(found, expected.detach())
    assert token_losses(states[:0], layer, labels[:0]).shape == (0,)


def test_sums_of_each_reply_by_hand():
    layer = torch.nn.Linear(1, 4)
    torch.nn.init.zeros_(layer.weight)
    layer.bias.data = torch.tensor([1 / 2, 1 / 4, 1 / 8, 1 / 8]).log()
    labels = torch.tensor([[0, 1, -100], [2, -100, -100], [-100, -100, -100]])
    found = reply_nats(torch.ones(3, 3, 1), layer, labels)
    # bits: 1 + 2 of the first reply, 3 of the second; the third has no token
    expected = torch.tensor([[3 * math.log(2), 2], [3 * math.log(2), 1], [0, 0]])
    torch.testing.assert_close(found, expected)
