# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`find_batch_size`: cut updates into twice as many batches until the largest of them fits.

What an update learns from stays the same (`batch_sampler.py`); how it is cut only decides how much
of it is in memory at once, so the largest batches that fit are the fastest.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import distributed

from data_builders.errors import UserError
from data_builders.translation import _, counted_text

from .processes import Agreement

if TYPE_CHECKING:
    from .trainer import TFChatTrainer

# Share of a GPU's memory left free: fragments, and batches of later epochs that are odder yet.
MARGIN = 0.1
_ADAM_MOMENTS = 2


def find_batch_size(trainer: TFChatTrainer, report: Callable[[str], None]) -> None:
    """Raise `gradient_accumulation_steps` as far as the GPU needs it, before training begins.

    All processes must call this; each tries on its own GPU, and they go by the one that needs most.
    """
    device = trainer.args.device
    if device.type == "cuda":
        double_until_it_fits(trainer, report)
    else:
        report(
            _(
                "note: `find_batch_size` only works on a GPU; on {device} the run keeps its "
                "`gradient_accumulation_steps`",
                device=device.type,
            )
        )


def double_until_it_fits(trainer: TFChatTrainer, report: Callable[[str], None]) -> None:
    """Try the largest batches, and on `OutOfMemoryError` cut updates into twice as many.

    Raises:
        UserError: if a single pair does not fit.
    """
    args, sampler, agreement = trainer.args, trainer.sampler, Agreement()
    steps = args.gradient_accumulation_steps
    while True:
        args.gradient_accumulation_steps = sampler.accumulation_steps = steps
        largest = largest_batches(trainer)
        if not agreement.any(not _fits(trainer, largest)):
            break
        if all(len(batch) == 1 for batch in largest):
            raise UserError(_too_large(trainer, largest[0][0]))
        steps *= 2
    report(
        counted_text(
            "batch size: updates are cut into {number} batch on each device "
            "(`gradient_accumulation_steps: {number}`)",
            "batch size: updates are cut into {number} batches on each device "
            "(`gradient_accumulation_steps: {number}`)",
            steps,
        )
    )


def largest_batches(trainer: TFChatTrainer) -> list[np.ndarray]:
    """Find the batches of the first epoch, of any process, that need most memory.

    Returns:
        Numbers of examples: the batch with the most tokens, and of each side the one whose
        rectangle is the largest, for attention computes one: many short sequences and a long one.
    """
    plan = trainer.sampler.plan
    source, target = plan.source_lengths, plan.target_lengths
    cut = [batch for update in plan.order(0) for batch in trainer.sampler.cut(update)]
    batches = [batch for batch in cut if len(batch)]
    return [
        max(batches, key=lambda batch: int((source[batch] + target[batch]).sum())),
        max(batches, key=lambda batch: len(batch) * int(source[batch].max())),
        max(batches, key=lambda batch: len(batch) * int(target[batch].max())),
    ]


def _fits(trainer: TFChatTrainer, batches: list[np.ndarray]) -> bool:
    """Learn from batches without an update, beside all that training holds."""
    device = trainer.args.device
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            room = _room(trainer.model)
            trainer.model.train()
            # The first one twice: then it finds the gradients of the others in memory.
            for numbers in (*batches, batches[0]):
                _learn(trainer, numbers)
            del room
        return True
    except torch.OutOfMemoryError:
        return False
    finally:
        trainer.model.zero_grad(set_to_none=True)
        trainer.attend("eager")
        gc.collect()
        torch.cuda.empty_cache()


def _room(model: torch.nn.Module) -> list[torch.Tensor]:
    """Take the memory of Adam's moments and DDP's buckets, and the margin."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    copies = _ADAM_MOMENTS + (distributed.is_available() and distributed.is_initialized())
    room = [torch.empty_like(weight) for weight in trained for _ in range(copies)]
    if model.device.type == "cuda":
        _, total = torch.cuda.mem_get_info(model.device)
        room.append(torch.empty(int(MARGIN * total), dtype=torch.uint8, device=model.device))
    return room


def _learn(trainer: TFChatTrainer, numbers: np.ndarray) -> None:
    """Go forward and back through examples as training does; the model is not wrapped yet."""
    batch = trainer.train_collator(trainer.visits.__getitems__(numbers))
    inputs = trainer._prepare_inputs(batch)
    with trainer.accelerator.autocast():
        tokens = torch.tensor(1.0, device=trainer.args.device)
        loss = trainer.compute_loss(trainer.model, inputs, num_items_in_batch=tokens)
    torch.autograd.backward(loss)


def _too_large(trainer: TFChatTrainer, longest: int) -> str:
    plan = trainer.sampler.plan
    source, target = int(plan.source_lengths[longest]), int(plan.target_lengths[longest])
    return _(
        "`find_batch_size` found that even one pair of {source} + {target} tokens does not fit. "
        "Lower `max_source_length` (such as {half_source}) or `max_target_length` ({half_target}), "
        "set `activation_checkpointing: true`, or train a smaller network (`d_model`, the layers, "
        "`vocab_size`).",
        source=source,
        target=target,
        half_source=max(2, source // 2),
        half_target=max(2, target // 2),
    )
