# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Says how fast training goes: in every log, and in one line at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..device_peak import device_peak_flops
from ..throughput import SpeedReport, ThroughputMeter, speed_report


class ThroughputCallback(TrainerCallback):
    """Runs the meter's clock while training runs and reports what it counted.

    It must stand before the reporters of `report_to` in the trainer's list of callbacks for them
    to see `tokens_per_second`; `trainer.callback_handler.callbacks.insert(0, callback)` puts it
    there.
    """

    def __init__(self, meter: ThroughputMeter, report: Callable[[str], None]) -> None:
        """Keeps the meter and where to say the line.

        Args:
            meter: the trainer tells it of each batch and of each pause.
            report: takes lines for the user; called in the first process only.
        """
        self.meter = meter
        self.report = report
        self.speed: SpeedReport | None = None

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Starts the clock."""
        self.meter.start()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Adds the rate since the last log; of several processes they all go equally fast."""
        # "loss" is the key of training's own logs: evaluations and the end have others.
        if logs is None or "loss" not in logs:
            return
        rate = round(self.meter.tokens_per_second() * args.world_size, 1)
        logs["tokens_per_second"] = rate
        # transformers wrote its history before it asked the callbacks.
        if state.log_history:
            state.log_history[-1]["tokens_per_second"] = rate

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Stops the clock, sums over the processes and says the line."""
        if args.device.type == "cuda":
            torch.cuda.synchronize(args.device)  # the updates still under way count too
        self.meter.stop()
        # After the run: a CPU's peak is measured, which takes half a second.
        peak = device_peak_flops(args.device, _dtype(args))
        self.speed = speed_report(self.meter.counts(), peak, args.device)
        if state.is_world_process_zero:
            self.report(self.speed.line())


def _dtype(args: TrainingArguments) -> torch.dtype:
    """Gives the number type of the matrix products."""
    if args.bf16:
        return torch.bfloat16
    return torch.float16 if args.fp16 else torch.float32
