# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""transformers' own trainer around a tiny model: callbacks tested without the rest of a run."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from tests.tiny import VOCAB_SIZE, tiny_model

SOURCE, TARGET = 6, 5


def rows(number: int) -> list[dict[str, torch.Tensor]]:
    """Returns random examples of one length."""
    generator = torch.Generator().manual_seed(3)

    def draw(length: int) -> torch.Tensor:
        return torch.randint(5, VOCAB_SIZE, (length,), generator=generator)

    return [{"input_ids": draw(SOURCE), "labels": draw(TARGET)} for _ in range(number)]


def small_trainer(
    folder: Any,
    callbacks: list[TrainerCallback],
    kind: type[Trainer] = Trainer,
    **settings: Any,
) -> Trainer:
    """Makes a trainer of a tiny model on 16 examples, 4 an update."""
    defaults = {
        "max_steps": 6,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-3,
        "logging_steps": 2,
        "save_strategy": "no",
        "use_cpu": True,
        "disable_tqdm": True,
        "report_to": "none",
    }
    args = TrainingArguments(output_dir=str(folder), **(defaults | settings))
    model = tiny_model(encoder_layers=1, decoder_layers=1)
    return kind(model, args, train_dataset=rows(16), eval_dataset=rows(4), callbacks=callbacks)
