# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The trainer of this project around a tiny model and eleven pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PreTrainedModel

from tests.tiny import tiny_model
from tests.two_processes import make_rows, make_tokenizer
from tfchat_hf.settings.arguments import TFChatTrainingArguments
from tfchat_hf.training.losses import LossOptions
from tfchat_hf.training.trainer import TFChatTrainer

TOKENIZER = make_tokenizer()
ROWS = Dataset.from_list(make_rows(TOKENIZER))


def small_model(dropout: float = 0.0, **network: Any) -> PreTrainedModel:
    """Return a model that fits the tokenizer; the same weights each time."""
    rates = dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), dropout)
    return tiny_model(vocab_size=len(TOKENIZER), **rates, **network)


def small_trainer(
    folder: Path, model: PreTrainedModel, losses: LossOptions | None = None, **settings: Any
) -> TFChatTrainer:
    """Return a trainer, by default of four updates of all pairs."""
    defaults = {
        "max_steps": 4,
        "learning_rate": 1e-2,
        "warmup_steps": 1,
        "eval_strategy": "no",
        "save_strategy": "no",
        "use_cpu": True,
        "bf16": False,
        "disable_tqdm": True,
        "tokens_per_update": 0,
        "per_device_train_batch_size": 11,
        "label_smoothing_factor": 0.1,
    }
    args = TFChatTrainingArguments(output_dir=str(folder), **(defaults | settings))
    return TFChatTrainer(model, args, TOKENIZER, ROWS, ROWS.select(range(4)), losses)
