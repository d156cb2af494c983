# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The fused output layer and loss against torch's own, and against numerical gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from tfchat_hf.training import fused_loss
from tfchat_hf.training.fused_loss import linear_cross_entropy


def parts(dtype=torch.float64, tokens=11, width=6, vocab=17):
    torch.manual_seed(0)
    layer = nn.Linear(width, vocab, dtype=dtype)
    states = torch.randn(tokens, width, dtype=dtype, requires_grad=True)
    return states, layer, torch.randint(0, vocab, (tokens,))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk", [17, 17 * 4, 10**6])
def test_equals_torch(smoothing, chunk, monkeypatch):
    monkeypatch.setattr(fused_loss, "CHUNK_NUMBERS", chunk)
    states, layer, labels = parts()
    inputs = [states, layer.weight, layer.bias]
    expected = functional.cross_entropy(
        layer(states), labels, label_smoothing=smoothing, reduction="sum"
    )
    found = linear_cross_entropy(states, layer, labels, smoothing)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-6)
    wanted = torch.autograd.grad(expected * 0.5, inputs)
    given = torch.autograd.grad(found * 0.5, inputs)
    for gradient, reference in zip(given, wanted, strict=True):
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
