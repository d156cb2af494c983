# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a run works with: its data, its model, its trainer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from datasets import Dataset, DatasetDict
from transformers import PreTrainedTokenizerBase
from transformers.trainer_utils import IntervalStrategy

from data_builders.errors import UserError
from data_builders.translation import _

from ..examples.preparing import PreparedData, load_or_train_tokenizer, prepare_data, read_dialogues
from ..examples.questions import Question, collect_questions, frequent_replies
from ..examples.rows import ExampleRows
from ..measuring.relevance import ranking_tasks
from ..measuring.selection import ReplyAssessor
from ..model.configuration_tfchat import TFChatConfig
from ..model.modeling_tfchat import TFChatForConditionalGeneration
from ..publishing.card import list_sources
from ..settings.arguments import DataArguments, GenerationArguments, TFChatTrainingArguments
from ..settings.init_from import (
    check_same_tokenizer,
    load_tokenizer,
    load_weights,
    network_without_setting,
)
from ..settings.keys import NETWORK
from ..text.tokenization import character_runs, first_byte_token_id, fit_tokenizer
from .batch_sampler import UpdatePlan
from .callbacks import (
    EarlyStopping,
    MemoryCallback,
    ProgressLine,
    Report,
    StopCallback,
    StopRequest,
    TimeSpent,
)
from .losses import LossOptions, frequency_weights
from .samples import CollapseWarning, SampleTable, add_samples_to_tensorboard
from .throughput import ThroughputCallback
from .time_budget import TimeBudgetCallback, TrainingClock
from .trainer import TFChatTrainer

# Schedules that transformers makes without a warm-up, whatever `warmup_steps` says.
_WITHOUT_WARMUP = ("constant", "reduce_lr_on_plateau", "greedy")


@dataclass
class RunData:
    """The dialogues of a run as the model reads them.

    Attributes:
        settings: which dialogues, and how they became examples.
        examples: of both splits.
        sources: where the dialogues come from, for the model card.
        tokenizer: that made the ids.
        dialogues: that the examples were made of.
        questions: asked of the model, by split; at first none.
    """

    settings: DataArguments
    examples: PreparedData
    sources: list[dict[str, Any]]
    tokenizer: PreTrainedTokenizerBase
    dialogues: DatasetDict
    questions: dict[str, list[Question]] = field(default_factory=dict)

    def collect_questions(self, limit: int, seed: int) -> None:
        """Draw at most `limit` questions of each split, always the same; 0 takes all."""
        splits = {"train": self.examples.train, "validation": self.examples.validation}
        corpus = list(splits.values())
        self.questions = {
            name: collect_questions(split, corpus, self.tokenizer, limit, seed)
            for name, split in splits.items()
        }


def read_data(settings: DataArguments, origin: str | None, report: Report) -> RunData:
    """Build dialogues, tokenizer and examples, or read them from the cache.

    Args:
        settings: of the data.
        origin: the model that the run begins with, which brings its tokenizer.
        report: takes the lines meant for the user.
    """
    built = read_dialogues(settings)
    for line in built.report.lines():
        report(line)
    tokenizer = _get_tokenizer(settings, origin, built.dataset["train"])
    examples = prepare_data(built.dataset, tokenizer, settings)
    sources = list_sources(built.report, settings.dataset)
    return RunData(settings, examples, sources, tokenizer, built.dataset)


def _get_tokenizer(
    settings: DataArguments, origin: str | None, dialogues: Dataset
) -> PreTrainedTokenizerBase:
    """Take the tokenizer of the model that the run begins with, or the one of the settings."""
    length = settings.max_source_length
    if origin is None:
        return load_or_train_tokenizer(dialogues, settings, length)
    tokenizer = load_tokenizer(origin, length)
    if settings.tokenizer is not None:
        given = load_or_train_tokenizer(dialogues, settings, length)
        check_same_tokenizer(tokenizer, given, settings.tokenizer, origin)
    return tokenizer


def build_model(
    network: TFChatConfig, answers: GenerationArguments, origin: str | None, data: RunData
) -> TFChatForConditionalGeneration:
    """Make a model that fits the data, with new weights or those of another model.

    Args:
        network: its shape.
        answers: how it answers if nobody says otherwise.
        origin: the model to take the weights from; None for new ones.
        data: whose tokenizer it reads and writes.
    """
    tokenizer = data.tokenizer
    config = TFChatConfig(
        **{name: getattr(network, name) for name in NETWORK},
        **(network_without_setting(origin) if origin else {"vocab_size": len(tokenizer)}),
        max_context_turns=data.settings.max_context_turns,
        reads_system_messages=data.examples.train_counts.reads_system,
        swap_sides=data.settings.swap_sides,
        first_byte_token_id=first_byte_token_id(tokenizer),
        character_runs=character_runs(tokenizer),
        doubled_tokens=ExampleRows(data.examples.train).doubled_tokens(len(tokenizer)),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        sep_token_id=tokenizer.sep_token_id,
        decoder_start_token_id=tokenizer.bos_token_id,
    )
    # Now and not at the end, so that checkpoints hold the template of this model too.
    fit_tokenizer(tokenizer, config)
    model = load_weights(origin, config) if origin else TFChatForConditionalGeneration(config)
    model.generation_config = answers.config(model.generation_config)
    return model


def build_trainer(
    args: TFChatTrainingArguments,
    model: TFChatForConditionalGeneration,
    data: RunData,
    report: Report,
    request: StopRequest,
) -> TFChatTrainer:
    """Build the trainer with everything that happens beside the updates.

    Args:
        args: the training settings; evaluation is turned off where there is nothing to evaluate.
        model: to train.
        data: with its questions.
        report: takes the lines meant for the user.
        request: told of Ctrl-C and SIGTERM.
    """
    validation = data.examples.validation
    if not len(validation):
        _do_without_validation(args, data.settings)
    clock = None if args.max_minutes is None else TrainingClock(args.max_minutes)
    assessor, pairs = _build_assessor(args, data), args.eval_relevance_samples
    trainer = TFChatTrainer(
        model=model,
        args=args,
        tokenizer=data.tokenizer,
        train=data.examples.train_augmented,
        validation=validation,
        losses=_choose_losses(args, data),
        characters=data.examples.validation_characters(),
        assessor=assessor,
        tasks=ranking_tasks(validation, pairs, args.seed) if pairs else (),
        clock=clock,
        callbacks=[
            *(ProgressLine(report, clock), StopCallback(request, report), MemoryCallback()),
            TimeSpent(),
        ],
    )
    _check_pieces(args, trainer.sampler.plan)
    if clock is not None:
        trainer.add_callback(TimeBudgetCallback(clock, args.warmup_steps, report))
    if assessor is not None:
        trainer.add_callback(SampleTable(assessor, args.output_dir, report))
        trainer.add_callback(CollapseWarning(assessor, report, clock))
    if args.early_stopping_patience:
        trainer.add_callback(EarlyStopping(args.early_stopping_patience, report))
    add_samples_to_tensorboard(trainer, assessor)
    # First in the list: reporters show the speed only if it is among the numbers by then.
    trainer.callback_handler.callbacks.insert(0, ThroughputCallback(trainer.meter, report))
    if args.world_size > 1:
        # Dropout on each process is its own; the weights are those of the first one anyway.
        torch.manual_seed(args.seed + args.process_index)
    return trainer


def planned_updates(trainer: TFChatTrainer) -> int:
    """Return how many updates the run has, if no clock ends it."""
    args = trainer.args
    if args.max_steps > 0:
        return args.max_steps
    return math.ceil(trainer.sampler.plan.updates * args.num_train_epochs)


def warmup_updates(trainer: TFChatTrainer) -> int:
    """Return over how many updates the learning rate really rises."""
    args = trainer.args
    if trainer.clock is not None:
        return trainer.clock.warmup_steps or 0
    if getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type) in _WITHOUT_WARMUP:
        return 0
    return int(args.get_warmup_steps(planned_updates(trainer)))


def peak_learning_rate(trainer: TFChatTrainer, updates: int) -> float:
    """Return the highest rate of a run of so many updates: one that is short has not warmed up."""
    warmup = warmup_updates(trainer)
    return float(trainer.args.learning_rate * (min(1.0, updates / warmup) if warmup else 1.0))


def _check_pieces(args: TFChatTrainingArguments, plan: UpdatePlan) -> None:
    """Refuse to cut updates into more batches than they have pairs: each would cost a pass."""
    pieces, pairs = args.gradient_accumulation_steps, len(plan.source_lengths) / plan.updates
    most = math.ceil(pairs)
    if 1 < pieces > most:
        raise UserError(
            "`gradient_accumulation_steps` must be at most {most}, the pairs that an update "
            "has (got {pieces}). Lower it, or raise the size of an update.",
            most=most,
            pieces=pieces,
        )


def _do_without_validation(args: TFChatTrainingArguments, data: DataArguments) -> None:
    """Turn evaluation off where there is nothing to evaluate on."""
    if args.load_best_model_at_end:
        share = data.validation_fraction
        now = "" if share is None else _(" (now {value})", value=share)
        raise UserError(
            "`load_best_model_at_end` needs validation examples and there are none. Raise "
            "`validation_fraction`{now} or add data.",
            now=now,
        )
    args.eval_strategy = IntervalStrategy.NO


def _build_assessor(args: TFChatTrainingArguments, data: RunData) -> ReplyAssessor | None:
    """Make what answers questions at each evaluation, if that is wanted and possible."""
    asked = data.questions["validation"][: args.eval_generate_samples or None]
    if not args.predict_with_generate or not asked:
        return None
    return ReplyAssessor(
        asked,
        data.tokenizer,
        args.per_device_eval_batch_size,
        frequent_replies(data.examples.train),
        split=not args.fsdp,
    )


def _choose_losses(args: TFChatTrainingArguments, data: RunData) -> LossOptions:
    """Return the losses that the settings ask for."""
    tokenizer, weights = data.tokenizer, None
    if args.frequency_weight:
        counts = ExampleRows(data.examples.train_augmented).label_counts(len(tokenizer))
        weights = frequency_weights(counts, args.frequency_weight, [tokenizer.eos_token_id])
    return LossOptions(
        args.label_smoothing_factor,
        args.unlikelihood_weight,
        weights,
        tuple(tokenizer.all_special_ids),
    )
