# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How far training is: a line a log, and a bar where a person looks on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..time_budget import TrainingClock


class ProgressLine(TrainerCallback):
    """Says one short line a log instead of a dictionary."""

    def __init__(self, report: Callable[[str], None], clock: TrainingClock | None = None) -> None:
        """Keeps where to say it, and the clock of a run that ends with a time."""
        self.report = report
        self.clock = clock

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Words the numbers of one log."""
        logs = logs or {}
        end = f"/{state.max_steps}" if self.clock is None else f"  {self.clock.describe()}"
        place = f"step {state.global_step}{end}  epoch {state.epoch or 0:.2f}"
        if "eval_loss" in logs:
            self.report(
                f"{place}  validation loss {logs['eval_loss']:.3f}  "
                f"perplexity {logs['eval_perplexity']:.1f}"
            )
        elif "loss" in logs and state.is_world_process_zero:
            self.report(f"{place}  loss {logs['loss']:.3f}  lr {logs['learning_rate']:.2e}")


class ProgressBar(TrainerCallback):
    """Draws how far training is, how fast it goes and how long it will take yet.

    transformers' own bar prints every log as a dictionary too, beside `ProgressLine`'s words.
    """

    def __init__(self, endless: bool = False) -> None:
        """Starts without a bar: only the first process of several draws one.

        Args:
            endless: whether a clock ends the run, at nobody knows which step.
        """
        self.bar: tqdm | None = None
        self.endless = endless

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Draws the bar, at the step that a resumed run goes on from."""
        if state.is_world_process_zero:
            self.bar = tqdm(
                total=None if self.endless else state.max_steps,
                initial=state.global_step,
                desc="training",
                unit="step",
                dynamic_ncols=True,
            )

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Moves the bar."""
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Leaves the bar standing."""
        if self.bar is not None:
            self.bar.close()
