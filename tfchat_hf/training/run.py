# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One training run, from its settings to a finished folder: read `run_training` from the top."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import set_seed

from data_builders.errors import UserError
from data_builders.translation import _

from ..publishing.push import PushOrder, publish_after_training, push_order
from ..settings.arguments import RunArguments, TFChatTrainingArguments, resolved_settings
from ..settings.resuming import asks_for_more, check_resumable, check_same_data, settings_before
from ..settings.run_folder import SETTINGS_FILE, RunFolder, process_count
from .callbacks import Report, StopRequest, time_spent
from .checkpoints import name_best_here, sweep
from .find_batch_size import find_batch_size
from .processes import check_processes, keep_freed_memory, leave
from .reporting import announce, finite, write_finished_run
from .set_up import build_model, build_trainer, planned_updates, read_data
from .time_budget import check_schedule, epochs_under_budget
from .trainer import TFChatTrainer

INTERRUPTED = 130
NOT_PUSHED = 3


def run_training(run: RunArguments, report: Report, request: StopRequest) -> int:
    """Train, evaluate and write the run folder.

    Args:
        run: checked settings.
        report: takes the lines meant for the user.
        request: told of Ctrl-C and SIGTERM.

    Returns:
        The exit code: 0; 130 when the run was stopped and can be resumed; 3 when it is finished
        but could not be pushed.
    """
    args, folder = run.training, RunFolder(run.training.output_dir)
    check_processes(args.world_size, os.environ)
    if args.device.type == "cpu":
        keep_freed_memory()
    order = push_order(args)
    if args.max_minutes is not None:
        check_schedule(args.lr_scheduler_type)
        args.num_train_epochs = epochs_under_budget(args.num_train_epochs, run.given)
    with args.main_process_first(desc="folder"):
        if args.should_save:
            folder.settle()
    folder.check_free(args.overwrite, args.resume)
    work = folder.workplace(args.overwrite, args.resume)
    if args.resume and work.finished and not asks_for_more(work, resolved_settings(run)):
        return _nothing_to_train(order, folder, args.should_save, report)

    with args.main_process_first(desc="data"):
        data = read_data(run.data, run.origin, report)
    data.collect_questions(args.eval_max_samples, args.seed)
    set_seed(args.seed)
    model = build_model(run.model, run.generation, run.origin, data)
    args.output_dir = str(work.path)
    trainer = build_trainer(args, model, data, report, request)
    settings = {**resolved_settings(run), "output_dir": str(folder.path)}

    checkpoint = _open_folder(args, work, settings, data.examples.report(), report)
    if not args.plain:
        trainer.check_against_network(report)
    if args.find_batch_size:
        find_batch_size(trainer, report)
    announce(data, trainer, report)
    figures = _train(trainer, checkpoint, request)
    if request.asked:
        return _stopped(work, args.overwrite, report)
    if figures["train_loss"] is None and work.finished:
        return _nothing_to_train(order, folder, args.should_save, report)
    args.output_dir = str(folder.path)
    write_finished_run(run, work, settings, data, trainer, figures, report)
    leave()
    return _push(order, folder, args.should_save, report)


def _stopped(work: RunFolder, overwrites: bool, report: Report) -> int:
    """Say what a stopped run has left, and how to go on."""
    last = work.last_checkpoint(report)
    place = work.path
    if last:
        report(_("stopped; {name} is in {folder}.", name=last.name, folder=place))
    else:
        report(_("stopped; no checkpoint is in {folder}.", folder=place))
    if overwrites:
        report(_("Go on with the same command and --resume instead of --overwrite."))
    else:
        report(_("Go on with the same command and --resume."))
    return INTERRUPTED


def _nothing_to_train(
    order: PushOrder | None, folder: RunFolder, is_first: bool, report: Report
) -> int:
    report(
        _(
            "{folder} holds a finished run already: nothing to resume. A higher "
            "`num_train_epochs` or `max_steps` trains it further.",
            folder=folder.path,
        )
    )
    return _push(order, folder, is_first, report)


def _push(order: PushOrder | None, folder: RunFolder, is_first: bool, report: Report) -> int:
    """Publish the finished folder if that was asked for; return the exit code."""
    if order is None or not is_first:
        return 0
    return 0 if publish_after_training(folder.path, order, report) else NOT_PUSHED


def _train(trainer: TFChatTrainer, checkpoint: Path | None, request: StopRequest) -> dict[str, Any]:
    """Train to the end or to a stop.

    Returns:
        What metrics.json says of the training.
    """
    loss = None
    if checkpoint is None or not trainer.restore_if_trained(checkpoint, planned_updates(trainer)):
        with request.training(), _memory_errors(trainer.args):
            result = trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))
        loss = result.training_loss
    seconds, cpu_seconds = time_spent(trainer.state)
    return {
        "train_loss": finite(loss),
        "train_seconds": round(seconds, 1),
        "train_cpu_seconds": round(cpu_seconds, 1),
        "resumed_from": checkpoint.name if checkpoint else None,
    }


@contextlib.contextmanager
def _memory_errors(args: TFChatTrainingArguments) -> Iterator[None]:
    """Say what to do when the memory of a GPU is full."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        if not args.find_batch_size:
            raise UserError(
                "the memory of the device is full. Add --find_batch_size, which cuts updates into "
                "smaller batches: the training stays the same."
            ) from error
        number = 2 * args.gradient_accumulation_steps
        if args.tokens_per_update:
            raise UserError(
                "the memory of the device is full: this batch is larger than those that were "
                "tried. Set `gradient_accumulation_steps` to {number} and add --resume.",
                number=number,
            ) from error
        raise UserError(
            "the memory of the device is full: this batch is larger than those that were tried. "
            "Set `gradient_accumulation_steps` to {number} and `per_device_train_batch_size` so "
            "that their product is the one in your settings, and add --resume.",
            number=number,
        ) from error


def _open_folder(
    args: TFChatTrainingArguments,
    folder: RunFolder,
    settings: dict[str, object],
    counts: dict[str, Any],
    report: Report,
) -> Path | None:
    """Make the run folder ready and find the checkpoint to go on from.

    Args:
        args: of the training.
        folder: where it writes.
        settings: all of them, which a resumed run must have begun with.
        counts: of the examples, with their digest.
        report: takes the lines meant for the user.
    """
    with args.main_process_first(desc="sweep"):
        if args.should_save and not args.overwrite:
            sweep(folder.path)
    checkpoint = folder.last_checkpoint(report) if args.resume else None
    if checkpoint is not None:
        _compare(args, folder, checkpoint, settings, counts, report)
        return checkpoint
    if folder.finished and args.resume:
        raise UserError(
            "{folder} holds a finished run and no whole checkpoint to go on from. Begin "
            "another run with its weights: --init_from {folder} and another --output_dir.",
            folder=folder.path,
        )
    if args.resume:
        report(_("no checkpoint to resume from: starting at the beginning"))
    if args.should_save:
        if args.overwrite:
            folder.clear()
        folder.start(settings, counts)
    return None


def _compare(
    args: TFChatTrainingArguments,
    folder: RunFolder,
    checkpoint: Path,
    settings: dict[str, object],
    counts: dict[str, Any],
    report: Report,
) -> None:
    """Refuse what a run cannot be resumed with, and say what is another now."""
    before, processes = settings_before(folder), (process_count(checkpoint), args.world_size)
    if before is None:
        report(
            _(
                "note: {folder} has no {file}: the settings could not be compared",
                folder=folder.path,
                file=SETTINGS_FILE,
            )
        )
    else:
        changed = check_resumable(before, settings, processes, checkpoint)
        check_same_data(folder, counts["train_digest"], settings["dataset"])
        for key, (was, value) in changed.items():
            report(
                _(
                    "note: `{key}` was {was!r}, now {value!r}; the result is not that of an "
                    "uninterrupted run",
                    key=key,
                    was=was,
                    value=value,
                )
            )
    with args.main_process_first(desc="paths"):
        if args.should_save:
            name_best_here(checkpoint)
    report(_("resuming from {name}", name=checkpoint.name))
    if processes[0] != processes[1]:
        report(
            _(
                "note: written by {was} processes, now {number}: the same pairs, other dropout",
                was=processes[0],
                number=processes[1],
            )
        )
