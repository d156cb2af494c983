# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One training run, from its settings to a finished folder: read `run_training` from the top."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import set_seed

from ..publishing.push import PushOrder, publish_after_training, push_order
from ..settings.arguments import RunArguments, resolved_settings
from ..settings.keys import NETWORK
from ..settings.run_folder import RunFolder, process_count
from ..text.errors import UserError
from .callbacks import StopRequest
from .checkpoints import sweep
from .find_batch_size import find_batch_size
from .processes import check_process_count, keep_freed_memory, leave
from .reporting import announce, finite, write_finished_run
from .set_up import build_model, build_trainer, planned_updates, read_data
from .time_budget import epochs_under_budget
from .trainer import TFChatTrainer

Report = Callable[[str], None]
INTERRUPTED = 130
NOT_PUSHED = 3
# Settings that say where things lie or how fast they are read; the examples themselves are
# compared by their digest.
_FREE_DATA_KEYS = ("dataset", "tokenizer", "dataset_cache_dir", "preprocessing_num_proc", "strict")


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
    check_process_count(args.world_size, os.environ)
    if args.device.type == "cpu":
        keep_freed_memory()
    order = push_order(args)
    if args.resume and folder.finished:
        report(f"{folder.path} holds a finished run already: nothing to resume.")
        return _push(order, folder, args.should_save, report)
    if not args.resume:
        folder.check_free(args.overwrite)

    with args.main_process_first(desc="data"):
        data = read_data(run.data, run.origin, report)
    data.collect_questions(args.eval_max_samples, args.seed)
    set_seed(args.seed)
    model = build_model(run.model, run.generation, run.origin, data)
    if args.max_minutes is not None:
        args.num_train_epochs = epochs_under_budget(args.num_train_epochs, run.given)
    trainer = build_trainer(args, model, data, report, request)

    checkpoint = _open_folder(run, folder, data.examples.report(), report)
    if not args.plain:
        trainer.check_against_network(report)
    if args.find_batch_size:
        find_batch_size(trainer, report)
    announce(data, trainer, report)
    figures = _train(trainer, checkpoint, request)
    if request.asked:
        last = folder.last_checkpoint(report)
        report(f"stopped; {last.name if last else 'no checkpoint'} is in {folder.path}.")
        report("Go on with the same command and --resume.")
        return INTERRUPTED
    write_finished_run(run, folder, data, trainer, figures, report)
    leave()
    return _push(order, folder, args.should_save, report)


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
    started, cpu_started = time.monotonic(), time.process_time()
    loss = None
    if checkpoint is None or not trainer.restore_if_trained(checkpoint, planned_updates(trainer)):
        with request.training(), _memory_errors():
            result = trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))
        loss = result.training_loss
    return {
        "train_loss": finite(loss),
        "train_seconds": round(time.monotonic() - started, 1),
        "train_cpu_seconds": round(time.process_time() - cpu_started, 1),
        "resumed_from": checkpoint.name if checkpoint else None,
    }


@contextlib.contextmanager
def _memory_errors() -> Iterator[None]:
    """Say what to do when the memory of a GPU is full."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(
            "the memory of the device is full. Add --find_batch_size, or raise "
            "`gradient_accumulation_steps`: the training stays the same."
        ) from error


def _open_folder(
    run: RunArguments, folder: RunFolder, counts: dict[str, Any], report: Report
) -> Path | None:
    """Make the run folder ready and find the checkpoint to go on from.

    Args:
        run: the settings, which a resumed run must have begun with.
        folder: of the run.
        counts: of the examples, with their digest.
        report: takes the lines meant for the user.
    """
    args, settings = run.training, resolved_settings(run)
    with args.main_process_first(desc="sweep"):
        if args.should_save and not args.overwrite:
            sweep(folder.path)
    checkpoint = folder.last_checkpoint(report) if args.resume else None
    if checkpoint is not None:
        compared = {key: value for key, value in settings.items() if key != "output_dir"}
        fixed = {*NETWORK, *vars(run.data), "init_from"} - {*_FREE_DATA_KEYS}
        for note in folder.check_same_run(compared, fixed, counts["train_digest"]):
            report(f"note: {note}; the result is not that of an uninterrupted run")
        report(f"resuming from {checkpoint.name}")
        before, now = process_count(checkpoint), args.world_size
        if before != now:
            report(f"note: written by {before} processes, now {now}: the same pairs, other dropout")
        return checkpoint
    if args.resume:
        report("no checkpoint to resume from: starting at the beginning")
    if args.should_save:
        if args.overwrite:
            folder.clear()
        folder.start(settings, counts)
    return None
