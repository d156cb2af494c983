# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Checkpoints that are there whole or not at all, and that run nobody's code when read."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from transformers import Seq2SeqTrainer
from transformers.trainer_utils import TrainOutput

from data_builders.translation import _
from data_builders.writing import write_whole

from ..settings.full_disk import disk_errors
from ..settings.run_folder import (
    STAGING,
    STATE_FILE,
    checkpoint_step,
    discard,
    list_checkpoints,
)
from .time_budget import TrainingClock

# Of an optimizer's groups: what the settings say.
_RATES = ("initial_lr", "betas", "eps", "weight_decay")


def publish(staged: Path, final: Path) -> None:
    """Give a checkpoint that is whole its final name.

    The bytes are on the disk before the name is there, so that a power cut leaves no empty files
    under it. A checkpoint of the same step (the signal to stop came where one was due anyway) is
    moved aside first; `sweep` brings it back if the process dies between the two renames.
    """
    for path in staged.rglob("*"):
        _flush(path)
    _flush(staged)
    aside = staged.with_name(f"replaced-{final.name}")
    if final.exists():
        os.replace(final, aside)
    os.replace(staged, final)
    _flush(final.parent)
    shutil.rmtree(staged.parent)


def _flush(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folder, and flushes no file that is open for reading alone.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove what a killed process left half-written; bring back what it had moved aside."""
    staging = folder / STAGING
    for aside in staging.glob("replaced-*"):
        final = folder / aside.name.removeprefix("replaced-")
        if not final.exists():
            os.replace(aside, final)
    shutil.rmtree(staging, ignore_errors=True)


def name_best_here(checkpoint: Path) -> None:
    """Let a checkpoint name the best one where it lies now: the run may have been moved since."""
    file = checkpoint / STATE_FILE
    state = json.loads(file.read_text(encoding="utf-8"))
    best = state.get("best_model_checkpoint")
    here = checkpoint.parent / Path(best).name if best else None
    path = str(here) if here and here.is_dir() else None
    if path != best:
        write_whole(file, json.dumps({**state, "best_model_checkpoint": path}, indent=2))


def way_on(folder: Path, overwrites: bool) -> str:
    """Say how a run goes on that could not write something."""
    if not list_checkpoints(folder):
        return _("Put that right, then begin with the same command again.")
    if overwrites:
        return _(
            "The checkpoints before it are whole: put that right, then add --resume instead of "
            "--overwrite."
        )
    return _("The checkpoints before it are whole: put that right, then add --resume.")


def rotate(folder: Path, newest: Path, best: Path | None, limit: int | None) -> None:
    """Delete checkpoints beyond a number, never the newest (whole by now) nor the best.

    transformers deletes by date or by number; after a resume that passed over a torn checkpoint
    of a later step, either can take the torn one for the newest.

    Args:
        folder: the run folder.
        newest: the checkpoint just written.
        best: the checkpoint to load at the end, if there is one.
        limit: how many to keep, at least; None, and what is not above 0, keeps all.
    """
    if limit is None or limit <= 0:
        return
    now = checkpoint_step(newest)
    protected = {newest} if best is None else {newest, best}
    # Later steps than the newest are torn or of an abandoned past: they go first.
    others = sorted(
        (path for path in list_checkpoints(folder) if path not in protected),
        key=lambda path: (checkpoint_step(path) <= now, checkpoint_step(path)),
    )
    for path in others[: max(0, len(others) + len(protected) - limit)]:
        with contextlib.suppress(OSError):  # one too many is not worth the run
            discard(path)


def read_rates(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Read what the settings say of each group of an optimizer, without its state."""
    return [{k: v for k, v in group.items() if k in _RATES} for group in optimizer.param_groups]


def take_rates(
    optimizer: torch.optim.Optimizer, schedule: Any, rates: list[dict[str, Any]], by_clock: bool
) -> None:
    """Give an optimizer the rates of the settings again, after those of a checkpoint were loaded.

    Args:
        optimizer: as it came from the checkpoint.
        schedule: of its learning rate, likewise.
        rates: that `read_rates` found before.
        by_clock: whether the schedule follows a clock, which does not run yet.
    """
    groups = optimizer.param_groups
    for group, wanted in zip(groups, rates, strict=True):
        if group.get("initial_lr"):
            group["lr"] *= wanted["initial_lr"] / group["initial_lr"]
        group.update(wanted)
    if not isinstance(schedule, LambdaLR):
        return
    if not by_clock:
        # Another schedule has its own rate for the update that comes now.
        for group, share in zip(groups, schedule.lr_lambdas, strict=True):
            group["lr"] = group["initial_lr"] * share(schedule.last_epoch)
    peaks, now = ([group[name] for group in groups] for name in ("initial_lr", "lr"))
    schedule.load_state_dict({**schedule.state_dict(), "base_lrs": peaks, "_last_lr": now})


class WholeCheckpointTrainer(Seq2SeqTrainer):
    """Write checkpoints under another name first and rename them when they are whole.

    transformers writes file by file under the final name: a process killed there leaves a folder
    that looks like a checkpoint.
    """

    # Of a run that ends with a time.
    clock: TrainingClock | None = None
    _staging: Path | None = None

    def _get_output_dir(self, trial: Any) -> str:
        """Give transformers the staging folder while a checkpoint is being written."""
        return super()._get_output_dir(trial) if self._staging is None else str(self._staging)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Save a checkpoint; after it, the folder of that name is whole."""
        folder = Path(self._get_output_dir(trial))
        name = f"checkpoint-{self.state.global_step}"
        if self.args.should_save:
            sweep(folder)
        self.accelerator.wait_for_everyone()
        self._staging = folder / STAGING
        try:
            with disk_errors(f"`{name}`", folder, way_on(folder, self.args.overwrite)):
                super()._save_checkpoint(model, trial)
                self._name_best(folder)
                # Each process writes its own random numbers.
                self.accelerator.wait_for_everyone()
                if self.args.should_save:
                    publish(self._staging / name, folder / name)
                    best = self.state.best_model_checkpoint
                    limit = self.args.save_total_limit
                    rotate(folder, folder / name, best and Path(best), limit)
        except OSError:
            if self.args.should_save:
                sweep(folder)
            raise
        finally:
            self._staging = None
        self.accelerator.wait_for_everyone()

    def _name_best(self, folder: Path) -> None:
        """Put the final path of the best checkpoint where transformers put the staging path."""
        step = self.state.global_step
        best = self.state.best_global_step if self.args.load_best_model_at_end else None
        path = folder / f"checkpoint-{best}"
        known = best and (best == step or path.is_dir())
        self.state.best_model_checkpoint = str(path) if known else None
        if self.args.should_save:
            self.state.save_to_json(str(folder / STAGING / f"checkpoint-{step}" / STATE_FILE))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Go on with the state of a checkpoint and the rates of the settings.

        transformers takes the rates of the checkpoint too: what was changed would not be used.
        """
        rates = read_rates(self.optimizer)
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            take_rates(self.optimizer, self.lr_scheduler, rates, self.clock is not None)

    def load_weights(self, folder: str | Path) -> None:
        """Take the weights of a checkpoint."""
        # transformers would warn of tied weights, which the file holds once, as missing.
        load_model(self.model, Path(folder) / "model.safetensors")

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: torch.nn.Module | None = None
    ) -> None:
        if self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            self.load_weights(resume_from_checkpoint)

    def _load_best_model(self) -> None:
        if self.is_fsdp_enabled:
            super()._load_best_model()
        else:
            self.load_weights(self.state.best_model_checkpoint)

    def _finalize_training(
        self, trial: Any, num_train_samples: int | float, start_time: float
    ) -> TrainOutput:
        """End training; which checkpoints stay was settled when they were written.

        transformers would delete all but the best here, the one that Ctrl-C has just made among
        them.
        """
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            return super()._finalize_training(trial, num_train_samples, start_time)
        finally:
            self.args.save_total_limit = limit
