# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One training run from settings to a finished folder."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from ..examples.preparing import PreparedData
from ..publishing.push import PushOrder, publish_after_training, push_order
from ..settings.arguments import RunArguments, SettingsError, resolved_settings
from ..settings.checkpoint_files import process_count
from ..settings.run_folder import RunFolder
from .announcing import announce
from .callbacks import StopRequest
from .checkpoints import sweep
from .find_batch_size import find_batch_size
from .finishing import finish, run_facts
from .host_memory import keep_freed_memory
from .processes import check_process_count, leave
from .set_up import Workshop, set_up

Report = Callable[[str], None]
INTERRUPTED = 130
NOT_PUSHED = 3
# Settings that say where things lie or how fast they are read; the examples themselves are
# compared by their digest.
_FREE_DATA_KEYS = ("dataset", "tokenizer", "dataset_cache_dir", "preprocessing_num_proc", "strict")


def run_training(run: RunArguments, report: Report, request: StopRequest) -> int:
    """Trains, evaluates and writes the run folder.

    Args:
        run: checked settings.
        report: takes the lines meant for the user.
        request: told of Ctrl-C and SIGTERM.

    Returns:
        The exit code: 0; 130 when the run was stopped and can be resumed; 3 when it is finished
        but could not be pushed.
    """
    check_process_count(run.training.world_size, os.environ)
    if run.training.device.type == "cpu":
        keep_freed_memory()
    order = push_order(run.training)
    folder = RunFolder(run.training.output_dir)
    if run.training.resume and folder.finished:
        report(f"{folder.path} holds a finished run already: nothing to resume.")
        return _push(run, folder, order, report)
    if not run.training.resume:
        folder.check_free(run.training.overwrite)
    shop = set_up(run, report, request)
    checkpoint = _open_folder(run, folder, shop.data, report)
    if not run.training.plain:
        shop.trainer.check_against_network(report)
    if run.training.find_batch_size:
        find_batch_size(shop.trainer, report)
    announce(run, shop, report)
    facts = _train(run, shop, checkpoint, request)
    if request.asked:
        last = folder.last_checkpoint(report)
        report(f"stopped; {last.name if last else 'no checkpoint'} is in {folder.path}.")
        report("Go on with the same command and --resume.")
        return INTERRUPTED
    finish(run, folder, shop, facts, report)
    leave()
    return _push(run, folder, order, report)


def _push(run: RunArguments, folder: RunFolder, order: PushOrder | None, report: Report) -> int:
    """Publishes the finished folder if that was asked for; gives the exit code."""
    if order is None or not run.training.should_save:
        return 0
    return 0 if publish_after_training(folder.path, order, report) else NOT_PUSHED


def _train(
    run: RunArguments, shop: Workshop, checkpoint: Path | None, request: StopRequest
) -> dict[str, Any]:
    """Trains to the end or to a stop.

    Returns:
        What metrics.json says of the run.
    """
    started, cpu_started = time.monotonic(), time.process_time()
    loss = None
    if checkpoint is None or not shop.trainer.restore_if_trained(checkpoint, shop.updates):
        with request.training(), _memory_errors():
            result = shop.trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))
        loss = result.training_loss
    facts = run_facts(run, shop, loss)
    facts["train_seconds"] = round(time.monotonic() - started, 1)
    facts["train_cpu_seconds"] = round(time.process_time() - cpu_started, 1)
    facts["resumed_from"] = checkpoint.name if checkpoint else None
    return facts


@contextlib.contextmanager
def _memory_errors() -> Iterator[None]:
    """Words the error of a GPU whose memory is full."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise SettingsError(
            "the memory of the device is full. Add --find_batch_size, or raise "
            "`gradient_accumulation_steps`: the training stays the same."
        ) from error


def _open_folder(
    run: RunArguments, folder: RunFolder, data: PreparedData, report: Report
) -> Path | None:
    """Makes the run folder ready and finds the checkpoint to go on from."""
    settings, counts = resolved_settings(run), data.report()
    with run.training.main_process_first(desc="sweep"):
        if run.training.should_save and not run.training.overwrite:
            sweep(folder.path)
    checkpoint = folder.last_checkpoint(report) if run.training.resume else None
    if checkpoint is not None:
        compared = {key: value for key, value in settings.items() if key != "output_dir"}
        fixed = {*vars(run.model), *vars(run.data), "init_from"} - {*_FREE_DATA_KEYS}
        for note in folder.check_same_run(compared, fixed, counts["train_digest"]):
            report(f"note: {note}; the result is not that of an uninterrupted run")
        report(f"resuming from {checkpoint.name}")
        before, now = process_count(checkpoint), run.training.world_size
        if before != now:
            report(f"note: written by {before} processes, now {now}: the same pairs, other dropout")
        return checkpoint
    if run.training.resume:
        report("no checkpoint to resume from: starting at the beginning")
    if run.training.should_save:
        if run.training.overwrite:
            folder.clear()
        folder.start(settings, counts)
    return None
