# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A clean stop on Ctrl-C and SIGTERM."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..processes import Agreement

# torchrun passes on the Ctrl-C that the terminal has sent to every process already.
ECHO_SECONDS = 2.0


class StopRequest:
    """Turns Ctrl-C and SIGTERM into a request to stop after the step that is under way.

    Outside `training()` a signal raises KeyboardInterrupt at once, and so does the second one:
    whoever asks twice does not want to wait.
    """

    def __init__(self) -> None:
        """Starts with nothing asked for."""
        self.asked = False
        self._patient = False
        self._asked_at = 0.0

    @contextlib.contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """Takes over both signals for the time of a `with` block."""
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._on_signal) for number in signals}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Marks the time in which a signal waits for the end of a step."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Remembers the first signal, obeys the second."""
        echo = _launched() and time.monotonic() - self._asked_at < ECHO_SECONDS
        if self.asked and echo:
            return
        if self.asked or not self._patient:
            raise KeyboardInterrupt
        self.asked, self._asked_at = True, time.monotonic()


def _launched() -> bool:
    """Tells whether torchrun or accelerate has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


class StopCallback(TrainerCallback):
    """Saves a checkpoint and ends training when a stop was asked for."""

    def __init__(self, request: StopRequest, report: Callable[[str], None]) -> None:
        """Keeps where to look and where to say so."""
        self.request = request
        self.report = report
        self._agreement = Agreement()

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Asks the trainer for a checkpoint and the end."""
        self.request.asked = self._agreement.any(self.request.asked)
        if self.request.asked and not control.should_training_stop:
            self.report(f"stopping: writing a checkpoint of step {state.global_step} ...")
            control.should_save = True
            control.should_training_stop = True

    def on_epoch_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Keeps the flow callback from evaluating an epoch that was left in its middle.

        At a true end of an epoch the evaluation belongs to the checkpoint, and the signal may
        have come after the last step's `on_step_end`: save and stop here too.
        """
        self.request.asked = self._agreement.any(self.request.asked)
        if not self.request.asked:
            return
        if float(state.epoch).is_integer():
            control.should_save = True
            control.should_training_stop = True
        else:
            control.should_evaluate = False
            control.should_save = False
