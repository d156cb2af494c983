# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How fast training goes: a meter that counts, and the callback that says what it counted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, replace
from typing import Any

import torch
from torch import distributed
from transformers import TrainerCallback

from data_builders.translation import _


@dataclass
class Counts:
    """What goes through the network.

    Attributes:
        pairs: Examples.
        source_tokens: Real tokens of their questions.
        target_tokens: Real tokens of their replies.
        positions: Places of both sides that the network computes, padding among them.
        seconds: In which it went through.
    """

    pairs: float = 0
    source_tokens: float = 0
    target_tokens: float = 0
    positions: float = 0
    seconds: float = 0.0

    @property
    def tokens(self) -> float:
        """Real tokens of both sides."""
        return self.source_tokens + self.target_tokens

    @property
    def padding(self) -> float:
        """Share of the computed places that were padding, 0 to 1."""
        return 1 - self.tokens / self.positions if self.positions else 0.0

    def __add__(self, other: Counts) -> Counts:
        """Add up two batches."""
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def a_second(self, amount: float) -> float:
        """Divide by the seconds, with 0 for no time at all."""
        return amount / self.seconds if self.seconds > 0 else 0.0

    def figures(self) -> dict[str, float]:
        """Return what metrics.json keeps."""
        return {
            "tokens_per_second": round(self.a_second(self.tokens), 1),
            "pairs_per_second": round(self.a_second(self.pairs), 2),
            "padding": round(self.padding, 4),
            "trained_tokens": int(self.tokens),
            "trained_pairs": int(self.pairs),
            "seconds_in_updates": round(self.seconds, 2),
        }

    def line(self) -> str:
        """Say the speed to a person."""
        pairs = self.a_second(self.pairs)
        return _(
            "speed: {tokens:,.0f} tokens/s, {pairs} pairs/s, padding {padding:.1f} %",
            tokens=self.a_second(self.tokens),
            pairs=f"{pairs:,.{0 if pairs >= 10 else 1}f}",
            padding=100 * self.padding,
        )


class ThroughputMeter:
    """Counts what is trained on while its clock runs; all numbers are known on the host.

    The clock stands still in `paused()`, so that evaluations and checkpoints do not count.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Begin with nothing counted and the clock stopped.

        Args:
            clock: Gives seconds; replaced in tests.
        """
        self._clock = clock
        self._since: float | None = None
        self._total = Counts()
        self._logged = Counts()

    def count(self, batch: Counts) -> None:
        """Count one batch of one process."""
        self._total += batch

    def start(self) -> None:
        """Let the clock run."""
        if self._since is None:
            self._since = self._clock()

    def stop(self) -> None:
        """Stop the clock, keeping its seconds."""
        if self._since is not None:
            self._total.seconds += self._clock() - self._since
            self._since = None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the time of a `with` block out; nothing happens if the clock does not run."""
        if self._since is None:
            yield
            return
        # What the GPU still has to do belongs to training, not to the evaluation that follows.
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        self.stop()
        try:
            yield
        finally:
            self.start()

    def counts(self) -> Counts:
        """Return what this process has counted until now."""
        if self._since is not None:
            self.stop()
            self.start()
        return self._total + Counts()

    def tokens_per_second(self) -> float:
        """Return the rate of this process since the last call."""
        now, before = self.counts(), self._logged
        self._logged = now
        return Counts(seconds=now.seconds - before.seconds).a_second(now.tokens - before.tokens)


class ThroughputCallback(TrainerCallback):
    """Runs the meter's clock while training runs and reports what it counted.

    It must stand before the reporters of `report_to` in the trainer's list of callbacks for them
    to see `tokens_per_second`; `trainer.callback_handler.callbacks.insert(0, callback)` puts it
    there.
    """

    def __init__(self, meter: ThroughputMeter, report: Callable[[str], None]) -> None:
        """Keep the meter and where the first process says the line."""
        self.meter = meter
        self.report = report
        self.speed: Counts | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self.meter.start()

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any
    ) -> None:
        """Add the rate since the last log; of several processes they all go equally fast."""
        # "loss" is the key of training's own logs: evaluations and the end have others.
        if "loss" not in logs:
            return
        logs["tokens_per_second"] = round(self.meter.tokens_per_second() * args.world_size, 1)
        # transformers wrote its history before it asked the callbacks.
        if state.log_history:
            state.log_history[-1]["tokens_per_second"] = logs["tokens_per_second"]

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop the clock, sum over the processes and say the line."""
        if args.device.type == "cuda":
            torch.cuda.synchronize(args.device)  # the updates still under way count too
        self.meter.stop()
        self.speed = of_all_processes(self.meter.counts(), args.device)
        if state.is_world_process_zero:
            self.report(self.speed.line())


def of_all_processes(counts: Counts, device: torch.device) -> Counts:
    """Add up the processes, which run side by side; every one of them must call this.

    Args:
        counts: What this process counted.
        device: Its device, which a collective of nccl needs.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return counts
    place = device if distributed.get_backend() == "nccl" else "cpu"
    values = torch.tensor(astuple(counts), dtype=torch.float64, device=place)
    distributed.all_reduce(values)
    total = Counts(*values.tolist())
    return replace(total, seconds=total.seconds / distributed.get_world_size())
