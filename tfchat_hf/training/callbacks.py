# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What happens beside the updates: a clean stop, early stopping, progress, flat memory."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from tqdm import tqdm
from transformers import TrainerCallback, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from data_builders.translation import _

from .processes import Agreement, give_back_memory
from .time_budget import TrainingClock

Report = Callable[[str], None]
# torchrun passes on the Ctrl-C that the terminal has sent to every process already.
ECHO_SECONDS = 2.0
UPDATES_BETWEEN = 50

# ------------------------------------------------------------------------------- a clean stop


class StopRequest:
    """Turns Ctrl-C and SIGTERM into a request to stop after the step that is under way.

    Outside `training()` a signal raises KeyboardInterrupt at once, and so does the second one:
    whoever asks twice does not want to wait.
    """

    def __init__(self) -> None:
        """Begin with nothing asked for."""
        self.asked = False
        self._patient = False
        self._asked_at = 0.0

    @contextlib.contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """Take over both signals for the time of a `with` block."""
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._on_signal) for number in signals}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Mark the time in which a signal waits for the end of a step."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Remember the first signal, obey the second."""
        launched = "TORCHELASTIC_RUN_ID" in os.environ  # by torchrun or accelerate
        echo = launched and time.monotonic() - self._asked_at < ECHO_SECONDS
        if self.asked and echo:
            return
        if self.asked or not self._patient:
            raise KeyboardInterrupt
        self.asked, self._asked_at = True, time.monotonic()


class StopCallback(TrainerCallback):
    """Saves a checkpoint and ends training when a stop was asked for."""

    def __init__(self, request: StopRequest, report: Report) -> None:
        """Keep where to look and where to say so."""
        self.request = request
        self.report = report
        self._agreement = Agreement()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask the trainer for a checkpoint and the end."""
        self.request.asked = self._agreement.any(self.request.asked)
        if self.request.asked and not control.should_training_stop:
            step = state.global_step
            self.report(_("stopping: writing a checkpoint of step {step} ...", step=step))
            control.should_save = control.should_training_stop = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the flow callback from evaluating an epoch that was left in its middle.

        At a true end of an epoch the evaluation belongs to the checkpoint, and the signal may
        have come after the last step's `on_step_end`: save and stop here too.
        """
        self.request.asked = self._agreement.any(self.request.asked)
        if not self.request.asked:
            return
        if float(state.epoch).is_integer():
            control.should_save = control.should_training_stop = True
        else:
            control.should_evaluate = control.should_save = False


# ------------------------------------------------------------------------------ time of a run


class TimeSpent(TrainerCallback, ExportableState):
    """Counts the seconds of training over all parts of a run that was resumed.

    Each checkpoint holds those until it was written.
    """

    def __init__(self) -> None:
        """Begin with nothing spent."""
        self._before, self._began = (0.0, 0.0), _clocks()

    def state(self) -> dict[str, Any]:
        """Return what the trainer writes into each checkpoint."""
        now = zip(self._before, _clocks(), self._began, strict=True)
        seconds = [before + clock - began for before, clock, began in now]
        return {"args": {}, "attributes": {"seconds": seconds}}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take over what the parts before this one have spent."""
        self._before, self._began = time_spent(state), _clocks()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the whole time where `time_spent` finds it."""
        state.stateful_callbacks[type(self).__name__] = self.state()


def time_spent(state: TrainerState) -> tuple[float, float]:
    """Return the seconds that a training has taken, and those of CPU, all its parts together."""
    own = (state.stateful_callbacks or {}).get(TimeSpent.__name__)
    seconds, cpu_seconds = own["attributes"]["seconds"] if own else (0.0, 0.0)
    return seconds, cpu_seconds


def _clocks() -> tuple[float, float]:
    return time.monotonic(), time.process_time()


# ----------------------------------------------------------------------------- early stopping


class EarlyStopping(TrainerCallback):
    """Ends training after `patience` evaluations in a row without a new best one.

    Counted in the history, which every checkpoint keeps. transformers' `EarlyStoppingCallback` goes
    on after a resume only with `restore_callback_states_from_checkpoint`, which makes all stateful
    callbacks anew from the checkpoint: a changed patience would be ignored, and
    `TimeBudgetCallback`, which holds the clock of the schedule, cannot be made so.
    """

    def __init__(self, patience: int, report: Report) -> None:
        """Keep the limit, and who takes the line that says so."""
        self.patience = patience
        self.report = report

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look how long ago the best score was."""
        waited = evaluations_since_best(args, state)
        if waited >= self.patience and not control.should_training_stop:
            if state.is_world_process_zero:
                self.report(
                    _(
                        "stopping early: {number} evaluations brought nothing better",
                        number=waited,
                    )
                )
            control.should_training_stop = True


def evaluations_since_best(args: TrainingArguments, state: TrainerState) -> int:
    """Count the evaluations that came after the best one; 0 if there was none yet."""
    name = f"eval_{args.metric_for_best_model.removeprefix('eval_')}"
    sign = -1 if args.greater_is_better else 1
    scores = {log["step"]: sign * log[name] for log in state.log_history if name in log}
    if not scores:
        return 0
    return len(scores) - 1 - list(scores.values()).index(min(scores.values()))


# ----------------------------------------------------------------------- progress, and memory


class ProgressLine(TrainerCallback):
    """Says one short line a log instead of a dictionary."""

    def __init__(self, report: Report, clock: TrainingClock | None = None) -> None:
        """Keep where to say it, and the clock of a run that ends with a time."""
        self.report = report
        self.clock = clock

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any
    ) -> None:
        """Print the numbers of one log that a person follows."""
        if "eval_loss" in logs:
            told = _(
                "validation loss {loss:.3f}  perplexity {perplexity:.1f}",
                loss=logs["eval_loss"],
                perplexity=logs["eval_perplexity"],
            )
        elif "loss" in logs and state.is_world_process_zero:
            told = _("loss {loss:.3f}  lr {learning_rate:.2e}", **logs)
        else:
            return
        end = f"/{state.max_steps}" if self.clock is None else f"  {self.clock.describe()}"
        step, epoch = f"{state.global_step}{end}", state.epoch or 0
        self.report(_("step {step}  epoch {epoch:.2f}", step=step, epoch=epoch) + f"  {told}")


class ProgressBar(TrainerCallback):
    """Draws how far training is, how fast it goes and how long it will take yet.

    transformers' own bar prints every log as a dictionary too, beside `ProgressLine`'s words.
    """

    def __init__(self, endless: bool = False) -> None:
        """Begin without a bar: only the first process of several draws one.

        Args:
            endless: Whether a clock ends the run, at nobody knows which step.
        """
        self.bar: tqdm | None = None
        self.endless = endless

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Draw the bar, at the step that a resumed run goes on from."""
        if state.is_world_process_zero:
            self.bar = tqdm(
                total=None if self.endless else state.max_steps,
                initial=state.global_step,
                desc=_("training"),
                unit=_("step"),
                dynamic_ncols=True,
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the bar."""
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the bar standing."""
        if self.bar is not None:
            self.bar.close()


class MemoryCallback(TrainerCallback):
    """Gives memory back after every fiftieth update and after each evaluation, on a CPU.

    Without it a process that needs 0.6 GB between updates stood at 5 GB after an hour. Each time
    costs some page faults.
    """

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Give back now and then."""
        if args.device.type == "cpu" and state.global_step % UPDATES_BETWEEN == 0:
            give_back_memory()

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Give back what the evaluation needed."""
        if args.device.type == "cpu":
            give_back_memory()
