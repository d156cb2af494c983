# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Ends training in time (`max_minutes`), with room for the last evaluation and checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from ..time_budget import TrainingClock, fit_warmup


class TimeBudgetCallback(TrainerCallback, ExportableState):
    """Asks the clock after each update whether there is time for another.

    What is spent stands in `trainer_state.json`, so a resumed run has the rest. It must stand
    behind transformers' own flow callback in the list, as callbacks given to the trainer do.
    """

    def __init__(
        self, clock: TrainingClock, warmup_steps: float, report: Callable[[str], None]
    ) -> None:
        """Keeps what it looks at.

        Args:
            clock: the one that the schedule follows.
            warmup_steps: the setting.
            report: takes lines for the user; called in the first process only.
        """
        self.clock = clock
        self.warmup_steps = warmup_steps
        self.report = report
        self._training = False
        self._mark = 0.0

    def state(self) -> dict[str, Any]:
        """Gives what the trainer writes into each checkpoint."""
        return {"args": {}, "attributes": {"clock": self.clock.state()}}

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Starts the clock, with what an earlier part of the run has spent."""
        # A run that began without a budget has no entry, and the trainer needs one to save.
        own = state.stateful_callbacks.setdefault(type(self).__name__, self.state())
        self.clock.start(own["attributes"]["clock"])
        if args.eval_strategy == IntervalStrategy.NO:
            self.clock.drop_reserve("evaluation")
        if args.save_strategy == SaveStrategy.NO:
            self.clock.drop_reserve("checkpoint")
        self._training = True
        if self.clock.spent and state.is_world_process_zero:
            self.report(f"time: {self.clock.describe()} were spent before")

    def on_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Reads the clock just before the schedule asks it."""
        self.clock.tick()
        line = fit_warmup(self.clock, self.warmup_steps, state.global_step + 1)
        if line and state.is_world_process_zero:
            self.report(line)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Ends training with an evaluation and a checkpoint when the time is up."""
        self._mark = self.clock.elapsed()
        if control.should_training_stop:
            return
        if self.clock.is_up:
            self.clock.over = True
            if state.is_world_process_zero:
                self.report(f"time is up after {state.global_step:,} updates")
            control.should_training_stop = True
            control.should_log = True
            control.should_evaluate = args.eval_strategy != IntervalStrategy.NO
            control.should_save = args.save_strategy != SaveStrategy.NO
        else:
            self._spare(control)

    def on_epoch_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Keeps the flow callback from evaluating and saving the last step once more."""
        self._mark = self.clock.elapsed()
        if self.clock.over:
            control.should_evaluate = False
            control.should_save = False
        elif not control.should_training_stop:
            self._spare(control)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Times an evaluation that is part of training."""
        self._time("evaluation")

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Times a checkpoint."""
        self._time("checkpoint")

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Says how long it has been."""
        self._training = False
        # until the last update, evaluation or checkpoint: not what other callbacks did since
        minutes, budget = self._mark / 60, self.clock.seconds / 60
        if state.is_world_process_zero:
            self.report(
                f"time: {minutes:.2f} of {budget:g} minutes, {state.global_step:,} updates, "
                f"{state.epoch or 0:.2f} epochs"
            )

    def _spare(self, control: TrainerControl) -> None:
        """Leaves out what would eat the time of the last evaluation and checkpoint."""
        if self.clock.is_nearly_up:
            control.should_evaluate = False
            control.should_save = False

    def _time(self, what: str) -> None:
        """Tells the clock how long something took since the last mark."""
        if self._training:
            now = self.clock.elapsed()
            self.clock.add_pause(what, now - self._mark)
            self._mark = now


def time_was_up(state: TrainerState, minutes: float) -> bool:
    """Tells whether the clock has ended the run that a checkpoint is of.

    Such a checkpoint is only to be evaluated: going on would train one more update.

    Args:
        state: the checkpoint's.
        minutes: the budget now; a larger one leaves time to go on.
    """
    own = (state.stateful_callbacks or {}).get(TimeBudgetCallback.__name__)
    if not own:
        return False
    clock = own["attributes"]["clock"]
    return clock["over"] and 60 * minutes <= clock["seconds"]
