# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the model says while it trains: in a file, on the terminal, in TensorBoard.

And a warning when it comes to say one thing to everybody.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback
from transformers.integrations import TensorBoardCallback

from data_builders.output.markdown import table
from data_builders.output.privacy import without_paths
from data_builders.output.terminal import GAP, columns, shorten
from data_builders.translation import _, listed
from data_builders.writing import write_whole

from ..examples.questions import Question
from ..measuring.metrics import top_reply_share
from ..measuring.selection import ReplyAssessor
from .callbacks import Report
from .time_budget import TrainingClock

SAMPLES_DURING_TRAINING = "samples_during_training.jsonl"
TENSORBOARD_FOLDER = "tensorboard"
SAMPLES_WRITTEN = 10
SAMPLES_SHOWN = 3
LINE_WIDTH = 96
# Of 200 replies of people 1 to 4 are the most frequent one (a Chinese and an English corpus of
# chat); a model that gives a fifth of all questions one reply is dull, with half it has collapsed.
COLLAPSE_SHARES = (0.2, 0.5)
# Of fewer replies two equal ones are a large share already.
COLLAPSE_MIN_REPLIES = 20
# What the advice on a collapse goes by.
FEW_EPOCHS, SMALL_UPDATE = 20, 2048
COLLAPSE_METRIC = "eval_top_reply_share"


class WhileTraining(TrainerCallback):
    """Knows whether training is under way.

    The evaluation after it is of the selected checkpoint, and its step is not that checkpoint's.
    """

    training = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the beginning."""
        self.training = True

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the end."""
        self.training = False


class SampleTable(WhileTraining):
    """Writes replies to the same few questions at each evaluation, and shows some of them."""

    def __init__(self, assessor: ReplyAssessor, folder: str | Path, report: Report) -> None:
        """Keep where replies come from and go to.

        Args:
            assessor: Has the replies of the latest evaluation.
            folder: The run folder, where `samples_during_training.jsonl` grows.
            report: Takes the lines of the table.
        """
        self.assessor = assessor
        self.file = SampleFile(Path(folder) / SAMPLES_DURING_TRAINING)
        self.report = report

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Drop the samples of steps that are going to be trained again."""
        self.training = True
        if state.is_world_process_zero:
            self._careful(self.file.go_on_after, state.global_step)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write and show the replies of one evaluation."""
        if not (self.training and state.is_world_process_zero and self.assessor.replies):
            return
        rows = first_samples(self.assessor)
        self._careful(self.file.write, state.global_step, rows)
        for line in sample_lines(state.global_step, rows[:SAMPLES_SHOWN]):
            self.report(line)

    def _careful(self, write: Callable[..., None], *values: Any) -> None:
        """Do without samples where they cannot be written: they are not worth the run."""
        try:
            write(*values)
        except OSError as error:
            name = self.file.path.name
            self.report(_("note: {file} was not written: {error}", file=name, error=error))


def sample_rows(questions: Sequence[Question], replies: Sequence[str]) -> list[dict[str, Any]]:
    """Pair questions with a person's reply and the model's."""
    return [
        {"context": question.context, "reference": question.references[0], "reply": reply}
        for question, reply in zip(questions, replies, strict=True)
    ]


def first_samples(assessor: ReplyAssessor) -> list[dict[str, Any]]:
    """Give the sample rows of the first questions."""
    few = slice(SAMPLES_WRITTEN)
    return sample_rows(assessor.questions[few], assessor.replies[few])


def sample_lines(step: int, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Show sample rows as a small table; of a context the newest turn."""
    cells = [(_("asked"), _("model"), _("person"))]
    cells += [(row["context"][-1], row["reply"], row["reference"]) for row in rows]
    lines = columns(cells, width=LINE_WIDTH - len(GAP), indent=GAP)
    return [_("samples at step {step}:", step=step), *lines]


class SampleFile:
    """JSON lines, a few for each step; each has a `step`, and no step stands there twice."""

    def __init__(self, path: Path) -> None:
        """Keep the path; nothing is written yet."""
        self.path = path

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the whole rows; one that a killed process left half-written is passed over."""
        if not self.path.is_file():
            return
        with open(self.path, encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    row = json.loads(line)
                    row["step"] += 0
                except (ValueError, TypeError, KeyError):
                    continue
                yield row

    def go_on_after(self, step: int) -> None:
        """Drop what an earlier process wrote past the step that training goes on from.

        Step 0 is a new run: nothing in the file belongs to it.
        """
        kept = [row for row in self.rows() if step and row["step"] <= step]
        if self.path.is_file():
            self._replace(kept)

    def write(self, step: int, rows: Sequence[dict[str, Any]]) -> None:
        """Put the rows of a step at the end, in place of what the step had there before."""
        before = list(self.rows())
        if any(row["step"] == step for row in before):
            self._replace([row for row in before if row["step"] != step])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # One write at the end of the file: whoever reads meanwhile sees all rows or none.
        with open(self.path, "ab", buffering=0) as file:
            file.write(_json_lines([{"step": step, **row} for row in rows]))

    def _replace(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write the file anew, so that it is there whole or as before."""
        write_whole(self.path, _json_lines(rows))


def _json_lines(rows: Sequence[dict[str, Any]]) -> bytes:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return text.encode("utf-8", errors="replace")


# -------------------------------------------------------------------------------- TensorBoard


def add_samples_to_tensorboard(trainer: Trainer, assessor: ReplyAssessor | None) -> None:
    """Put `TensorBoardWithSamples` in place of transformers' own callback, if that is there.

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
        """Keep who has the replies; None where none are made."""
        super().__init__()
        self.assessor = assessor

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the event file."""
        self.training = True
        if not state.is_world_process_zero:
            return
        folder = self.logging_dir or str(Path(args.output_dir) / TENSORBOARD_FOLDER)
        # TensorBoard hides what an earlier process wrote from this step on: it is trained again.
        purge = state.global_step + 1 if state.global_step else 0
        self.tb_writer = self._SummaryWriter(log_dir=folder, purge_step=purge)
        # transformers' own callback writes the paths of this machine too.
        for name, told in {"args": args, "model_config": kwargs["model"].config}.items():
            text = json.dumps(without_paths(told.to_dict()), ensure_ascii=False, indent=2)
            self.tb_writer.add_text(name, text)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Draw the numbers of training; the evaluation after it is of the selected checkpoint."""
        if self.training:
            TensorBoardCallback.on_log(self, args, state, control, **kwargs)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Add the replies of one evaluation as a table."""
        if self.tb_writer is None or self.assessor is None or not self.assessor.replies:
            return
        rows = first_samples(self.assessor)
        self.tb_writer.add_text("samples", markdown_table(rows), state.global_step)
        self.tb_writer.flush()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close the event file."""
        self.training = False
        TensorBoardCallback.on_train_end(self, args, state, control, **kwargs)


def markdown_table(rows: Sequence[dict[str, Any]]) -> str:
    """Write sample rows as Markdown, which TensorBoard shows as a table."""
    cells = [(" / ".join(row["context"]), row["reply"], row["reference"]) for row in rows]
    lines = [[" ".join(cell.split()) for cell in row] for row in cells]
    return table(["context", "model", "person"], lines)


# ----------------------------------------------------------------------------------- collapse


class CollapseWarning(WhileTraining):
    """Warns when the model comes to say one thing to everybody, and again when it gets worse.

    A model that has learnt little yet always does, so two evaluations in a row must show it once
    the learning rate has warmed up, or the last one of the run. What was warned of before is read
    from the trainer's history: a resumed run does not warn again.
    """

    def __init__(
        self, assessor: ReplyAssessor, report: Report, clock: TrainingClock | None = None
    ) -> None:
        """Keep the replies to look at, where to warn, and the clock of a run that has one."""
        self.assessor = assessor
        self.report = report
        self.clock = clock
        self.human_share = top_reply_share([asked.references[0] for asked in assessor.questions])
        self._warned = 0

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Compare the share of the most frequent reply with the shares that are warned of."""
        few = len(self.assessor.replies) < COLLAPSE_MIN_REPLIES
        if few or not (self.training and state.is_world_process_zero):
            return
        history = [log for log in state.log_history if COLLAPSE_METRIC in log]
        shares = {log["step"]: log[COLLAPSE_METRIC] for log in history}
        now = shares.pop(state.global_step, 0.0)
        warmup = args.get_warmup_steps(state.max_steps)
        if self.clock is not None:
            warmup = self.clock.warmup_steps or 0
        earlier = [share for step, share in shares.items() if step > warmup]
        self._warned = max(self._warned, self._level(earlier))
        last = state.global_step >= state.max_steps or control.should_training_stop
        level = self._level([now, now] if last else [*earlier[-1:], now])
        if level > self._warned:
            self._warned = level
            for line in self._warning(args, state, now):
                self.report(line)

    def _level(self, shares: Sequence[float]) -> int:
        """Count the entries of COLLAPSE_SHARES that two evaluations in a row have reached."""
        lasting = [min(pair) for pair in zip(shares, shares[1:], strict=False)]
        worst = max(lasting, default=0.0)
        return sum(worst >= limit for limit in COLLAPSE_SHARES) if worst > self.human_share else 0

    def _warning(self, args: Any, state: Any, share: float) -> list[str]:
        """Say what is wrong and what can be done, what helps most first (docs/recipe.md)."""
        common = shorten(Counter(self.assessor.replies).most_common(1)[0][0], 40)
        epochs, weight, size = state.epoch or 0, args.frequency_weight, args.tokens_per_update
        advice = {
            _("train longer ({epochs:.1f} epochs so far)", epochs=epochs): epochs < FEW_EPOCHS,
            _instead("frequency_weight: 0", f"{weight:g}"): weight,
            "`muon_learning_rate: 0.01`": not args.muon_learning_rate,
            _instead(f"tokens_per_update: {SMALL_UPDATE}", size): size > SMALL_UPDATE,
            _("more data"): True,
            _("`generation_preset: precise` if it is another one"): True,
        }
        return [
            _(
                "warning: at step {step} {share:.0f} % of the replies are the same one, "
                '"{common}" (the most frequent of people\'s replies: {human:.0f} %).',
                step=state.global_step,
                share=100 * share,
                common=common,
                human=100 * self.human_share,
            ),
            "  "
            + _(
                "The model is learning the likeliest reply to anything, and a falling loss does "
                "not show it."
            ),
            "  "
            + _(
                "Try, in this order: {advice}.",
                advice=listed(words for words, holds in advice.items() if holds),
            ),
        ]


def _instead(setting: str, value: object) -> str:
    return _("`{setting}` (now {value})", setting=setting, value=value)
