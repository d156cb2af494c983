# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A packed batch is the padded batch without its padding: same loss, same gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.tiny import VOCAB_SIZE, tiny_model
from tfchat_hf.training.data_collator import TrainingCollator
from tfchat_hf.training.losses import LossOptions, TrainingLoss
from tfchat_hf.training.packed_attention import PACKED, PackedSide, attend, filled_up

NETWORKS = [
    {},
    {"tie_word_embeddings": True},
    {"position_embedding_type": "rotary"},
    {"normalize_before": True, "gated_activation": True},
    {"shared_layer_norm": True},
]


def pairs(lengths: list[tuple[int, int]], seed: int = 3) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [
        (rng.integers(5, VOCAB_SIZE, source), rng.integers(5, VOCAB_SIZE, target))
        for source, target in lengths
    ]


def loss_and_gradients(model, rows, packed: bool, smoothing: float = 0.1):
    batch = TrainingCollator(model.config, packed)(rows)
    batch.pop("counts")
    options = LossOptions(smoothing)
    reply_loss = TrainingLoss(options, model.lm_head, batch.pop("places"), batch.pop("replies"))
    model.set_attn_implementation(PACKED if packed else "eager")
    model.zero_grad()
    loss = model(**batch, reply_loss=reply_loss).loss
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("lengths", [[(3, 5), (9, 1), (1, 12), (4, 4)], [(6, 7)] * 3])
def test_packed_equals_padded(network, lengths):
    model = tiny_model(dropout=0.0, attention_dropout=0.0, activation_dropout=0.0, **network)
    model = model.double().train()
    rows = pairs(lengths)
    padded, padded_gradients = loss_and_gradients(model, rows, packed=False)
    packed, packed_gradients = loss_and_gradients(model, rows, packed=True)
    torch.testing.assert_close(packed, padded, atol=1e-9, rtol=1e-9)
    for name, gradient in padded_gradients.items():
        torch.testing.assert_close(packed_gradients[name], gradient, atol=1e-9, rtol=1e-7)


def test_the_loss_is_that_of_the_model_itself():
    model = tiny_model().double()
    rows = pairs([(3, 5), (9, 2), (1, 8)])
    packed, _ = loss_and_gradients(model, rows, packed=True, smoothing=0.0)
    model.set_attn_implementation("sdpa")
    alone = sum(
        model(input_ids=torch.tensor(source[None]), labels=torch.tensor(target[None])).loss
        * len(target)
        for source, target in rows
    )
    torch.testing.assert_close(packed, alone.detach())


def test_sequences_of_a_packed_batch_do_not_see_each_other():
    model = tiny_model().train(False)
    first, second = pairs([(4, 6), (5, 3)])
    together, _ = loss_and_gradients(model, [first, second], packed=True)
    apart = [loss_and_gradients(model, [one], packed=True)[0] for one in (first, second)]
    torch.testing.assert_close(together, sum(apart), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("lengths", [[3, 1, 5], [2, 2], [4] * 4, [1]])
def test_padding_and_unpadding_undo_each_other(lengths):
    side = PackedSide.of_lengths(np.array(lengths), {2})
    tokens, real = side.positions.shape[1], sum(lengths)
    states = torch.randn(1, 2, tokens, 4, dtype=torch.float64, requires_grad=True)
    padded = side.pad(states)
    assert padded.shape == (len(lengths), 2, -(-max(lengths) // 4) * 4, 4)
    for row, length in enumerate(lengths):
        start = sum(lengths[:row])
        torch.testing.assert_close(padded[row, :, :length], states[0, :, start : start + length])
        assert not padded[row, :, length:].any()
    gathered = side.unpad(padded)
    torch.testing.assert_close(gathered[:, :real], states.transpose(1, 2)[:, :real])
    assert not gathered[:, real:].any()
    assert torch.autograd.gradcheck(lambda x: side.unpad(side.pad(x) ** 2), states)


def test_rows_are_filled_up_to_few_lengths():
    assert [filled_up(n) for n in (1, 16, 17, 500, 1023, 1024, 1025, 4097)] == [
        *(16, 16, 32, 512, 1024, 1024, 1056, 4224)
    ]
    lengths = [filled_up(n) for n in range(1, 9000)]
    assert all(n <= f <= n * 1.04 + 16 for n, f in enumerate(lengths, 1))
    assert len(set(lengths[2000:4000])) <= 40


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_attention_equals_that_of_torch(causal, dtype):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 6, 8, dtype=dtype)
    mask = None if causal else (torch.arange(6) < torch.tensor([[6], [2]]))[:, None, None]
    found = attend(query, key, value, mask, 0.3, 0.0, causal)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query.double(), key.double(), value.double(), mask, is_causal=causal, scale=0.3
    )
    tolerance = 3e-2 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(found.double(), expected, atol=tolerance, rtol=tolerance)


def test_attention_dropout_keeps_the_mean():
    torch.manual_seed(0)
    query, key = torch.zeros(2, 1, 1, 400, 4)
    value = torch.ones(1, 1, 400, 4)
    mixed = attend(query, key, value, None, 1.0, 0.25, False)
    assert mixed.mean().item() == pytest.approx(1.0, abs=0.01)
    assert mixed.std().item() > 0.01
