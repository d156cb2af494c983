# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Tiny real models and batches for the tests of the network."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch

from tfchat_hf import TFChatConfig, TFChatForConditionalGeneration

VOCAB_SIZE = 97
ARCHITECTURES: list[dict[str, Any]] = [
    {},
    {"tie_word_embeddings": True},
    {"normalize_before": True},
    {"gated_activation": True},
    {"position_embedding_type": "rotary"},
    {"shared_layer_norm": True, "original_position_exponents": True},
]


def tiny_config(**changes: Any) -> TFChatConfig:
    """Return a configuration that runs in milliseconds; sides differ in depth, heads and width."""
    settings = {
        "vocab_size": VOCAB_SIZE,
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 48,
        "max_position_embeddings": 64,
    }
    return TFChatConfig(**(settings | changes))


def one_layer_config(**changes: Any) -> TFChatConfig:
    """Return the smallest network of equal sides, for tests that train or chat."""
    sides = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
    return tiny_config(**(sides | {"decoder_ffn_dim": 64} | changes))


def tiny_model(seed: int = 0, **changes: Any) -> TFChatForConditionalGeneration:
    """Return a model in evaluation mode with weights large enough to tell tokens apart."""
    torch.manual_seed(seed)
    return TFChatForConditionalGeneration(tiny_config(init_std=0.2, **changes)).eval()


@functools.cache
def _memorised_weights() -> dict[str, torch.Tensor]:
    model = tiny_model(dropout=0.0, attention_dropout=0.0, activation_dropout=0.0).train()
    inputs = batch(4, 7, 13)
    labels = inputs.pop("decoder_input_ids").roll(-1, dims=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(80):
        loss = model(**inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def speaking_model(**changes: Any) -> TFChatForConditionalGeneration:
    """Return a model that learnt four replies by heart: an untrained one says one token only."""
    model = tiny_model(**changes)
    model.load_state_dict(_memorised_weights())
    return model


def batch(
    rows: int, source: int, target: int, padding: str = "right", seed: int = 1
) -> dict[str, torch.Tensor]:
    """Return questions padded on one side and replies; every row has another length."""
    generator = torch.Generator().manual_seed(seed)
    input_ids = torch.randint(5, VOCAB_SIZE, (rows, source), generator=generator)
    attention_mask = torch.ones_like(input_ids)
    for row in range(rows):
        cut = min(row, source - 1)
        place = slice(source - cut, None) if padding == "right" else slice(0, cut)
        input_ids[row, place] = 0
        attention_mask[row, place] = 0
    decoder_input_ids = torch.randint(5, VOCAB_SIZE, (rows, target), generator=generator)
    decoder_input_ids[:, 0] = 1
    return {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "decoder_input_ids": decoder_input_ids,
    }


def questions(rows: int = 3, padding: str = "right", source: int = 7) -> dict[str, torch.Tensor]:
    """Return a batch without replies."""
    inputs = batch(rows, source, 2, padding=padding)
    del inputs["decoder_input_ids"]
    return inputs


def ended_questions(rows: int = 3, padding: str = "right") -> dict[str, torch.Tensor]:
    """Return questions that end as the tokenizer ends them."""
    inputs = questions(rows, padding)
    last = inputs["attention_mask"].sum(1) - 1 if padding == "right" else torch.full((rows,), 6)
    inputs["input_ids"][torch.arange(rows), last] = 2
    return inputs


@torch.no_grad()
def greedy_by_hand(
    model: torch.nn.Module,
    inputs: dict[str, torch.Tensor],
    new_tokens: int,
    barred: Sequence[int] = (),
) -> torch.Tensor:
    """Decode by `model.forward` alone, without any cache: the whole reply again at each step."""
    reply = torch.ones(inputs["input_ids"].shape[0], 1, dtype=torch.long)
    ended = torch.zeros(reply.shape[0], dtype=torch.bool)
    for _ in range(new_tokens):
        logits = model(**inputs, decoder_input_ids=reply, use_cache=False).logits[:, -1]
        logits[:, list(barred)] = -torch.inf
        token = torch.where(ended, 0, logits.argmax(-1))
        ended |= token == 2
        reply = torch.cat((reply, token[:, None]), dim=1)
    return reply


def until_all_have_ended(replies: torch.Tensor) -> torch.Tensor:
    """Cut off what stands behind the last end token of a batch, as `generate()` does."""
    ended = (replies == 2).cumsum(1).bool().all(0)
    return replies[:, : int((~ended).sum()) + 1]
