# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a run works with once its data is read: examples, tokenizer, model, trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, set_seed
from transformers.trainer_utils import IntervalStrategy

from ..examples.preparing import PreparedData, load_or_train_tokenizer, prepare_data, read_dialogues
from ..examples.questions import Question, collect_questions, frequent_replies
from ..examples.rows import ExampleRows
from ..measuring.relevance import ranking_tasks
from ..measuring.selection import ReplyAssessor
from ..model.configuration_tfchat import TFChatConfig
from ..model.generation_tfchat import with_presets
from ..model.modeling_tfchat import TFChatForConditionalGeneration
from ..publishing.card import list_sources
from ..settings.arguments import RunArguments, SettingsError
from ..settings.init_from import (
    check_same_tokenizer,
    load_tokenizer,
    load_weights,
    network_without_setting,
)
from ..text.tokenization import character_runs, first_byte_token_id, fit_tokenizer
from .batches.finder import Update, find_pieces
from .batches.updates import PieceSampler
from .callbacks.early_stopping import EarlyStopping
from .callbacks.memory import MemoryCallback
from .callbacks.progress import ProgressLine
from .callbacks.quality import CollapseWarning, SampleTable
from .callbacks.stopping import StopCallback, StopRequest
from .callbacks.throughput import ThroughputCallback
from .callbacks.time_budget import TimeBudgetCallback
from .callbacks.tracking import add_samples_to_tensorboard
from .losses import LossOptions, frequency_weights, label_counts
from .time_budget import TrainingClock, epochs_under_budget
from .trainer import TFChatTrainer

Report = Callable[[str], None]


@dataclass
class Workshop:
    """The parts of one run.

    Attributes:
        data: the examples.
        sources: where the dialogues come from, for the model card.
        tokenizer: of the data.
        trainer: ready to train.
        questions: asked of the finished model, by split.
        updates: how many the run has, if no clock ends it.
    """

    data: PreparedData
    sources: list[dict[str, Any]]
    tokenizer: PreTrainedTokenizerBase
    trainer: TFChatTrainer
    questions: dict[str, list[Question]]
    updates: int


def set_up(run: RunArguments, report: Report, request: StopRequest) -> Workshop:
    """Reads the data and builds tokenizer, model and trainer."""
    with run.training.main_process_first(desc="data"):
        data, sources, tokenizer = _read_data(run, report)
    if not len(data.validation):
        _do_without_validation(run)
    limit, seed = run.training.eval_max_samples, run.training.seed
    corpus = [data.train, data.validation]
    questions = {
        "train": collect_questions(data.train, corpus, tokenizer, limit, seed),
        "validation": collect_questions(data.validation, corpus, tokenizer, limit, seed),
    }
    set_seed(seed)
    trainer = _make_trainer(run, data, tokenizer, questions["validation"], report, request)
    if run.training.world_size > 1:
        # Dropout on each process is its own; the weights are those of the first one anyway.
        torch.manual_seed(seed + run.training.process_index)
    planned = trainer.sampler.plan.updates * run.training.num_train_epochs
    updates = run.training.max_steps if run.training.max_steps > 0 else int(np.ceil(planned))
    return Workshop(data, sources, tokenizer, trainer, questions, updates)


def _read_data(
    run: RunArguments, report: Report
) -> tuple[PreparedData, list[dict[str, Any]], PreTrainedTokenizerBase]:
    """Builds dialogues, tokenizer and examples, or reads them from the cache."""
    settings = run.data
    built = read_dialogues(settings)
    for line in built.report.lines():
        report(line)
    tokenizer = _get_tokenizer(run, built.dataset["train"])
    data = prepare_data(built.dataset, tokenizer, settings)
    return data, list_sources(built.report, settings.dataset), tokenizer


def _get_tokenizer(run: RunArguments, dialogues: Dataset) -> PreTrainedTokenizerBase:
    """Takes the tokenizer of the model that the run begins with, or the one of the settings."""
    settings, length = run.data, run.data.max_source_length
    if run.origin is None:
        return load_or_train_tokenizer(dialogues, settings, length)
    tokenizer = load_tokenizer(run.origin, length)
    if settings.tokenizer is not None:
        given = load_or_train_tokenizer(dialogues, settings, length)
        check_same_tokenizer(tokenizer, given, run)
    return tokenizer


def _do_without_validation(run: RunArguments) -> None:
    """Turns evaluation off where there is nothing to evaluate on."""
    if run.training.load_best_model_at_end:
        raise SettingsError(
            "`load_best_model_at_end` needs validation examples and there are none. Raise "
            f"`validation_fraction` (now {run.data.validation_fraction}) or add data."
        )
    run.training.eval_strategy = IntervalStrategy.NO


def _make_trainer(
    run: RunArguments,
    data: PreparedData,
    tokenizer: PreTrainedTokenizerBase,
    questions: list[Question],
    report: Report,
    request: StopRequest,
) -> TFChatTrainer:
    """Builds the trainer with everything that happens beside the updates."""
    args = run.training
    clock = None
    if args.max_minutes is not None:
        clock = TrainingClock(args.max_minutes)
        args.num_train_epochs = epochs_under_budget(args.num_train_epochs, run.given)
    assessor = _assessor(run, tokenizer, questions, data)
    asked = args.eval_relevance_samples
    model = build_model(run, tokenizer, data.train_counts.reads_system)
    # Here and not at the end, so that checkpoints hold the template of this model too.
    fit_tokenizer(tokenizer, model.config)
    trainer = TFChatTrainer(
        model=model,
        args=args,
        tokenizer=tokenizer,
        train=data.lessons,
        validation=data.validation,
        losses=_losses(run, data, tokenizer),
        characters=data.validation_characters(),
        assessor=assessor,
        tasks=ranking_tasks(data.validation, asked, args.seed) if asked else (),
        clock=clock,
        callbacks=[ProgressLine(report, clock), StopCallback(request, report), MemoryCallback()],
    )
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
    return trainer


def _assessor(
    run: RunArguments,
    tokenizer: PreTrainedTokenizerBase,
    questions: list[Question],
    data: PreparedData,
) -> ReplyAssessor | None:
    """Makes what answers questions at each evaluation, if that is wanted and possible."""
    asked = questions[: run.training.eval_generate_samples or None]
    if not run.training.predict_with_generate or not asked:
        return None
    return ReplyAssessor(
        asked,
        tokenizer,
        run.training.per_device_eval_batch_size,
        frequent_replies(data.train),
        split=not (run.training.fsdp or run.training.deepspeed),
    )


def _losses(
    run: RunArguments, data: PreparedData, tokenizer: PreTrainedTokenizerBase
) -> LossOptions:
    """Chooses the losses that the settings ask for."""
    args, weights = run.training, None
    if args.frequency_weight:
        rows = ExampleRows(data.lessons)
        targets = (
            ids
            for start in range(0, len(rows), 1000)
            for _, ids in rows.__getitems__(range(start, min(start + 1000, len(rows))))
        )
        counts = label_counts(targets, len(tokenizer))
        weights = frequency_weights(counts, args.frequency_weight, [tokenizer.eos_token_id])
    return LossOptions(
        args.label_smoothing_factor,
        args.unlikelihood_weight,
        weights,
        tuple(tokenizer.all_special_ids),
    )


def build_model(
    run: RunArguments, tokenizer: PreTrainedTokenizerBase, reads_system: bool = False
) -> TFChatForConditionalGeneration:
    """Makes a model that fits the tokenizer, with the generation defaults of the run.

    Its weights are new ones, or with `init_from` those of another model.

    Args:
        run: the settings.
        tokenizer: of the data.
        reads_system: the data has system messages for the model to read.
    """
    beside = {"vocab_size": len(tokenizer)}
    if run.origin is not None:
        beside = network_without_setting(run.origin)
    config = TFChatConfig(
        **vars(run.model),
        **beside,
        max_context_turns=run.data.max_context_turns,
        reads_system_messages=reads_system,
        swap_sides=run.data.swap_sides,
        first_byte_token_id=first_byte_token_id(tokenizer),
        character_runs=character_runs(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        sep_token_id=tokenizer.sep_token_id,
        decoder_start_token_id=tokenizer.bos_token_id,
    )
    if run.origin is None:
        model = TFChatForConditionalGeneration(config)
    else:
        model = load_weights(run.origin, config)
    chosen = {
        name.removeprefix("generation_"): value
        for name, value in vars(run.generation).items()
        if value is not None and name != "generation_preset"
    }
    if run.training.generation_num_beams is not None:
        chosen["num_beams"] = run.training.generation_num_beams
    preset = run.generation.generation_preset
    model.generation_config = with_presets(model.generation_config, preset)
    model.generation_config.update(**chosen)
    return model


def fit_to_memory(shop: Workshop, report: Report) -> None:
    """Cuts updates into as many pieces as the memory of the device asks for, if that is wanted."""
    trainer = shop.trainer
    args, plan = trainer.args, trainer.sampler.plan
    if not args.find_batch_size:
        return
    world = args.world_size

    def epoch(pieces: int) -> Iterator[np.ndarray]:
        cutter = PieceSampler(plan, pieces, world_size=world)
        for update in plan.order(0):
            yield from cutter.cut(update)

    update = Update(
        plan.source_lengths,
        plan.target_lengths,
        plan.tokens // world,
        -(-plan.pairs // world),
        epoch,
    )

    def train_piece(numbers: np.ndarray) -> None:
        batch = trainer.batch_maker(trainer.examples.__getitems__(numbers))
        inputs = trainer._prepare_inputs(batch)
        with trainer.accelerator.autocast():  # the model is not wrapped yet
            tokens = torch.tensor(1.0, device=args.device)
            loss = trainer.compute_loss(trainer.model, inputs, num_items_in_batch=tokens)
        loss.backward()

    pieces = find_pieces(trainer.model, update, train_piece, report)
    trainer.attend("eager")
    if pieces is not None:
        args.gradient_accumulation_steps = trainer.sampler.pieces = pieces
