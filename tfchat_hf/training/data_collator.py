# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Pairs to training batches: their questions changed at random, then packed or padded.

Packed, all sequences of a side stand end to end in one row, and nothing is padded
(`packed_attention.py`). Padded, they have a row each, of a few fixed shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ..examples.rows import ExampleRows, Pair
from ..model.configuration_tfchat import TFChatConfig
from ..text.tokenization import SEP_TOKEN, SPECIAL_TOKENS
from .packed_attention import PackedSide, Packing, filled_up, round_up
from .throughput import Counts

IGNORED = -100
# Padded batches are rounded up to these, so that `torch.compile` sees few shapes.
LENGTH_MULTIPLE = 16
BATCH_MULTIPLE = 8
_SEP = SPECIAL_TOKENS.index(SEP_TOKEN)
# So many visits lose no token: the whole question is what will be asked most.
_WHOLE = 0.5


class NoisyQuestions(Dataset[Pair]):
    """The examples of a run with questions that look different at each visit.

    Who learns a small corpus by heart learns each question letter by letter. What was said before
    it is then another question ("hello" in the middle of a talk is not "hello"), and so is one more
    word. So a share of the questions that stand alone gets a random exchange of the corpus as its
    history, and tokens are left out at random (word dropout: Iyyer et al., 2015,
    https://aclanthology.org/P15-1162).

    What changes is a function of (seed, epoch, example): a resumed run, or one with other workers,
    sees the same. Example i of epoch e has the index `i + e * len(self)`.
    """

    def __init__(
        self, examples: ExampleRows, dropout: float, history: float, longest: int, seed: int
    ) -> None:
        """Keep the examples.

        Args:
            examples: What to change.
            dropout: Share of a question's tokens that are left out, on average over all visits.
            history: Share of the visits of a question without history that give it a random one.
            longest: No question becomes longer than this, in tokens.
            seed: Of the choices.
        """
        self.examples = examples
        self.dropout = dropout
        self.history = history
        self.longest = longest
        self.seed = seed

    def __len__(self) -> int:
        """Count the examples of one epoch."""
        return len(self.examples)

    def __getitems__(self, indices: Sequence[int]) -> list[Pair]:
        """Return the examples of a batch; torch's DataLoader calls this."""
        draws = [np.random.default_rng([self.seed, index]) for index in indices]
        others = [int(draw.integers(len(self))) for draw in draws]
        pairs = self.examples.__getitems__([index % len(self) for index in indices])
        before = self.examples.__getitems__(others)
        return [
            (self._changed(source, other, draw), target)
            for (source, target), other, draw in zip(pairs, before, draws, strict=True)
        ]

    def _changed(self, source: np.ndarray, other: Pair, draw: np.random.Generator) -> np.ndarray:
        source = self._thinned(source, draw)
        if _SEP in source or draw.random() >= self.history:
            return source
        asked, answered = other
        newest = asked[np.flatnonzero(asked == _SEP)[-1] + 1 :] if _SEP in asked else asked
        whole = np.concatenate([newest[:-1], [_SEP], answered[:-1], [_SEP], source])
        return whole.astype(source.dtype) if len(whole) <= self.longest else source

    def _thinned(self, source: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        if not self.dropout or draw.random() < _WHOLE:
            return source
        # From nothing to twice the mean, so that one model knows whole and broken questions.
        lost = draw.random() * 2 * self.dropout / (1 - _WHOLE)
        ordinary = source >= len(SPECIAL_TOKENS)
        kept = ~ordinary | (draw.random(len(source)) >= lost)
        return source[kept] if (kept & ordinary).any() else source


class TrainingCollator:
    """Collates `(question ids, reply ids)` pairs for training.

    A batch holds what `forward` takes, and for the loss: `places`, those of the real reply tokens
    among all decoder positions, `(tokens,)`; `replies`, the reply that each of them belongs to,
    `(tokens,)`; and `counts`, what the host knows of it without asking the device. A batch of no
    pairs, which is what is left for a process when an update has fewer examples than batches, has
    a single ignored token.
    """

    def __init__(self, config: TFChatConfig, packed: bool) -> None:
        """Keep what the layout depends on.

        Args:
            config: Of the model.
            packed: Whether sequences stand end to end or are padded.
        """
        self.config = config
        self.packed = packed
        self.start = config.decoder_start_token_id
        self.pad = config.pad_token_id
        self.heads = {config.encoder_attention_heads, config.decoder_attention_heads}

    def __call__(self, pairs: Sequence[Pair]) -> dict[str, Any]:
        """Make one batch."""
        real = list(pairs) or [(np.array([self.start]), np.array([self.start]))]
        source, target = [ids for ids, _ in real], [ids for _, ids in real]
        batch = self._pack(source, target) if self.packed else self._pad(source, target)
        if not pairs:
            batch["labels"].fill_(IGNORED)
        asked, answered = _lengths(source), _lengths(target)
        batch["replies"] = torch.from_numpy(np.repeat(np.arange(len(target)), answered))
        computed = batch["input_ids"].numel() + batch["decoder_input_ids"].numel()
        counts = (len(pairs), int(asked.sum()), int(answered.sum()), computed)
        batch["counts"] = Counts(*counts) if pairs else Counts()
        return batch

    def _pack(self, source: list[np.ndarray], target: list[np.ndarray]) -> dict[str, Any]:
        """Put everything in one row, `(1, tokens)`."""
        lengths = _lengths(target)
        questions = _row(source, self.pad)
        labels = _row(target, IGNORED)
        shifted = np.full_like(labels, self.pad)
        shifted[1 : lengths.sum()] = labels[: lengths.sum() - 1]
        shifted[np.cumsum(lengths) - lengths] = self.start
        sides = [PackedSide.of_lengths(side, self.heads) for side in (_lengths(source), lengths)]
        return {
            "input_ids": torch.from_numpy(questions)[None],
            "decoder_input_ids": torch.from_numpy(shifted)[None],
            "labels": torch.from_numpy(labels)[None],
            "position_ids": sides[0].positions,
            "decoder_position_ids": sides[1].positions,
            "places": torch.arange(int(lengths.sum())),
            "packing": Packing(*sides),
        }

    def _pad(self, source: list[np.ndarray], target: list[np.ndarray]) -> dict[str, Any]:
        """Pad both sides on the right, `(batch, longest)`, to one of few shapes."""
        limit = self.config.max_position_embeddings
        rows = round_up(len(source), BATCH_MULTIPLE)
        shapes = [(rows, _up_to(limit, max(map(len, side)))) for side in (source, target)]
        input_ids = np.full(shapes[0], self.pad, dtype=np.int64)
        labels = np.full(shapes[1], IGNORED, dtype=np.int64)
        mask = np.zeros(shapes[0], dtype=np.int64)
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
            "places": torch.from_numpy(np.flatnonzero(labels.ravel() != IGNORED)),
        }


def _lengths(sequences: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([len(ids) for ids in sequences])


def _row(parts: Sequence[np.ndarray], filler: int) -> np.ndarray:
    """Put sequences end to end and fill up what is rounded."""
    real = np.concatenate(parts)
    row = np.full(filled_up(len(real)), filler, dtype=np.int64)
    row[: len(real)] = real
    return row


def _up_to(limit: int, length: int) -> int:
    """Round a length up, but not above the limit."""
    return max(length, min(round_up(length, LENGTH_MULTIPLE), limit))
