# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Pairs to training batches: packed end to end, or padded to a few fixed shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...model.configuration_tfchat import TFChatConfig
from ..throughput import needed_flops
from .packing import PackedSide, Packing, filled_up, round_up

IGNORED = -100
# Padded batches are rounded up to these, so that `torch.compile` sees few shapes.
LENGTH_MULTIPLE = 16
BATCH_MULTIPLE = 8
Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class BatchFacts:
    """What the host knows of a batch without asking the device.

    Attributes:
        pairs: examples.
        source_tokens: real tokens of the questions.
        target_tokens: real tokens of the replies.
        positions: places that the network computes, padding among them.
        flops: arithmetic that the real tokens need, forward and back.
    """

    pairs: int
    source_tokens: int
    target_tokens: int
    positions: int
    flops: float


class BatchMaker:
    """Collates `(question ids, reply ids)` pairs for training.

    A batch holds what `forward` takes, and for the loss: `kept`, the places of the real reply
    tokens among all decoder positions, `(tokens,)`; `rows`, the reply that each of them belongs
    to; and `facts`. A batch of no pairs, which is what is left for a
    process when an update has fewer examples than pieces, has a single ignored token.
    """

    def __init__(self, config: TFChatConfig, packed: bool) -> None:
        """Keeps what the layout depends on.

        Args:
            config: of the model.
            packed: whether sequences stand end to end (`packing.py`) or are padded.
        """
        self.config = config
        self.packed = packed
        self.start = config.decoder_start_token_id
        self.pad = config.pad_token_id
        self.heads = {config.encoder_attention_heads, config.decoder_attention_heads}

    def __call__(self, rows: Sequence[Pair]) -> dict[str, Any]:
        """Makes one batch."""
        pairs = list(rows) or [(np.array([self.start]), np.array([self.start]))]
        source, target = [ids for ids, _ in pairs], [ids for _, ids in pairs]
        batch = self._pack(source, target) if self.packed else self._pad(source, target)
        if not rows:
            batch["labels"].fill_(IGNORED)
        lengths = np.array([len(ids) for ids in target])
        batch["rows"] = torch.from_numpy(np.repeat(np.arange(len(target)), lengths))
        batch["facts"] = self._facts(rows, source, lengths, batch["decoder_input_ids"])
        return batch

    def _facts(
        self,
        rows: Sequence[Pair],
        source: Sequence[np.ndarray],
        target_lengths: np.ndarray,
        decoder_input_ids: torch.Tensor,
    ) -> BatchFacts:
        """Counts the batch."""
        if not rows:
            return BatchFacts(0, 0, 0, 0, 0.0)
        lengths = np.array([len(ids) for ids in source])
        tokens, replies = int(lengths.sum()), int(target_lengths.sum())
        places = filled_up(tokens) + filled_up(replies)
        if not self.packed:
            places = decoder_input_ids.numel() + len(decoder_input_ids) * _up(
                int(lengths.max()), LENGTH_MULTIPLE, self.config.max_position_embeddings
            )
        needed = float(needed_flops(self.config, lengths, target_lengths).sum())
        return BatchFacts(len(rows), tokens, replies, places, needed)

    def _pack(self, source: list[np.ndarray], target: list[np.ndarray]) -> dict[str, Any]:
        """Puts everything in one row, `(1, tokens)`."""
        lengths = np.array([len(ids) for ids in target])
        asked = np.array([len(ids) for ids in source])
        questions = _row(source, self.pad)
        replies = _row(target, IGNORED)
        shifted = np.full_like(replies, self.pad)
        shifted[1 : lengths.sum()] = replies[: lengths.sum() - 1]
        shifted[np.cumsum(lengths) - lengths] = self.start
        sides = [PackedSide.of_lengths(side, self.heads) for side in (asked, lengths)]
        return {
            "input_ids": torch.from_numpy(questions)[None],
            "decoder_input_ids": torch.from_numpy(shifted)[None],
            "labels": torch.from_numpy(replies)[None],
            "position_ids": sides[0].positions,
            "decoder_position_ids": sides[1].positions,
            "kept": torch.arange(int(lengths.sum())),
            "packing": Packing(*sides),
        }

    def _pad(self, source: list[np.ndarray], target: list[np.ndarray]) -> dict[str, Any]:
        """Pads both sides on the right, `(batch, longest)`, to one of few shapes."""
        limit = self.config.max_position_embeddings
        rows = _up(len(source), BATCH_MULTIPLE)
        shape = [
            (rows, _up(max(map(len, side)), LENGTH_MULTIPLE, limit)) for side in (source, target)
        ]
        input_ids = np.full(shape[0], self.pad, dtype=np.int64)
        labels = np.full(shape[1], IGNORED, dtype=np.int64)
        mask = np.zeros(shape[0], dtype=np.int64)
        mask[:, 0] = 1  # a row of padding alone would have nothing to attend to
        for row, (asked, reply) in enumerate(zip(source, target, strict=True)):
            input_ids[row, : len(asked)] = asked
            mask[row, : len(asked)] = 1
            labels[row, : len(reply)] = reply
        shifted = np.full_like(labels, self.start)
        shifted[:, 1:] = np.where(labels[:, :-1] == IGNORED, self.pad, labels[:, :-1])
        return {
            "input_ids": torch.from_numpy(input_ids),
            "attention_mask": torch.from_numpy(mask),
            "decoder_input_ids": torch.from_numpy(shifted),
            "labels": torch.from_numpy(labels),
            "kept": torch.from_numpy(np.flatnonzero(labels.ravel() != IGNORED)),
        }


def _row(parts: Sequence[np.ndarray], filler: int) -> np.ndarray:
    """Puts sequences end to end and fills up what is rounded."""
    real = np.concatenate(parts)
    row = np.full(filled_up(len(real)), filler, dtype=np.int64)
    row[: len(real)] = real
    return row


def _up(number: int, multiple: int, limit: int | None = None) -> int:
    """Rounds up to a multiple, but not above a limit."""
    rounded = round_up(number, multiple)
    return rounded if limit is None else max(number, min(rounded, limit))
