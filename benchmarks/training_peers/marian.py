# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""transformers' Seq2SeqTrainer with a Marian model of the same shape.

"marian" is as it comes: it drops the column of lengths before its sampler asks for it, and groups
by the source alone. "marian-tuned" keeps the column: lengths of both sides together.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    DataCollatorForSeq2Seq,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from .arithmetic import executed
from .gate import Gate
from .job import Job
from .workload import Workload, load_workload

Batch = dict[str, torch.Tensor]


def train(job: Job, gate: Gate) -> None:
    """Trains for ever, epoch after epoch."""
    work = load_workload(Path(job.workload))
    model, tuned = _model(job, work), "tuned" in job.options
    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(work.folder / "tokenizer"))
    collate = DataCollatorForSeq2Seq(tokenizer, model=model)
    counter = _Counter(gate, job, model)
    Seq2SeqTrainer(
        model=model,
        args=_arguments(job, tuned),
        train_dataset=_dataset(work),
        processing_class=tokenizer,
        data_collator=counter.counting(collate),
        callbacks=[counter],
    ).train()


def _model(job: Job, work: Workload) -> MarianMTModel:
    shape = job.shape
    config = MarianConfig(
        vocab_size=shape.vocabulary,
        d_model=shape.d_model,
        encoder_layers=shape.layers,
        decoder_layers=shape.layers,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        encoder_ffn_dim=shape.ffn,
        decoder_ffn_dim=shape.ffn,
        activation_function="relu",
        max_position_embeddings=shape.positions,
        dropout=0.1,
        attention_dropout=0.0,
        scale_embedding=True,
        pad_token_id=work.statistics.pad,
        bos_token_id=work.statistics.start,
        eos_token_id=work.pairs[0].reply[-1],
        decoder_start_token_id=work.statistics.start,
        forced_eos_token_id=None,
        tie_word_embeddings=False,
        share_encoder_decoder_embeddings=True,
        attn_implementation="sdpa",
    )
    model = MarianMTModel(config)
    # One embedding for both sides, the output layer apart, as in the other contenders.
    model.model.encoder.embed_tokens = model.model.decoder.embed_tokens = model.model.shared
    return model


def _dataset(work: Workload) -> Dataset:
    return Dataset.from_dict(
        {
            "input_ids": [pair.source for pair in work.pairs],
            "attention_mask": [[1] * len(pair.source) for pair in work.pairs],
            "labels": [pair.reply for pair in work.pairs],
            "length": [len(pair.source) + len(pair.reply) for pair in work.pairs],
        }
    )


def _arguments(job: Job, tuned: bool) -> Seq2SeqTrainingArguments:
    return Seq2SeqTrainingArguments(
        output_dir=tempfile.mkdtemp(prefix="marian-"),
        remove_unused_columns=not tuned,
        per_device_train_batch_size=job.batch,
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        label_smoothing_factor=0.1,
        learning_rate=1e-4,
        num_train_epochs=100_000,
        bf16=job.bf16,
        use_cpu=job.device == "cpu",
        save_strategy="no",
        logging_steps=1_000_000,
        report_to=[],
        disable_tqdm=True,
        optim="adamw_torch_fused" if tuned else "adamw_torch",
    )


class _Counter(TrainerCallback):
    """Counts the batches that are collated and tells the gate after each update.

    Without worker processes a batch is collated one update ahead, so counts wait in a line.
    """

    def __init__(self, gate: Gate, job: Job, model: MarianMTModel) -> None:
        self.gate, self.job = gate, job
        self.parameters = model.num_parameters()
        self.waiting: list[tuple[int, int, float]] = []

    def counting(self, collate: Callable[[list[Any]], Batch]) -> Callable[[list[Any]], Batch]:
        """Wraps the collator."""

        def wrapped(rows: list[dict[str, Any]]) -> Batch:
            kept = [{k: v for k, v in row.items() if k != "length"} for row in rows]
            tokens = sum(len(row["input_ids"]) + len(row["labels"]) for row in rows)
            batch = collate(kept)
            sides = batch["input_ids"].shape[1], batch["labels"].shape[1]
            self.waiting.append((len(rows), tokens, executed(self.job.shape, len(rows), *sides)))
            return batch

        return wrapped

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Waits for the first turn."""
        self.gate.open(parameters=self.parameters)

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        """Forgets what was collated ahead in a pass that ended early."""
        self.waiting.clear()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Passes the oldest count on; each block is a new pass."""
        control.should_epoch_stop = self.gate.step(*self.waiting.pop(0))
