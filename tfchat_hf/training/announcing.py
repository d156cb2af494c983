# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Says what is about to be trained, on what, with what."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..examples.preparing import SplitCounts
from ..settings.arguments import RunArguments
from .batch_sampler import UpdatePlan
from .set_up import Workshop

Report = Callable[[str], None]


def announce(run: RunArguments, shop: Workshop, report: Report) -> None:
    """Says device, model, data and plan, a line each."""
    args, data = run.training, shop.data
    report(f"device: {device_name(args.device)}, {dtype_name(run)} ({args.precision_reason})")
    if args.unused_gpus:
        total = args.unused_gpus + 1
        report(f"note: 1 of {total} GPUs is used; `torchrun --nproc_per_node {total}` uses all")
    model = shop.trainer.model
    report(
        f"model: {model.num_parameters():,} parameters, vocabulary {len(shop.tokenizer):,}, "
        f"d_model {run.model.d_model}, {run.model.encoder_layers}+{run.model.decoder_layers} layers"
    )
    if run.training.init_from:
        report(f"weights and tokenizer: those of {run.training.init_from}")
    report(_data_line("train", data.train_counts, run))
    report(_data_line("validation", data.validation_counts, run))
    if len(data.lessons) > data.train_counts.pairs:
        hurried = len(data.lessons) - data.train_counts.pairs
        report(f"train: {hurried:,} of the pairs once more, their questions as typed in a hurry")
    report(_plan_line(run, shop))


def _data_line(name: str, counts: SplitCounts, run: RunArguments) -> str:
    """Says how much a split has and what was left out of it."""
    dropped = {
        "duplicates": counts.duplicates_dropped,
        "also in train": counts.also_in_train_dropped,
        f"replies over {run.data.max_target_length} tokens": counts.long_replies_dropped,
    }
    cut = {
        "contexts shortened to fit": counts.contexts_truncated,
        "contexts without their oldest turns": counts.contexts_with_dropped_turns,
    }
    words = [f"dropped {n:,} {what}" for what, n in dropped.items() if n]
    words += [f"{n:,} {what}" for what, n in cut.items() if n]
    text = f"{name}: {counts.dialogues:,} dialogues, {counts.pairs:,} pairs"
    return text + (f" ({'; '.join(words)})" if words else "")


def _plan_line(run: RunArguments, shop: Workshop) -> str:
    """Says how long training is going to be."""
    args, a_epoch = run.training, shop.trainer.sampler.plan.updates
    size = update_size(shop.trainer.sampler.plan)
    peak = f"peak learning rate {args.learning_rate:.2e}"
    if args.max_minutes is not None:
        return f"training: {args.max_minutes:g} minutes of updates of {size}, {peak}"
    warmup = args.get_warmup_steps(shop.updates)
    return (
        f"training: {shop.updates:,} updates of {size}, {shop.updates / a_epoch:.1f} epochs, "
        f"{peak} after {warmup:g} steps"
    )


def update_size(plan: UpdatePlan) -> str:
    """Words what one update holds, over all devices and accumulated batches."""
    return f"about {plan.tokens:,} tokens" if plan.tokens else f"{plan.pairs:,} pairs"


def device_name(device: torch.device) -> str:
    """Names the device for a person."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} (cuda)"
    return (
        f"{device.type} ({torch.get_num_threads()} threads)"
        if device.type == "cpu"
        else str(device)
    )


def dtype_name(run: RunArguments) -> str:
    """Names the precision of the arithmetic."""
    return "bfloat16" if run.training.bf16 else "float16" if run.training.fp16 else "float32"
