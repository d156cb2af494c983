# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Sample replies beside the curves in TensorBoard, and curves that a resumed run goes on with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback

from ...measuring.selection import ReplyAssessor
from .quality import SAMPLES_WRITTEN, WhileTraining, sample_rows

TENSORBOARD_FOLDER = "tensorboard"


def add_samples_to_tensorboard(trainer: Trainer, assessor: ReplyAssessor | None) -> None:
    """Puts `TensorBoardWithSamples` in place of transformers' own callback, if that is there.

    Other names in `report_to` keep transformers' callback, which gets all numbers.
    """
    if trainer.pop_callback(TensorBoardCallback) is not None:
        trainer.add_callback(TensorBoardWithSamples(assessor))


class TensorBoardWithSamples(WhileTraining, TensorBoardCallback):
    """Writes training's logs and replies to `output_dir`/tensorboard.

    transformers names a new folder after date and host at every start, so that a resumed run
    begins another curve. The variable TENSORBOARD_LOGGING_DIR chooses another folder.
    """

    def __init__(self, assessor: ReplyAssessor | None) -> None:
        """Keeps who has the replies; None where none are made."""
        super().__init__()
        self.assessor = assessor

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Opens the event file."""
        WhileTraining.on_train_begin(self, args, state, control)
        if not state.is_world_process_zero:
            return
        folder = self.logging_dir or str(Path(args.output_dir) / TENSORBOARD_FOLDER)
        # TensorBoard hides what an earlier process wrote from this step on: it is trained again.
        purge = state.global_step + 1 if state.global_step else 0
        self.tb_writer = self._SummaryWriter(log_dir=folder, purge_step=purge)
        TensorBoardCallback.on_train_begin(self, args, state, control, **kwargs)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Draws the numbers of training; the evaluation after it is of the selected checkpoint."""
        if self.training:
            TensorBoardCallback.on_log(self, args, state, control, logs=logs, **kwargs)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Adds the replies of one evaluation as a table."""
        if self.tb_writer is None or self.assessor is None or not self.assessor.replies:
            return
        rows = sample_rows(self.assessor.questions, self.assessor.replies, SAMPLES_WRITTEN)
        self.tb_writer.add_text("samples", markdown_table(rows), state.global_step)
        self.tb_writer.flush()

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Closes the event file."""
        WhileTraining.on_train_end(self, args, state, control)
        TensorBoardCallback.on_train_end(self, args, state, control, **kwargs)


def markdown_table(rows: Sequence[dict[str, Any]]) -> str:
    """Words sample rows as Markdown, which TensorBoard shows as a table."""
    lines = ["| context | model | person |", "|---|---|---|"]
    for row in rows:
        cells = [" / ".join(row["context"]), row["reply"], row["reference"]]
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Keeps a text within its cell."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
