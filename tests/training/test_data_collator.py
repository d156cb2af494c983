# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Training batches: what stands where, and what the host knows of them."""

from __future__ import annotations

import numpy as np
import torch

from tests.tiny import tiny_config, tiny_model
from tfchat_hf.training.data_collator import IGNORED, TrainingCollator
from tfchat_hf.training.losses import LossOptions, TrainingLoss
from tfchat_hf.training.packed_attention import PACKED
from tfchat_hf.training.throughput import Counts

ROWS = [
    (np.array([10, 11, 12], dtype=np.int32), np.array([20, 2], dtype=np.int32)),
    (np.array([13], dtype=np.int32), np.array([21, 22, 2], dtype=np.int32)),
]


def test_packed():
    batch = TrainingCollator(tiny_config(), packed=True)(ROWS)
    assert batch["input_ids"].tolist() == [[10, 11, 12, 13] + [0] * 12]
    assert batch["labels"].tolist() == [[20, 2, 21, 22, 2] + [IGNORED] * 11]
    assert batch["decoder_input_ids"].tolist() == [[1, 20, 1, 21, 22] + [0] * 11]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0] + [0] * 12]
    assert batch["decoder_position_ids"].tolist() == [[0, 1, 0, 1, 2] + [0] * 11]
    assert batch["places"].tolist() == [0, 1, 2, 3, 4]
    assert batch["replies"].tolist() == [0, 0, 1, 1, 1]
    assert batch["counts"] == Counts(pairs=2, source_tokens=4, target_tokens=5, positions=32)


def test_padded_to_few_shapes():
    batch = TrainingCollator(tiny_config(), packed=False)(ROWS)
    assert batch["input_ids"].shape == batch["labels"].shape == (8, 16)
    assert batch["input_ids"][:2, :4].tolist() == [[10, 11, 12, 0], [13, 0, 0, 0]]
    assert batch["attention_mask"][:3, :4].tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    assert batch["decoder_input_ids"][:2, :4].tolist() == [[1, 20, 2, 0], [1, 21, 22, 2]]
    assert batch["labels"].flatten()[batch["places"]].tolist() == [20, 2, 21, 22, 2]
    assert (batch["labels"] == IGNORED).sum() == 8 * 16 - 5
    assert batch["counts"].positions == 2 * 8 * 16


def test_padding_stops_at_the_last_position():
    row = (np.full(50, 7), np.full(64, 7))
    batch = TrainingCollator(tiny_config(max_position_embeddings=64), packed=False)([row])
    assert batch["input_ids"].shape == (8, 64) and batch["labels"].shape == (8, 64)


def test_a_batch_of_nothing_teaches_nothing():
    model = tiny_model().train()
    for packed in (True, False):
        batch = TrainingCollator(model.config, packed)([])
        assert batch.pop("counts") == Counts()
        assert not batch["labels"].ne(IGNORED).any()
        places = batch.pop("places"), batch.pop("replies")
        loss = TrainingLoss(LossOptions(0.1), model.lm_head, *places, learns=False)
        model.set_attn_implementation(PACKED if packed else "eager")
        model.zero_grad()
        found = model(**batch, reply_loss=loss).loss
        found.backward()
        assert found.item() == 0
        # Every weight takes part: a process that left one out would keep the others waiting.
        gradients = [weight.grad for weight in model.parameters()]
        assert all(gradient is not None and not gradient.any() for gradient in gradients)


def test_shifting_across_replies_uses_no_token_of_the_neighbour():
    batch = TrainingCollator(tiny_config(), packed=True)(ROWS * 3)
    starts = batch["decoder_position_ids"][0, batch["places"]] == 0
    first = batch["decoder_input_ids"][0, batch["places"]][starts]
    assert torch.equal(first, torch.ones(6, dtype=torch.int64))
