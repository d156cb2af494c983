# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""This project, through the same function that train_hf.py calls."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

import tfchat_hf.training.run as training
from tfchat_hf.settings.parsing import parse_arguments
from tfchat_hf.training.callbacks import StopRequest

from .gate import Gate
from .held_out import load_held_out, loss_of
from .job import Job
from .workload import load_statistics


def train(job: Job, gate: Gate) -> None:
    """Trains until the driver has had enough."""
    run = parse_arguments(_command_line(_settings(job)))
    build_trainer = training.build_trainer

    def build_gated_trainer(*arguments: Any) -> Any:
        """Build the trainer and give it a callback that waits for its turns."""
        trainer = build_trainer(*arguments)
        trainer.add_callback(_Turns(gate, trainer, job))
        return trainer

    training.build_trainer = build_gated_trainer
    training.run_training(run, lambda line: print(line, file=sys.stderr), StopRequest())
    raise RuntimeError("the training ended before the benchmark did")


def _settings(job: Job) -> dict[str, Any]:
    """Gives what train_hf.py is told; all else is its default."""
    shape, folder = job.shape, Path(job.workload)
    statistics = load_statistics(folder)
    settings: dict[str, Any] = {
        "output_dir": tempfile.mkdtemp(prefix="ours-"),
        "overwrite": True,
        "dataset": folder / "dialogues",
        "tokenizer": folder / "tokenizer",
        "validation_fraction": 0,
        "max_source_length": statistics.longest,
        "max_target_length": statistics.longest,
        "max_position_embeddings": max(shape.positions, statistics.longest),
        "generation_max_new_tokens": 16,
        "d_model": shape.d_model,
        "attention_dropout": 0,
        "activation_dropout": 0,
        "num_train_epochs": 100_000,
        "eval_strategy": "no",
        "save_strategy": "no",
        "tokens_per_update": round(job.batch * statistics.mean),
        "bf16": job.bf16,
        "use_cpu": job.device == "cpu",
    }
    for side in ("encoder", "decoder"):
        settings[f"{side}_layers"] = shape.layers
        settings[f"{side}_attention_heads"] = shape.heads
        settings[f"{side}_ffn_dim"] = shape.ffn
    settings |= {"torch_compile": True} if "compile" in job.options else {}
    settings |= {"tf32": True} if "tf32" in job.options else {}
    return settings | job.settings


def _command_line(settings: dict[str, Any]) -> list[str]:
    words = []
    for key, value in settings.items():
        words += [f"--{key}", str(value).lower() if isinstance(value, bool) else str(value)]
    return words


class _Turns(TrainerCallback):
    """Tells the gate what each update held."""

    def __init__(self, gate: Gate, trainer: Any, job: Job) -> None:
        self.gate, self.trainer, self.whole_passes = gate, trainer, job.whole_passes
        self.held_out = load_held_out(Path(job.workload))
        self.pairs = self.tokens = 0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Waits for the first turn."""
        if self.held_out:
            self.gate.measure = lambda: {"loss": loss_of(self.trainer.model, self.held_out)}
        self.gate.open(parameters=self.trainer.model.num_parameters())

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Passes on what the trainer's meter counted since; each block is a new pass if wanted."""
        counts = self.trainer.meter.counts()
        pairs, tokens = round(counts.pairs), round(counts.tokens)
        ended = self.gate.step(pairs - self.pairs, tokens - self.tokens)
        control.should_epoch_stop = ended and self.whole_passes
        self.pairs, self.tokens = pairs, tokens
