# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the model says while it trains: samples for reading, and a warning when they collapse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ...examples.questions import Question
from ...measuring.metrics import top_reply_share
from ...measuring.selection import ReplyAssessor
from ..time_budget import TrainingClock
from .sample_file import SampleFile
from .text_table import shorten, table_lines

SAMPLES_DURING_TRAINING = "samples_during_training.jsonl"
SAMPLES_WRITTEN = 10
SAMPLES_SHOWN = 3
LINE_WIDTH = 96
# Of 200 replies of people 1 to 4 are the most frequent one (a Chinese and an English corpus of
# chat); a model that gives a fifth of all questions one reply is dull, with half it has collapsed.
COLLAPSE_SHARES = (0.2, 0.5)
# Of fewer replies two equal ones are a large share already.
COLLAPSE_MIN_REPLIES = 20
COLLAPSE_METRIC = "eval_top_reply_share"


class WhileTraining(TrainerCallback):
    """Knows whether training is under way.

    The evaluation after it is of the selected checkpoint, and its step is not that checkpoint's.
    """

    training = False

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Marks the beginning."""
        self.training = True

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Marks the end."""
        self.training = False


class SampleTable(WhileTraining):
    """Writes replies to the same few questions at each evaluation, and shows some of them."""

    def __init__(
        self, assessor: ReplyAssessor, folder: str | Path, report: Callable[[str], None]
    ) -> None:
        """Keeps where replies come from and go to.

        Args:
            assessor: has the replies of the latest evaluation.
            folder: the run folder, where `samples_during_training.jsonl` grows.
            report: takes the lines of the table.
        """
        self.assessor = assessor
        self.file = SampleFile(Path(folder) / SAMPLES_DURING_TRAINING)
        self.report = report

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Drops the samples of steps that are going to be trained again."""
        super().on_train_begin(args, state, control, **kwargs)
        if state.is_world_process_zero:
            self._careful(self.file.go_on_after, state.global_step)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Writes and shows the replies of one evaluation."""
        if not (self.training and state.is_world_process_zero and self.assessor.replies):
            return
        rows = sample_rows(self.assessor.questions, self.assessor.replies, SAMPLES_WRITTEN)
        self._careful(self.file.write, state.global_step, rows)
        for line in sample_lines(state.global_step, rows[:SAMPLES_SHOWN]):
            self.report(line)

    def _careful(self, write: Callable[..., None], *values: Any) -> None:
        """Does without samples where they cannot be written: they are not worth the run."""
        try:
            write(*values)
        except OSError as error:
            self.report(f"note: {self.file.path.name} was not written: {error}")


def sample_rows(
    questions: Sequence[Question], replies: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    """Pairs the first questions with a person's reply and the model's."""
    pairs = zip(questions[:limit], replies[:limit], strict=True)
    return [
        {"context": question.context, "reference": question.references[0], "reply": reply}
        for question, reply in pairs
    ]


def sample_lines(step: int, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Words sample rows as a small table; of a context it shows the newest turn."""
    cells = [("asked", "model", "person")]
    cells += [(row["context"][-1], row["reply"], row["reference"]) for row in rows]
    lines = table_lines(cells, LINE_WIDTH - 2)
    return [f"samples at step {step}:"] + [f"  {line}" for line in lines]


class CollapseWarning(WhileTraining):
    """Warns when the model comes to say one thing to everybody, and again when it gets worse.

    A model that has learnt little yet always does, so two evaluations in a row must show it once
    the learning rate has warmed up, or the last one of the run. What was warned of before is read
    from the trainer's history: a resumed run does not warn again.
    """

    def __init__(
        self,
        assessor: ReplyAssessor,
        report: Callable[[str], None],
        clock: TrainingClock | None = None,
    ) -> None:
        """Keeps the replies to look at, where to warn, and the clock of a run that has one."""
        self.assessor = assessor
        self.report = report
        self.clock = clock
        people = [question.references[0] for question in assessor.questions]
        self.human_share = top_reply_share(people)
        self._warned = 0

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Compares the share of the most frequent reply with the shares that are warned of."""
        few = len(self.assessor.replies) < COLLAPSE_MIN_REPLIES
        if few or not (self.training and state.is_world_process_zero):
            return
        shares = _shares_by_step(state.log_history)
        now = shares.pop(state.global_step, 0.0)
        warmup = args.get_warmup_steps(state.max_steps)
        if self.clock is not None:
            warmup = self.clock.warmup_steps or 0
        earlier = [share for step, share in shares.items() if step > warmup]
        self._warned = max(self._warned, _level(earlier, self.human_share))
        last = state.global_step >= state.max_steps or control.should_training_stop
        level = _level([now, now] if last else [*earlier[-1:], now], self.human_share)
        if level > self._warned:
            self._warned = level
            for line in self._warning(args, state.global_step, now):
                self.report(line)

    def _warning(self, args: TrainingArguments, step: int, share: float) -> list[str]:
        """Words the warning and what can be done."""
        common = shorten(Counter(self.assessor.replies).most_common(1)[0][0], 40)
        smoothing = getattr(args, "label_smoothing_factor", 0.0)
        frequency = getattr(args, "frequency_weight", 0.0)
        return [
            f"warning: at step {step} {100 * share:.0f} % of the replies are the same one, "
            f'"{common}" (the most frequent of people\'s replies: {100 * self.human_share:.0f} %).',
            "  The model is learning the likeliest reply to anything, and a falling loss does not "
            "show it.",
            f"  Try a lower `label_smoothing_factor` (now {smoothing:g}), a higher "
            f"`frequency_weight` (now {frequency:g}), more data, or "
            "`generation_preset: precise` if it is another one.",
        ]


def _shares_by_step(history: Sequence[dict[str, Any]]) -> dict[int, float]:
    """Finds the share of the most frequent reply at each evaluation, in order."""
    return {log["step"]: log[COLLAPSE_METRIC] for log in history if COLLAPSE_METRIC in log}


def _level(shares: Sequence[float], human_share: float) -> int:
    """Counts the entries of COLLAPSE_SHARES that two evaluations in a row have reached."""
    lasting = [min(pair) for pair in zip(shares, shares[1:], strict=False)]
    worst = max(lasting, default=0.0)
    if worst <= human_share:
        return 0
    return sum(worst >= limit for limit in COLLAPSE_SHARES)
