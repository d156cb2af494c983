# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Training by the clock (`max_minutes`): what time is left, a schedule that fits, and the end.

A run by the clock cannot be repeated to the bit, nor resumed to the bit: how many updates fit, and
the learning rate of each of them, depend on how fast the machine was.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import distributed
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback, TrainerControl, TrainerState
from transformers.trainer_callback import ExportableState
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from data_builders.command_line import must_be_one_of
from data_builders.errors import UserError
from data_builders.translation import _, joined

COOLDOWN = 0.2  # share of the time over which the learning rate goes down to 0
LONGEST_WARMUP = 0.1  # share of the updates that fit
# More than any budget has time for: the clock ends the run, not the epochs.
ENDLESS_EPOCHS = 1_000_000
# Updates whose median says how many fit; less where so many would take too long.
_CALIBRATION_UPDATES = 20
_CALIBRATION_SHARE = 0.05
# Before the first checkpoint or evaluation is timed: this share of the budget, and no more than
# so many seconds, is kept for it.
_GUESSED_SHARE, _GUESSED_SECONDS = 0.02, 10.0
# Warm-up until the updates that fit are known, where it is a share of them.
_PROVISIONAL_WARMUP = 1000
# transformers' own choice for an inverse square root without warm-up.
_DEFAULT_TIMESCALE = 10_000


class TrainingClock:
    """Knows how much of a budget is spent, over all parts of a run that was resumed.

    All processes must come to the same decisions, so the time is read once an update, in
    `tick()`, by the first process, which tells the others.

    Attributes:
        seconds: the budget.
        spent: seconds gone at the last tick.
        reserve: seconds to keep for the last evaluation and checkpoint.
        update_seconds: the shorter of the last two updates, without evaluation and checkpoint;
            the other may have compiled or waited.
        warmup_steps: warm-up that fits, None until it is known.
        over: training has been ended by this clock.
    """

    def __init__(self, minutes: float, now: Callable[[], float] = time.monotonic) -> None:
        """Make a clock that stands still until `start()`.

        Args:
            minutes: the budget, evaluations and checkpoints included.
            now: gives seconds; replaced in tests.

        Raises:
            UserError: if there is no time at all.
        """
        if not minutes > 0:
            raise UserError(
                "`max_minutes` must be above 0 (got {minutes}). Leave it out to train for "
                "`num_train_epochs` or `max_steps`.",
                minutes=minutes,
            )
        self.seconds = 60.0 * minutes
        guess = min(_GUESSED_SHARE * self.seconds, _GUESSED_SECONDS)
        self.spent = 0.0
        self.update_seconds = 0.0
        self.warmup_steps: int | None = None
        self.over = False
        self._now = now
        self._began: float | None = None
        self._before = 0.0
        self._kept: dict[str, float] = {"evaluation": guess, "checkpoint": guess}
        self._timed: set[str] = set()
        self._paused = self._paused_at_tick = 0.0
        self._last_update = 0.0
        self._updates: list[float] = []
        self._group: Any = None
        self.reserve = sum(self._kept.values())

    def start(self, saved: dict[str, Any] | None = None) -> None:
        """Let the clock run; every process calls this.

        Args:
            saved: `state()` of the part of the run that a checkpoint was written in.
        """
        for name, value in (saved or {}).items():
            if name == "warmup_steps":
                self.warmup_steps = value
            elif name == "spent":
                self._before = self.spent = value
            elif name in self._kept:
                self._keep(name, value)
        self.reserve = sum(self._kept.values())
        self._began = self._now()
        self._paused = 0.0
        several = distributed.is_available() and distributed.is_initialized()
        if several and distributed.get_backend() != "gloo":
            # Numbers of the host: through nccl each tick would wait for the device.
            self._group = distributed.new_group(backend="gloo")

    def elapsed(self) -> float:
        """Return the seconds spent until now, as this process sees them."""
        return self._before + (0.0 if self._began is None else self._now() - self._began)

    def tick(self) -> None:
        """Read the time after an update; every process calls this."""
        seen = [self.elapsed(), sum(self._kept.values()), self._paused]
        if distributed.is_available() and distributed.is_initialized():
            agreed = torch.tensor(seen, dtype=torch.float64)
            distributed.broadcast(agreed, 0, group=self._group)
            seen = agreed.tolist()
        spent, self.reserve, paused = seen
        last = spent - self.spent - (paused - self._paused_at_tick)
        self.update_seconds = min(last, self._last_update)
        self.spent, self._paused_at_tick, self._last_update = spent, paused, last
        if self.warmup_steps is None:
            self._updates.append(last)

    def add_pause(self, what: str, seconds: float) -> None:
        """Take note of how long an "evaluation" or "checkpoint" took."""
        self._keep(what, seconds)
        self._paused += seconds

    def drop_reserve(self, what: str) -> None:
        """Keep no time for what this run does not do: "evaluation" or "checkpoint"."""
        self._kept[what] = 0.0
        self.reserve = sum(self._kept.values())

    @property
    def progress(self) -> float:
        """Share of the time for updates that is spent, 0 to 1."""
        usable = self.seconds - self.reserve
        return min(1.0, self.spent / usable) if usable > 0 else 1.0

    @property
    def is_up(self) -> bool:
        """Whether another update would run into the time of the last checkpoint."""
        return self.spent + self.update_seconds + self.reserve >= self.seconds

    @property
    def is_nearly_up(self) -> bool:
        """Whether an evaluation and checkpoint now would leave no time for the last ones."""
        return self.spent + self.update_seconds + 2 * self.reserve >= self.seconds

    def fitting_updates(self, done: int) -> int | None:
        """Estimate how many updates fit into the budget; None while it is too early to tell.

        Evaluations and checkpoints are taken to go on as often as until now.

        Args:
            done: updates of the whole run until now.
        """
        # The first update compiles, allocates, reads: it says nothing of those that follow.
        timed = self._updates[1:]
        enough = len(timed) >= _CALIBRATION_UPDATES or self.progress >= _CALIBRATION_SHARE
        if not timed or not enough:
            return None
        left = max(0.0, self.seconds - self.reserve - self.spent)
        each = statistics.median(timed) + self._paused_at_tick / len(self._updates)
        return done + int(left / max(each, 1e-9))

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold for the rest of the time to be known."""
        kept = {name: value for name, value in self._kept.items() if name in self._timed}
        return {
            "seconds": self.seconds,
            "spent": self.elapsed(),
            "warmup_steps": self.warmup_steps,
            "over": self.over,
            **kept,
        }

    def describe(self) -> str:
        """Write the time for a progress line."""
        spent, budget = self.spent / 60, self.seconds / 60
        return _("{spent:.1f} of {budget:g} minutes", spent=spent, budget=budget)

    def _keep(self, what: str, seconds: float) -> None:
        """Remember the longest of its kind; what was timed replaces the guess."""
        longest = self._kept[what] if what in self._timed else 0.0
        self._timed.add(what)
        self._kept[what] = max(longest, seconds)


def fit_warmup(clock: TrainingClock, warmup_steps: float, done: int) -> str | None:
    """Settle the warm-up once it is known how many updates fit.

    Args:
        clock: gets `warmup_steps`; nothing happens if it has it already.
        warmup_steps: the setting: updates, or below 1 a share of those that fit.
        done: updates until now.

    Returns:
        A line for the user if the warm-up had to be shortened.
    """
    if clock.warmup_steps is not None:
        return None
    if warmup_steps == 0:
        clock.warmup_steps = 0
        return None
    fitting = clock.fitting_updates(done)
    if fitting is None:
        return None
    asked = math.ceil(warmup_steps * fitting) if warmup_steps < 1 else int(warmup_steps)
    longest = max(1, int(LONGEST_WARMUP * fitting))
    clock.warmup_steps = min(asked, longest)
    if asked <= longest:
        return None
    return _(
        "note: `warmup_steps` {asked:g} is more than {share:.0f} % of the {fitting:,} updates that "
        "fit into {minutes:g} minutes: shortened to {longest:,}",
        asked=warmup_steps,
        share=100 * LONGEST_WARMUP,
        fitting=fitting,
        minutes=clock.seconds / 60,
        longest=longest,
    )


def time_budget_schedule(
    optimizer: torch.optim.Optimizer,
    clock: TrainingClock,
    warmup_steps: float,
    base: str,
    max_steps: int,
) -> LambdaLR:
    """Make a schedule that ends with the time: warm-up, decay, and a way down to 0.

    The way down is what a decay without an end lacks: over the last fifth of the time the rate is
    multiplied by what is left of that fifth (Zhai et al., 2022, "Scaling Vision Transformers").
    Decays that end at 0 themselves, linear and cosine, follow the clock instead of the updates.

    A warm-up that had to be shortened changes nothing of what follows: from update W on, W being
    the warm-up that was set, the inverse square root is that of a run without a clock; in between
    the rate stays at its peak. (With the time scale of the shortened warm-up, 120 updates instead
    of 800, the rate at update 1,000 would be 0.35 of the peak where 0.89 was meant.)

    Args:
        optimizer: whose learning rates are the peaks.
        clock: ticks after each update, before the scheduler steps.
        warmup_steps: updates, or below 1 a share of those that fit. Until the clock's own
            `warmup_steps` is known it is taken as it stands, a share as 1000 updates.
        base: `lr_scheduler_type`.
        max_steps: updates after which training ends even if time is left.

    Raises:
        UserError: for a decay that is not made for this.
    """
    decay = _decay(base)
    provisional = _PROVISIONAL_WARMUP if 0 < warmup_steps < 1 else int(warmup_steps)

    def factor(step: int) -> float:
        warmup = provisional if clock.warmup_steps is None else clock.warmup_steps
        if step < warmup:
            return step / warmup
        timescale = _timescale(warmup_steps, warmup)
        return decay(step, timescale, max(clock.progress, min(1.0, step / max_steps)))

    return LambdaLR(optimizer, factor)


def _timescale(warmup_steps: float, warmup: int) -> float:
    """Return the warm-up that was set, in updates, also where a shorter one had to do.

    Args:
        warmup_steps: the setting: updates, or below 1 a share of those that fit.
        warmup: updates of warm-up that there are, the share at most `LONGEST_WARMUP` of those.
    """
    return (
        int(warmup_steps) if warmup_steps >= 1 else warmup * max(1.0, warmup_steps / LONGEST_WARMUP)
    )


def _decay(base: str) -> Callable[[int, float, float], float]:
    """Find the factor after warm-up, of the update, its time scale and the progress."""

    def inverse_sqrt(step: int, timescale: float, progress: float) -> float:
        if not timescale:
            return _cooldown(progress) * math.sqrt(_DEFAULT_TIMESCALE / (step + _DEFAULT_TIMESCALE))
        return _cooldown(progress) * math.sqrt(timescale / max(step, timescale))

    decays: dict[str, Callable[[int, float, float], float]] = {
        "inverse_sqrt": inverse_sqrt,
        "constant": lambda step, timescale, progress: _cooldown(progress),
        "constant_with_warmup": lambda step, timescale, progress: _cooldown(progress),
        "linear": lambda step, timescale, progress: 1 - progress,
        "cosine": lambda step, timescale, progress: (1 + math.cos(math.pi * progress)) / 2,
    }
    name = str(getattr(base, "value", base))
    if name not in decays:
        advice = _("With `max_minutes` use inverse_sqrt, or leave `max_minutes` out.")
        raise UserError(joined(must_be_one_of("lr_scheduler_type", decays, name), advice))
    return decays[name]


def _cooldown(progress: float) -> float:
    """Go from 1 to 0 over the last part of the time."""
    return min(1.0, (1 - progress) / COOLDOWN)


def check_schedule(lr_scheduler_type: str) -> None:
    """Refuse a decay that no clock can lead; see `time_budget_schedule`."""
    _decay(lr_scheduler_type)


def epochs_under_budget(num_train_epochs: float, given: Collection[str]) -> float:
    """Return the epochs to plan for: without end, unless the user set an end of his own.

    What the user did set holds beside the clock: whichever comes first ends the run.

    Args:
        num_train_epochs: the setting or its default.
        given: keys that the user set.
    """
    return num_train_epochs if "num_train_epochs" in given else ENDLESS_EPOCHS


class TimeBudgetCallback(TrainerCallback, ExportableState):
    """Asks the clock after each update whether there is time for another.

    What is spent stands in `trainer_state.json`, so a resumed run has the rest. It must stand
    behind transformers' own flow callback in the list, as callbacks given to the trainer do.
    """

    def __init__(
        self, clock: TrainingClock, warmup_steps: float, report: Callable[[str], None]
    ) -> None:
        """Keep what it looks at.

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
        """Return what the trainer writes into each checkpoint."""
        return {"args": {}, "attributes": {"clock": self.clock.state()}}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock, with what an earlier part of the run has spent."""
        # A run that began without a budget has no entry, and the trainer needs one to save.
        own = state.stateful_callbacks.setdefault(type(self).__name__, self.state())
        self.clock.start(own["attributes"]["clock"])
        if args.eval_strategy == IntervalStrategy.NO:
            self.clock.drop_reserve("evaluation")
        if args.save_strategy == SaveStrategy.NO:
            self.clock.drop_reserve("checkpoint")
        self._training = True
        if self.clock.spent and state.is_world_process_zero:
            self.report(_("time: {time} were spent before", time=self.clock.describe()))

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Read the clock just before the schedule asks it."""
        self.clock.tick()
        line = fit_warmup(self.clock, self.warmup_steps, state.global_step + 1)
        if line and state.is_world_process_zero:
            self.report(line)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End training with an evaluation and a checkpoint when the time is up."""
        self._mark = self.clock.elapsed()
        if control.should_training_stop:
            return
        if self.clock.is_up:
            self.clock.over = True
            if state.is_world_process_zero:
                self.report(_("time is up after {step:,} updates", step=state.global_step))
            control.should_training_stop = control.should_log = True
            control.should_evaluate = args.eval_strategy != IntervalStrategy.NO
            control.should_save = args.save_strategy != SaveStrategy.NO
        else:
            self._spare(control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the flow callback from evaluating and saving the last step once more."""
        self._mark = self.clock.elapsed()
        if self.clock.over:
            control.should_evaluate = control.should_save = False
        elif not control.should_training_stop:
            self._spare(control)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Time an evaluation that is part of training."""
        self._time("evaluation")

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Time a checkpoint."""
        self._time("checkpoint")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Say how long it has been."""
        self._training = False
        # until the last update, evaluation or checkpoint: not what other callbacks did since
        minutes, budget = self._mark / 60, self.clock.seconds / 60
        if state.is_world_process_zero:
            self.report(
                _(
                    "time: {minutes:.2f} of {budget:g} minutes, {step:,} updates, {epoch:.2f} "
                    "epochs",
                    minutes=minutes,
                    budget=budget,
                    step=state.global_step,
                    epoch=state.epoch or 0,
                )
            )

    def _spare(self, control: TrainerControl) -> None:
        """Leave out what would eat the time of the last evaluation and checkpoint."""
        if self.clock.is_nearly_up:
            control.should_evaluate = control.should_save = False

    def _time(self, what: str) -> None:
        """Tell the clock how long something took since the last mark."""
        if self._training:
            now = self.clock.elapsed()
            self.clock.add_pause(what, now - self._mark)
            self._mark = now


def time_was_up(state: TrainerState, minutes: float) -> bool:
    """Tell whether the clock has ended the run that a checkpoint is of.

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
