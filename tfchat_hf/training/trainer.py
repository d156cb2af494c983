# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Seq2SeqTrainer where it must differ: batches, the loss on real tokens, exact evaluation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from safetensors.torch import load_model
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

from ..examples.rows import ExampleRows
from ..measuring.evaluation import exact_loss
from ..measuring.relevance import RankingTask, measure_relevance
from ..measuring.selection import ReplyAssessor, selection_score
from ..settings.arguments import TFChatTrainingArguments, fast_dtype
from ..text.errors import UserError
from .batches.collating import BatchMaker
from .batches.question_noise import NoisyQuestions
from .batches.updates import PieceSampler, UpdatePlan
from .callbacks.early_stopping import evaluations_since_best
from .callbacks.progress import ProgressBar
from .callbacks.time_budget import time_was_up
from .cheap_dropout import use_cheap_dropout
from .checkpoints import WholeCheckpointTrainer
from .loss_check import fast_loss_agrees
from .losses import LossOptions
from .muon import muon_with_adamw
from .reply_loss import ReplyLoss
from .throughput import ThroughputMeter
from .time_budget import TrainingClock, time_budget_schedule

MODEL_COLUMNS = ["input_ids", "labels"]


class EpochCallback(TrainerCallback):
    """Tells the sampler its epoch, whatever accelerate has wrapped around it."""

    def __init__(self, sampler: PieceSampler) -> None:
        """Keeps the sampler."""
        self.sampler = sampler

    def on_epoch_begin(
        self,
        args: TFChatTrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Passes the epoch on."""
        self.sampler.set_epoch(int(state.epoch or 0))


class TFChatTrainer(WholeCheckpointTrainer):
    """Trains on updates of like length without padding and evaluates without smoothing.

    Attributes:
        meter: counts pairs, tokens and arithmetic of the run.
        sampler: of the training batches of this process.
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
        """Builds the trainer.

        Args:
            model: a `TFChatForConditionalGeneration`.
            args: the training settings.
            tokenizer: pads, and is saved in every checkpoint.
            train: examples with the columns `input_ids` and `labels`; others are left out.
            validation: the same.
            losses: what is minimised; None for cross-entropy with the settings' smoothing.
            assessor: answers questions at each evaluation; None for none.
            tasks: that tell at each evaluation how much the model listens (`ranking_tasks`).
            clock: of a run that ends with a time; the learning rate follows it.
            characters: of all validation replies, for bits per character.
            callbacks: beside transformers' own.
        """
        self.losses = losses or LossOptions(label_smoothing=args.label_smoothing_factor)
        self.assessor = assessor
        self.tasks = tasks
        self.clock = clock
        self.characters = characters
        self.meter = ThroughputMeter()
        self.examples = ExampleRows(train)
        self.sampler = PieceSampler(
            update_plan(self.examples, args),
            args.gradient_accumulation_steps,
            args.process_index,
            args.world_size,
            epochs_apart=bool(args.question_dropout or args.random_history),
        )
        # torch.compile wants few shapes: padded batches have few, packed ones a new one each.
        self.packs = not (args.torch_compile or args.plain)
        self.batch_maker = BatchMaker(model.config, packed=self.packs)
        # What is read is what runs, unless the packed way was found to be the same.
        model.set_attn_implementation("eager")
        if self.packs and args.device.type == "cpu":
            use_cheap_dropout(model)
        super().__init__(
            model=model,
            args=args,
            data_collator=DataCollatorForSeq2Seq(tokenizer, model=model),
            train_dataset=self.examples,
            eval_dataset=by_length(validation) if len(validation) else None,
            processing_class=tokenizer,
            callbacks=[*callbacks, EpochCallback(self.sampler)],
        )
        # The losses divide by the tokens of the whole update themselves.
        self.loss_is_scaled_for_ga = True
        self.losses = self.losses.to(args.device)
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)
        if not args.disable_tqdm:
            self.add_callback(ProgressBar(endless=clock is not None))

    def get_train_dataloader(self) -> DataLoader:
        """Gives the batches of this process.

        Not through accelerate: its shards would deal out whole batches again, and draw from the
        random numbers that dropout needs.
        """
        args = self.args
        workers, lessons = args.dataloader_num_workers, self.examples
        if args.question_dropout or args.random_history:
            longest = self.model.config.max_position_embeddings
            lessons = NoisyQuestions(
                lessons, args.question_dropout, args.random_history, longest, args.seed
            )
        return DataLoader(
            lessons,
            batch_sampler=self.sampler,
            collate_fn=self.batch_maker,
            num_workers=workers,
            pin_memory=self.args.dataloader_pin_memory,
            persistent_workers=self.args.dataloader_persistent_workers and workers > 0,
            prefetch_factor=self.args.dataloader_prefetch_factor,
            generator=torch.Generator().manual_seed(self.args.seed),
        )

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Makes the optimizer of `optim`, or with `muon_learning_rate` Muon beside AdamW."""
        args = self.args
        if self.optimizer is None and args.muon_learning_rate:
            self.optimizer = muon_with_adamw(
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
        """Makes the schedule of the learning rate; with a clock, one that ends with the time."""
        if self.clock is None:
            return super().create_scheduler(num_training_steps, optimizer)
        if self.lr_scheduler is None:
            args = self.args
            self.lr_scheduler = time_budget_schedule(
                optimizer or self.optimizer,
                self.clock,
                args.warmup_steps,
                args.lr_scheduler_type,
                num_training_steps,
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """Trains; afterwards the network attends as it is read, however training has ended."""
        try:
            return super().train(*args, **kwargs)
        finally:
            self.attend("eager")

    def training_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Counts a batch and learns from it."""
        facts = inputs["facts"]
        self.meter.count(
            facts.pairs, facts.source_tokens, facts.target_tokens, facts.flops, facts.positions
        )
        return super().training_step(model, inputs, num_items_in_batch)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        """Sums the losses of one piece and divides by the reply tokens of the whole update.

        The gradients of several processes are averaged, hence the factor `world_size`.
        """
        inputs = dict(inputs)
        facts, rows, kept = inputs.pop("facts"), inputs.pop("rows"), inputs.pop("kept")
        tokens = num_items_in_batch / self.args.world_size
        self.attend("packed" if "packing" in inputs else "eager")
        if self.args.plain:
            smoothing = self.losses.label_smoothing
            outputs = model(**inputs, smoothing=smoothing, num_items_in_batch=tokens)
            return (outputs.loss, outputs) if return_outputs else outputs.loss
        if "packing" in inputs:
            inputs["packing"] = inputs["packing"].to(self.args.device)
        head = self.accelerator.unwrap_model(model).lm_head
        reply_loss = ReplyLoss(self.losses, head, kept, rows, learns=facts.pairs > 0)
        outputs = model(**inputs, reply_loss=reply_loss)
        loss = outputs.loss / tokens
        return (loss, outputs) if return_outputs else loss

    def check_against_network(self, report: Callable[[str], None]) -> None:
        """Fall back to the readable way where the fast one would learn another network.

        Raises:
            UserError: if the readable way cannot be taken with these settings.
        """
        examples = self.examples.__getitems__(range(min(4, len(self.examples))))
        if fast_loss_agrees(self.model, examples, self.packs, self.losses.label_smoothing):
            return
        if not self.losses.is_plain:
            raise UserError(
                "the network attends, or makes its loss, in another way than training does for "
                "speed, and `unlikelihood_weight` and `frequency_weight` know no other way. Set "
                "both to 0."
            )
        report(
            "note: the network attends, or makes its loss, in another way than training does for "
            "speed: training as with `plain: true`"
        )
        self.args.plain, self.packs = True, False
        self.batch_maker = BatchMaker(self.model.config, packed=False)

    def attend(self, implementation: str) -> None:
        """Let the network attend with another implementation: it looks for it at each call."""
        if implementation != self.model.config._attn_implementation:
            self.model.set_attn_implementation(implementation)

    def floating_point_ops(self, inputs: dict[str, Any]) -> float:
        """Gives the arithmetic that the real tokens of a batch need."""
        return inputs["facts"].flops

    def get_total_train_batch_size(self, args: TFChatTrainingArguments) -> int:
        """Gives the mean number of pairs of an update, for transformers' own figures."""
        return max(1, round(len(self.examples) / self.sampler.plan.updates))

    def restore_if_trained(self, checkpoint: Path, planned_updates: int) -> bool:
        """Loads a checkpoint that has nothing left to train, only to be evaluated.

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
        chosen = checkpoint.parent / Path(best or checkpoint).name
        # load_model knows of tied weights, which the file holds once.
        load_model(self.model, chosen / "model.safetensors")
        self.state = state
        return True

    def _finalize_training(
        self, trial: Any, num_train_samples: int | float, start_time: float
    ) -> TrainOutput:
        """Ends training; which checkpoints stay was settled when they were written.

        transformers would delete all but the best here, the one that Ctrl-C has just made among
        them.
        """
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            return super()._finalize_training(trial, num_train_samples, start_time)
        finally:
            self.args.save_total_limit = limit

    def _ended_early(self, state: TrainerState) -> bool:
        """Tells whether the clock or early stopping has ended the run that a state is of."""
        minutes, patience = self.args.max_minutes, self.args.early_stopping_patience
        if minutes is not None and time_was_up(state, minutes):
            return True
        return bool(patience) and evaluations_since_best(self.args, state) >= patience

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: torch.nn.Module | None = None
    ) -> None:
        """Loads weights to go on from; transformers would warn of tied weights as missing."""
        if self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            load_model(self.model, Path(resume_from_checkpoint) / "model.safetensors")

    def _load_best_model(self) -> None:
        """Loads the selected checkpoint; transformers would warn of tied weights as missing."""
        if self.is_fsdp_enabled:
            super()._load_best_model()
        else:
            load_model(self.model, Path(self.state.best_model_checkpoint) / "model.safetensors")

    def evaluate(
        self,
        eval_dataset: Dataset | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
        **gen_kwargs: Any,
    ) -> dict[str, float]:
        """Measures the unsmoothed loss, relevance and, if asked for, what replies are like.

        transformers' own evaluation smooths the loss as training does, and draws random numbers,
        which would make training depend on how often it is evaluated.
        """
        start = time.time()
        self.attend("eager")
        devices = [self.args.device] if self.args.device.type == "cuda" else []
        with self.meter.paused(), torch.random.fork_rng(devices=devices):
            batches = self.get_eval_dataloader(eval_dataset)
            model = self.accelerator.prepare_model(self.model, evaluation_mode=True)
            with self.compute_loss_context_manager():
                metrics: dict[str, float] = exact_loss(
                    model, batches, self.accelerator, self.characters
                )
            if self.tasks:
                alike = not (self.args.fsdp or self.args.deepspeed)
                metrics.update(measure_relevance(self.model, self.tasks, split=alike))
            if self.args.predict_with_generate and self.assessor is not None:
                found, _ = self.assessor(self.model)
                metrics.update(found)
            metrics["selection_score"] = selection_score(
                metrics["loss"], metrics.get("mrr_pmi"), self.args.selection_relevance_weight
            )
        named = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        named.update(
            speed_metrics(metric_key_prefix, start, num_samples=self.num_examples(batches))
        )
        self.log(named)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, named)
        return named

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Saves a checkpoint; its time does not count as training."""
        with self.meter.paused():
            super()._save_checkpoint(model, trial)


def update_plan(examples: ExampleRows, args: TFChatTrainingArguments) -> UpdatePlan:
    """Plans the updates of an epoch as the settings ask for them."""
    pairs = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    seed = args.seed if args.data_seed is None else args.data_seed
    return UpdatePlan(
        examples.source_lengths, examples.target_lengths, args.tokens_per_update, pairs, seed
    )


def by_length(examples: Dataset) -> Dataset:
    """Sorts examples for evaluation: batches of like length have little padding."""
    chosen = examples.select_columns(MODEL_COLUMNS)
    rows = ExampleRows(chosen)
    return chosen.select(np.lexsort((rows.source_lengths, rows.target_lengths)))
