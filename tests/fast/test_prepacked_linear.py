# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Prepacked layers give the product, and know when their weights are others."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from tfchat_hf.fast.prepacked_linear import PrepackedLinear, can_be_prepacked


def layer(bias: bool = True, width: int = 512) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(width, 48, bias=bias)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (33, 1), (2, 3), (2, 3, 4)], ids=str)
@pytest.mark.parametrize(("weight_dtype", "apart"), [(None, 1e-5), ("int8", 0.05)])
def test_the_product_is_that_of_the_layer(bias, shape, weight_dtype, apart) -> None:
    linear = layer(bias)
    states = torch.randn(*shape, 512)
    with torch.no_grad():
        expected, found = linear(states), PrepackedLinear(linear, weight_dtype)(states)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < apart


def test_a_change_of_any_single_weight_is_seen() -> None:
    linear = layer(width=24)
    prepacked = PrepackedLinear(linear, None)
    assert prepacked.is_current()
    for change in (1e-4, -0.5):
        for element in range(linear.weight.numel()):
            flat = linear.weight.data.view(-1)
            before = flat[element].item()
            flat[element] += change
            assert not prepacked.is_current()
            flat[element] = before
    for element in range(48):
        before = linear.bias.data[element].item()
        linear.bias.data[element] += 1e-4
        assert not prepacked.is_current()
        linear.bias.data[element] = before
    assert prepacked.is_current()


@pytest.mark.parametrize("width", [64, 512, 2048])
def test_two_weights_that_change_places_are_seen(width: int) -> None:
    linear = layer(width=width)
    prepacked, row = PrepackedLinear(linear, None), linear.weight.data[7]
    for place in range(0, width - 1, 17):
        row[[place, place + 1]] = row[[place + 1, place]]
        assert not prepacked.is_current()
        row[[place, place + 1]] = row[[place + 1, place]]


def test_a_bias_that_comes_or_goes_is_seen() -> None:
    linear = layer()
    prepacked = PrepackedLinear(linear, None)
    linear.bias = None
    assert not prepacked.is_current()


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_every_step_of_an_optimizer_is_seen(kind: type, fused: bool) -> None:
    linear = layer()
    optimizer = kind(linear.parameters(), lr=1e-4, fused=fused)
    for _ in range(3):
        prepacked = PrepackedLinear(linear, None)
        linear(torch.randn(8, 512)).square().sum().backward()
        optimizer.step()
        assert not prepacked.is_current()


def test_only_plain_layers_of_single_precision_on_a_cpu_are_prepacked() -> None:
    class Other(nn.Linear):
        pass

    assert can_be_prepacked(layer()) and can_be_prepacked(layer(bias=False))
    hooked, told, owned = layer(), layer(), layer()
    hooked.register_forward_hook(lambda *given: None)
    told.register_forward_pre_hook(lambda *given: None)
    owned.forward = owned.forward
    others = [Other(2, 2), layer().double(), layer().bfloat16(), layer().to("meta")]
    pruned = prune.l1_unstructured(layer(), "weight", 3)
    normed = parametrizations.weight_norm(layer())
    for module in [*others, hooked, told, owned, pruned, normed, nn.Bilinear(2, 2, 2)]:
        assert not can_be_prepacked(module)


def test_whoever_asks_for_the_weight_gets_that_of_the_layer() -> None:
    linear = layer()
    prepacked = PrepackedLinear(linear, None)
    assert prepacked.weight is linear.weight and prepacked.bias is linear.bias
    assert prepacked.in_features == 512 and not hasattr(prepacked, "lora_A")
    assert not dict(prepacked.named_parameters())
