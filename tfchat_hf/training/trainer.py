# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Seq2SeqTrainer where it must differ: batches, the loss on real tokens, exact evaluation.

One update goes like this: `UpdateSampler` says which pairs (`batch_sampler.py`), `TrainingCollator`
makes batches of them (`data_collator.py`), and `compute_loss` hands each to the network. Packed
batches attend by `packed_attention.py`, and `TrainingLoss` (`losses.py`) makes the loss. With
`plain: true` the network goes through padded batches by itself, as it is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader
from transformers import (
    DataCollatorForSeq2Seq,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    ProgressCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
)
from transformers.trainer_utils import TrainOutput, speed_metrics

from data_builders.errors import UserError
from data_builders.translation import _

from ..examples.rows import ExampleRows
from ..measuring.evaluation import exact_loss
from ..measuring.relevance import RankingTask, measure_relevance
from ..measuring.selection import ReplyAssessor, selection_score
from ..settings.arguments import TFChatTrainingArguments, fast_dtype
from .batch_sampler import EpochCallback, UpdateSampler, update_plan
from .callbacks import ProgressBar, evaluations_since_best
from .cheap_dropout import use_cheap_dropout
from .checkpoints import WholeCheckpointTrainer
from .data_collator import NoisyQuestions, TrainingCollator
from .divergence import LossWatch
from .losses import LossOptions, TrainingLoss, fast_loss_agrees
from .muon import muon_with_adamw
from .packed_attention import PACKED
from .throughput import ThroughputMeter
from .time_budget import TrainingClock, time_budget_schedule, time_was_up

MODEL_COLUMNS = ["input_ids", "labels"]


class TFChatTrainer(WholeCheckpointTrainer):
    """Trains on updates of like length without padding and evaluates without smoothing.

    Attributes:
        examples: What it trains on.
        visits: The same as they look at each visit: see `NoisyQuestions`.
        sampler: Of the training batches of this process.
        train_collator: Makes the training batches; `data_collator` those of evaluations.
        meter: Counts pairs and tokens of the run.
    """

    args: TFChatTrainingArguments

    def __init__(
        self,
        model: PreTrainedModel,
        args: TFChatTrainingArguments,
        tokenizer: PreTrainedTokenizerBase,
        train: Dataset,
        validation: Dataset,
        losses: LossOptions | None = None,
        assessor: ReplyAssessor | None = None,
        tasks: Sequence[RankingTask] = (),
        clock: TrainingClock | None = None,
        characters: int | None = None,
        callbacks: Sequence[TrainerCallback] = (),
    ) -> None:
        """Build the trainer.

        Args:
            model: A `TFChatForConditionalGeneration`.
            args: The training settings.
            tokenizer: Pads, and is saved in every checkpoint.
            train: Examples with the columns `input_ids` and `labels`; others are left out.
            validation: The same.
            losses: What is minimised; None for cross-entropy with the settings' smoothing.
            assessor: Answers questions at each evaluation; None for none.
            tasks: That tell at each evaluation how much the model listens (`ranking_tasks`).
            clock: Of a run that ends with a time; the learning rate follows it.
            characters: Of all validation replies, for bits per character.
            callbacks: Beside transformers' own.
        """
        self.assessor = assessor
        self.tasks = tasks
        self.clock = clock
        self.characters = characters
        self.meter = ThroughputMeter()
        self.watch = LossWatch(model.config.vocab_size)
        self.examples = ExampleRows(train)
        self.visits: torch.utils.data.Dataset = self.examples
        if args.question_dropout or args.random_history:
            longest = model.config.max_position_embeddings
            self.visits = NoisyQuestions(
                self.examples, args.question_dropout, args.random_history, longest, args.seed
            )
        self.sampler = UpdateSampler(
            update_plan(self.examples, args),
            args.gradient_accumulation_steps,
            args.process_index,
            args.world_size,
            epochs_apart=bool(args.question_dropout or args.random_history),
        )
        # torch.compile wants few shapes: padded batches have few, packed ones a new one each.
        packed = not (args.torch_compile or args.plain)
        self.train_collator = TrainingCollator(model.config, packed)
        # What is read is what runs, unless the packed way was found to be the same.
        model.set_attn_implementation("eager")
        if packed and args.device.type == "cpu":
            use_cheap_dropout(model)
        self._flops_a_token = 6 * model.num_parameters(exclude_embeddings=True)
        super().__init__(
            model=model,
            args=args,
            data_collator=DataCollatorForSeq2Seq(tokenizer, model=model),
            train_dataset=self.examples,
            eval_dataset=by_length(validation) if len(validation) else None,
            processing_class=tokenizer,
            callbacks=[*callbacks, EpochCallback(self.sampler)],
        )
        losses = losses or LossOptions(label_smoothing=args.label_smoothing_factor)
        self.losses = losses.to(args.device)
        # They divide by the tokens of the whole update themselves.
        self.loss_is_scaled_for_ga = True
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)
        if not args.disable_tqdm:
            self.add_callback(ProgressBar(endless=clock is not None))

    # ----------------------------------------------------------------------------- one update

    def get_train_dataloader(self) -> DataLoader:
        """Return the batches of this process.

        Not through accelerate: its shards would deal out whole batches again, and draw from the
        random numbers that dropout needs.
        """
        args = self.args
        workers = args.dataloader_num_workers
        return DataLoader(
            self.visits,
            batch_sampler=self.sampler,
            collate_fn=self.train_collator,
            num_workers=workers,
            pin_memory=args.dataloader_pin_memory,
            persistent_workers=args.dataloader_persistent_workers and workers > 0,
            prefetch_factor=args.dataloader_prefetch_factor,
            generator=torch.Generator().manual_seed(args.seed),
        )

    def training_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Count a batch and learn from it."""
        self.watch.look(self)
        self.meter.count(inputs["counts"])
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.watch.add(loss, self.state.global_step)
        return loss

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        """Sum the losses of one batch and divide by the reply tokens of the whole update.

        The gradients of several processes are averaged, hence the factor `world_size`.
        """
        batch = dict(inputs)
        counts, places, replies = (batch.pop(name) for name in ("counts", "places", "replies"))
        tokens = num_items_in_batch / self.args.world_size
        self.attend(PACKED if "packing" in batch else "eager")
        if self.args.plain:
            smoothing = self.losses.label_smoothing
            outputs = model(**batch, smoothing=smoothing, num_items_in_batch=tokens)
            loss = outputs.loss
        else:
            if "packing" in batch:
                batch["packing"] = batch["packing"].to(self.args.device)
            head = self.accelerator.unwrap_model(model).lm_head
            made = TrainingLoss(self.losses, head, places, replies, learns=counts.pairs > 0)
            outputs = model(**batch, reply_loss=made)
            loss = outputs.loss / tokens
        return (loss, outputs) if return_outputs else loss

    def check_against_network(self, report: Callable[[str], None]) -> None:
        """Fall back to the readable way where the fast one would learn another network.

        Raises:
            UserError: if the readable way cannot be taken with these settings.
        """
        examples = self.examples.__getitems__(range(min(4, len(self.examples))))
        packed, smoothing = self.train_collator.packed, self.losses.label_smoothing
        if fast_loss_agrees(self.model, examples, packed, smoothing):
            return
        if not self.losses.is_plain:
            raise UserError(
                "the network attends, or makes its loss, in another way than training does for "
                "speed, and `unlikelihood_weight` and `frequency_weight` know no other way. "
                "Set both to 0."
            )
        report(
            _(
                "note: the network attends, or makes its loss, in another way than training does "
                "for speed: training as with `plain: true`"
            )
        )
        self.args.plain = True
        self.train_collator = TrainingCollator(self.model.config, packed=False)

    def attend(self, implementation: str) -> None:
        """Let the network attend with another implementation: it looks for it at each call."""
        if implementation != self.model.config._attn_implementation:
            self.model.set_attn_implementation(implementation)

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """Train; afterwards the network attends as it is read, however training has ended."""
        try:
            result = super().train(*args, **kwargs)
            self.watch.check(self)
            return result
        finally:
            self.attend("eager")

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, unless the numbers of training have gone wrong."""
        if "loss" in logs:
            self.watch.check(self)
        super().log(logs, start_time)

    # ---------------------------------------------------------------- optimizer and schedule

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Make the optimizer of `optim`, or with `muon_learning_rate` Muon beside AdamW."""
        args = self.args
        if self.optimizer is None and args.muon_learning_rate:
            self.optimizer: torch.optim.Optimizer = muon_with_adamw(
                self.model if model is None else model,
                args.muon_learning_rate,
                fast_dtype(args),
                args.weight_decay,
                lr=args.learning_rate,
                betas=(args.adam_beta1, args.adam_beta2),
                eps=args.adam_epsilon,
            )
        return super().create_optimizer(model)

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> LRScheduler:
        """Make the schedule of the learning rate; with a clock, one that ends with the time."""
        if self.clock is None:
            return super().create_scheduler(num_training_steps, optimizer)
        if self.lr_scheduler is None:
            self.lr_scheduler: LRScheduler = time_budget_schedule(
                optimizer or self.optimizer,
                self.clock,
                self.args.warmup_steps,
                self.args.lr_scheduler_type,
                num_training_steps,
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    # ----------------------------------------------------------------------------- evaluation

    def evaluate(
        self,
        eval_dataset: Dataset | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
        **gen_kwargs: Any,
    ) -> dict[str, float]:
        """Measure the unsmoothed loss, relevance and, if asked for, what replies are like.

        transformers' own evaluation smooths the loss as training does, and draws random numbers,
        which would make training depend on how often it is evaluated.
        """
        start = time.time()
        self.attend("eager")
        devices = [self.args.device] if self.args.device.type == "cuda" else []
        with self.meter.paused(), torch.random.fork_rng(devices=devices):
            batches = self.get_eval_dataloader(eval_dataset)
            metrics = self._measure(batches)
        named = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        samples = self.num_examples(batches)
        named |= speed_metrics(metric_key_prefix, start, num_samples=samples)
        self.log(named)
        told = (self.args, self.state, self.control, named)
        self.control: TrainerControl = self.callback_handler.on_evaluate(*told)
        return named

    def _measure(self, batches: DataLoader) -> dict[str, float]:
        args = self.args
        model = self.accelerator.prepare_model(self.model, evaluation_mode=True)
        with self.compute_loss_context_manager():
            metrics: dict[str, float] = exact_loss(
                model, batches, self.accelerator, self.characters
            )
        if self.tasks:
            metrics |= measure_relevance(self.model, self.tasks, split=not args.fsdp)
        if args.predict_with_generate and self.assessor is not None:
            metrics |= self.assessor(self.model)[0]
        metrics["selection_score"] = selection_score(
            metrics["loss"], metrics.get("mrr_pmi"), args.selection_relevance_weight
        )
        return metrics

    # ---------------------------------------------------------------------------- checkpoints

    def restore_if_trained(self, checkpoint: Path, planned_updates: int) -> bool:
        """Load a checkpoint that has nothing left to train, only to be evaluated.

        transformers looks at `max_steps` after a step, so its own resume would train one update
        too many.

        Returns:
            Whether it was such a checkpoint; if not, nothing is loaded.
        """
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        if state.global_step < planned_updates and not self._ended_early(state):
            return False
        best = state.best_model_checkpoint if self.args.load_best_model_at_end else None
        # By its name: the run folder may have been moved since.
        self.load_weights(checkpoint.parent / Path(best or checkpoint).name)
        self.state = state
        return True

    def _ended_early(self, state: TrainerState) -> bool:
        """Tell whether the clock or early stopping has ended the run that a state is of."""
        minutes, patience = self.args.max_minutes, self.args.early_stopping_patience
        if minutes is not None and time_was_up(state, minutes):
            return True
        return bool(patience) and evaluations_since_best(self.args, state) >= patience

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Save a checkpoint, if it is a good one; its time does not count as training."""
        self.watch.check(self)
        with self.meter.paused():
            super()._save_checkpoint(model, trial)

    # ------------------------------------------------------- what transformers' own figures ask

    def floating_point_ops(self, inputs: dict[str, Any]) -> float:
        """Estimate as transformers does, 6 a weight and token, on the real tokens of a batch."""
        return self._flops_a_token * inputs["counts"].tokens

    def get_total_train_batch_size(self, args: TFChatTrainingArguments) -> int:
        """Return the mean number of pairs of an update."""
        return max(1, round(len(self.examples) / self.sampler.plan.updates))


def by_length(examples: Dataset) -> Dataset:
    """Sort examples for evaluation: batches of like length have little padding."""
    chosen = examples.select_columns(MODEL_COLUMNS)
    rows = ExampleRows(chosen)
    return chosen.select(np.lexsort((rows.source_lengths, rows.target_lengths)))
