# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Held-out pairs of a workload, and the plain loss that a transformers model has on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

BATCH = 64


class HeldOut(NamedTuple):
    """One pair that no contender trains on."""

    question: str
    reply: str
    source: list[int]
    labels: list[int]


def save_held_out(folder: Path, texts: list[tuple[str, str]]) -> None:
    """Writes the pairs beside a workload whose tokenizer is there already."""
    from transformers import AutoTokenizer

    from tfchat_hf.text.dialogue import encode_context, encode_reply

    tokenizer = AutoTokenizer.from_pretrained(str(folder / "tokenizer"), trust_remote_code=False)
    rows = [
        (
            question,
            reply,
            encode_context(tokenizer, [question], 512).input_ids,
            encode_reply(tokenizer, reply),
        )
        for question, reply in texts
    ]
    (folder / "held_out.json").write_text(json.dumps(rows), encoding="utf-8")


def load_held_out(folder: Path) -> list[HeldOut]:
    """Reads them back; none if the workload has none."""
    path = folder / "held_out.json"
    if not path.is_file():
        return []
    return [HeldOut(*row) for row in json.loads(path.read_text(encoding="utf-8"))]


@torch.no_grad()
def loss_of(model: Any, pairs: list[HeldOut]) -> float:
    """Measures the unsmoothed loss, in nats a character of the replies, their ends included."""
    training = model.training
    model.eval()
    ordered = sorted(pairs, key=lambda pair: len(pair.labels))
    nats = sum(
        _nats(model, ordered[start : start + BATCH]) for start in range(0, len(ordered), BATCH)
    )
    model.train(training)
    return nats / sum(len(pair.reply) for pair in pairs)


def _nats(model: Any, pairs: list[HeldOut]) -> float:
    config, device = model.config, next(model.parameters()).device
    source = _padded([pair.source for pair in pairs], config.pad_token_id).to(device)
    labels = _padded([pair.labels for pair in pairs], -100).to(device)
    begin = torch.full_like(labels[:, :1], config.decoder_start_token_id)
    given = torch.cat(
        [begin, labels[:, :-1].masked_fill(labels[:, :-1] < 0, config.pad_token_id)], 1
    )
    logits = model(
        input_ids=source,
        attention_mask=(source != config.pad_token_id).long(),
        decoder_input_ids=given,
    ).logits
    # (batch, reply_len, vocabulary) -> (batch x reply_len, vocabulary)
    flat = logits.float().flatten(0, 1)
    return float(functional.cross_entropy(flat, labels.flatten(), reduction="sum").double())


def _padded(rows: list[list[int]], filler: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])
