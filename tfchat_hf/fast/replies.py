# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From questions to replies: the one loop that evaluations, comparisons and files go through."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..model.modeling_tfchat import TFChatForConditionalGeneration
from .decoder import FastDecoder
from .decoding import generate_options


@dataclass(frozen=True)
class ReplyBatch:
    """Questions that were answered together.

    Attributes:
        places: Of the questions in the list that was asked.
        ids: Of the replies, each `(length,)` with the start token first, padded to one length.
        seconds: That decoding took: of CPU time, or of the clock on a GPU.
    """

    places: list[int]
    ids: list[list[int]]
    seconds: float


def batches_by_length(questions: Sequence[Sequence[int]], batch_size: int) -> list[list[int]]:
    """Put the places of questions of like length together: such batches have little padding."""
    order = sorted(range(len(questions)), key=lambda place: len(questions[place]))
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def reply_to_questions(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Sequence[int]],
    batches: Sequence[tuple[int | None, Sequence[int]]],
    config: GenerationConfig | None = None,
    fast: FastDecoder | None = None,
    reverse_model: PreTrainedModel | None = None,
) -> Iterator[ReplyBatch]:
    """Answer questions batch by batch.

    Args:
        model: In evaluation mode.
        tokenizer: Of the model.
        questions: Token ids that the encoder reads.
        batches: The random seed of each batch and the places of its questions. A drawn reply
            depends on these two alone, not on who answers it or when, and the caller's random
            numbers go on as if nothing had been drawn; without a seed it draws from those.
        config: Settings, re-ranking among them; None for the model's own.
        fast: Decodes greedy search and sampling; None for a new one, but for an engine, which has
            a loop of its own.
        reverse_model: Ranks candidates where the settings say so.

    Yields:
        The replies of each batch.
    """
    config = config or model.generation_config
    if fast is None and isinstance(model, TFChatForConditionalGeneration):
        fast = FastDecoder()
    for seed, places in batches:
        rows = {"input_ids": [list(questions[place]) for place in places]}
        batch = tokenizer.pad(rows, return_tensors="pt").to(model.device)
        how: dict[str, Any] = generate_options(config, batch["input_ids"], fast, reverse_model)
        with seeded(seed, model.device):
            begun = _now(model.device)
            # Training turns the cache off; without it this is several times slower.
            output = model.generate(**batch, use_cache=True, **how)
            seconds = _now(model.device) - begun
        yield ReplyBatch(list(places), output.tolist(), seconds)


@contextlib.contextmanager
def seeded(seed: int | None, device: torch.device) -> Iterator[None]:
    """Draw from a seed, and leave the caller's random numbers as they are; None draws from them."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices, enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        yield


def _now(device: torch.device) -> float:
    """Read the clock that counts: of the CPU alone, for others may be at work beside."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()
