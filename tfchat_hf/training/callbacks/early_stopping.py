# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Ends training when evaluations bring nothing better any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class EarlyStopping(TrainerCallback):
    """Counts the evaluations since the best one.

    It counts in the history, which checkpoints keep: transformers' own callback of this kind
    begins anew after a resume.
    """

    def __init__(self, patience: int, report: Callable[[str], None]) -> None:
        """Keeps the limit.

        Args:
            patience: so many evaluations in a row without a new best one end training.
            report: takes the line that says so.
        """
        self.patience = patience
        self.report = report

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Looks how long ago the best score was."""
        waited = evaluations_since_best(args, state)
        if waited >= self.patience and not control.should_training_stop:
            if state.is_world_process_zero:
                self.report(f"stopping early: {waited} evaluations brought nothing better")
            control.should_training_stop = True


def evaluations_since_best(args: TrainingArguments, state: TrainerState) -> int:
    """Counts the evaluations that came after the best one; 0 if there was none yet."""
    name = f"eval_{args.metric_for_best_model.removeprefix('eval_')}"
    sign = -1 if args.greater_is_better else 1
    scores = {log["step"]: sign * log[name] for log in state.log_history if name in log}
    if not scores:
        return 0
    return len(scores) - 1 - list(scores.values()).index(min(scores.values()))
