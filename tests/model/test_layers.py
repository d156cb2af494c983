# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Positions, attention and norms against arithmetic written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from tests.tiny import ARCHITECTURES, batch, tiny_model
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.model.layers_tfchat import sinusoidal_table


def test_positions_are_the_papers() -> None:
    table = sinusoidal_table(50, 8)
    for position in (0, 1, 7, 49):
        for i in range(4):
            angle = position / 10000 ** (2 * i / 8)
            assert table[position, i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[position, 4 + i].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_original_exponents_follow_the_originals_arithmetic() -> None:
    """The original fills `pe[pos][i]`, i = 0, 2, 4 ..., with exponents 2i/d and 2(i+1)/d."""
    table = sinusoidal_table(30, 8, original_exponents=True)
    for position in (1, 5, 29):
        for i in range(0, 8, 2):
            sine = math.sin(position / (10000 ** ((2 * i) / 8)))
            cosine = math.cos(position / (10000 ** ((2 * (i + 1)) / 8)))
            assert table[position, i].item() == pytest.approx(sine, abs=1e-6)
            assert table[position, i + 1].item() == pytest.approx(cosine, abs=1e-6)


def test_a_shared_norm_equals_separate_norms_with_the_same_weights() -> None:
    shared = tiny_model(shared_layer_norm=True)
    norms = [m for m in shared.modules() if isinstance(m, nn.LayerNorm)]
    assert len(norms) == 5  # one for each of 2 + 3 layers
    for norm in norms:
        nn.init.normal_(norm.weight, mean=1.0, std=0.3)
        nn.init.normal_(norm.bias, std=0.3)
    separate = tiny_model(seed=3)
    weights = dict(shared.state_dict())
    for name in separate.state_dict():
        if name not in weights:
            layer, kind = name.rsplit(".", 2)[0], name.rsplit(".", 1)[1]
            weights[name] = weights[f"{layer}.self_attn_layer_norm.{kind}"]
    separate.load_state_dict(weights)
    inputs = batch(3, 6, 5)
    with torch.no_grad():
        assert torch.equal(shared(**inputs).logits, separate(**inputs).logits)


def test_rotary_attention_depends_on_distance_only() -> None:
    model = tiny_model(position_embedding_type="rotary")
    inputs = batch(1, 6, 5)
    padded = {
        "input_ids": torch.cat((torch.zeros(1, 4, dtype=torch.long), inputs["input_ids"]), 1),
        "decoder_input_ids": inputs["decoder_input_ids"],
    }
    mask = torch.tensor([[0] * 4 + [1] * 6])
    with torch.no_grad():
        plain = model(**inputs).logits
        shifted = model(**padded, attention_mask=mask).logits
        swapped = model(**(inputs | {"input_ids": inputs["input_ids"].flip(1)})).logits
    assert (plain - shifted).abs().max() < 1e-5
    assert (plain - swapped).abs().max() > 1e-3


def test_left_padding_of_a_reply_changes_nothing() -> None:
    model = tiny_model()
    inputs = batch(2, 6, 7)
    reply = inputs.pop("decoder_input_ids")
    padded = torch.cat((torch.zeros(2, 3, dtype=torch.long), reply), dim=1)
    mask = padded.ne(0).long()
    with torch.no_grad():
        plain = model(**inputs, decoder_input_ids=reply).logits
        left = model(**inputs, decoder_input_ids=padded, decoder_attention_mask=mask).logits
    assert (left[:, 3:] - plain).abs().max() < 1e-5


@pytest.mark.parametrize("changes", ARCHITECTURES)
def test_sdpa_agrees_with_attention_written_out(changes: dict) -> None:
    assert_agrees_with_eager("sdpa", tiny_model(**changes))


@pytest.mark.slow  # compiles C++: half a minute, and a compiler must be there
def test_flex_attention_agrees_with_attention_written_out() -> None:
    assert_agrees_with_eager("flex_attention", tiny_model())


def assert_agrees_with_eager(implementation: str, model: TFChatForConditionalGeneration) -> None:
    inputs = batch(3, 8, 6)
    with torch.no_grad():
        model.set_attn_implementation("eager")
        eager = model(**inputs).logits
        model.set_attn_implementation(implementation)
        assert (model(**inputs).logits - eager).abs().max() < 1e-5
