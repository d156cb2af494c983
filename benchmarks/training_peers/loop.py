# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A hand-written training loop with batches by a budget of tokens: what torch can do here."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from .arithmetic import executed
from .gate import Gate
from .job import Job
from .loop_model import LoopModel
from .workload import Encoded, load_workload


def train(job: Job, gate: Gate) -> None:
    """Trains for ever; each block is a new pass over the pairs."""
    work = load_workload(Path(job.workload))
    model = LoopModel(job.shape).to(job.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    budget = int(job.batch * work.statistics.mean)
    update = _updater(job, model, optimizer)
    gate.open(parameters=sum(p.numel() for p in model.parameters()))
    for number in itertools.count():
        for places in batches(work.pairs, budget, number):
            chosen = [work.pairs[place] for place in places]
            batch = collate(chosen, work.statistics.start, work.statistics.pad)
            update(batch)
            rows, source = batch["source"].shape
            logits = len(batch["labels"])
            flops = executed(job.shape, rows, source, batch["reply"].shape[1], logits)
            if gate.step(rows, sum(len(p.source) + len(p.reply) for p in chosen), flops):
                break


def _updater(
    job: Job, model: LoopModel, optimizer: torch.optim.Optimizer
) -> Callable[[dict[str, Tensor]], None]:
    """Makes the function that does one update."""
    loss_of = torch.compile(model, dynamic=True) if "compile" in job.options else model

    def update(batch: dict[str, Tensor]) -> None:
        moved = {name: tensor.to(job.device) for name, tensor in batch.items()}
        with torch.autocast(job.device, torch.bfloat16, enabled=job.bf16):
            loss = loss_of(moved)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return update


def batches(pairs: list[Encoded], budget: int, seed: int) -> list[list[int]]:
    """Cuts pairs of like length into batches of at most `budget` padded tokens, shuffled."""
    order = sorted(
        range(len(pairs)),
        key=lambda i: (len(pairs[i].source) + len(pairs[i].reply), len(pairs[i].reply)),
    )
    cut: list[list[int]] = [[]]
    source = reply = 0
    for place in order:
        wider = max(source, len(pairs[place].source)), max(reply, len(pairs[place].reply))
        if cut[-1] and sum(wider) * (len(cut[-1]) + 1) > budget:
            cut.append([])
            wider = len(pairs[place].source), len(pairs[place].reply)
        cut[-1].append(place)
        source, reply = wider
    random.Random(seed).shuffle(cut)
    return cut


def collate(pairs: list[Encoded], start: int, pad: int) -> dict[str, Tensor]:
    """Pads a batch.

    Returns:
        `source` (rows, source_len), `mask` (rows, 1, 1, source_len), `reply` (rows, reply_len)
        as the decoder reads it, `places` of the real positions in the flattened reply, `labels`.
    """
    rows = len(pairs)
    source = torch.full((rows, max(len(p.source) for p in pairs)), pad)
    reply = torch.full((rows, max(len(p.reply) for p in pairs)), pad)
    real = torch.zeros(reply.shape, dtype=torch.bool)
    for row, pair in enumerate(pairs):
        source[row, : len(pair.source)] = torch.tensor(pair.source)
        reply[row, : len(pair.reply)] = torch.tensor([start, *pair.reply[:-1]])
        real[row, : len(pair.reply)] = True
    return {
        "source": source,
        "mask": (source != pad)[:, None, None, :],
        "reply": reply,
        "places": real.flatten().nonzero().squeeze(1),
        "labels": torch.tensor([token for pair in pairs for token in pair.reply]),
    }
