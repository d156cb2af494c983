# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which source of a dataset teaches a model to answer: the gain of its questions, and its size.

Of each source the held-out pairs are scored by a model that was trained on its other pairs: the
loss of the reply after its own question and after another one of the same source. Where both are
equal, the replies do not depend on the questions, and training on them teaches to answer anything
with anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_builders.errors import UserError
from data_builders.output.terminal import columns
from data_builders.translation import _, marked

if TYPE_CHECKING:
    from datasets import Dataset

    from tfchat_hf.examples.evaluation_split import EvaluationSplit
    from tfchat_hf.measuring.relevance import TaskScore

QUESTIONS = 300
# With fewer the interval says more about the draw than about the source.
FEWEST_QUESTIONS = 20
_RESAMPLES = 2_000
_LEVELS = (0.025, 0.975)
_COLUMNS = (
    marked("source"),
    marked("pairs"),
    marked("characters"),
    marked("repeated"),
    marked("questions"),
    marked("loss"),
    marked("wrong"),
    marked("gain (95 %)"),
    marked("suggestion"),
)


@dataclass(frozen=True)
class SourceFigures:
    """What is known of one source; losses and gain in nats a token, NaN without questions.

    Attributes:
        source: Its name in the column `source`.
        pairs: Pairs of training and of the split asked.
        characters: Mean length of a reply.
        repeated: Share of pairs whose reply another pair of the source has given before.
        questions: Held-out questions that were asked.
        loss: Of the replies after their own questions.
        loss_after_wrong: After other questions of the source.
        gain: The second less the first.
        low: Lower end of the 95 % interval of the gain.
        high: Upper end.
    """

    source: str
    pairs: int
    characters: float
    repeated: float
    questions: int
    loss: float
    loss_after_wrong: float
    gain: float
    low: float
    high: float

    @property
    def suggestion(self) -> str:
        """Say what to do with the source, in a few words: English, looked up when shown."""
        if self.questions < FEWEST_QUESTIONS:
            return marked("too few questions to tell")
        return marked("keep") if self.low > 0 else marked("leave out")


def weigh(
    run: str | Path,
    dataset: str | None = None,
    questions: int = QUESTIONS,
    split: str | None = None,
    device: str = "auto",
) -> list[SourceFigures]:
    """Measure the sources of a dataset with a model."""
    if questions < 0:
        raise UserError(
            "`--questions` must be at least 0 (got {questions}); 0 is all.", questions=questions
        )
    # Only here: torch takes seconds to load, and all other commands do without.
    from tfchat_hf.chat.session import load_session
    from tfchat_hf.examples.evaluation_split import load_evaluation_split

    # One question: the replies of the corpus to the others are not needed here.
    asked = load_evaluation_split(Path(run), dataset, split, 1)
    model = load_session(str(run), device).model
    scores = _scores_by_source(model, asked, questions)
    sizes = _sizes([asked.train, asked.examples])
    figures = [_figures(name, *sizes[name], scores.get(name, [])) for name in sizes]
    return sorted(figures, key=lambda one: (-one.gain if one.questions else math.inf, one.source))


def _scores_by_source(model: Any, asked: EvaluationSplit, limit: int) -> dict[str, list[TaskScore]]:
    """Score so many questions of each source; those that are alone in theirs are left out."""
    from tfchat_hf.examples.rows import arrow_column
    from tfchat_hf.measuring.relevance import ranking_tasks, score_tasks

    names = np.array([name or "" for name in arrow_column(asked.examples, "source").to_pylist()])
    found = {}
    for name in sorted(set(names.tolist())):
        rows = asked.examples.select(np.flatnonzero(names == name).tolist())
        tasks = ranking_tasks(rows, limit, asked.seed, candidates=1)
        found[name] = score_tasks(model, [one for one in tasks if one.wrong_question is not None])
    return found


def _sizes(splits: Sequence[Dataset]) -> dict[str, tuple[int, float, float]]:
    """Count pairs, characters a reply and the share of repeated replies, by source."""
    columns = ["source", "reply", "reply_key"]
    tables = [one.select_columns(columns).with_format("arrow")[:] for one in splits if len(one)]
    table = pa.concat_tables(tables)
    characters = pc.utf8_length(table["reply"])
    table = table.drop_columns("reply").append_column("characters", characters)
    grouped = table.group_by("source").aggregate(
        [("characters", "mean"), ("reply_key", "count"), ("reply_key", "count_distinct")]
    )
    return {
        row["source"] or "": (
            row["reply_key_count"],
            row["characters_mean"],
            1 - row["reply_key_count_distinct"] / row["reply_key_count"],
        )
        for row in grouped.to_pylist()
    }


def _figures(
    source: str, pairs: int, characters: float, repeated: float, scores: Sequence[TaskScore]
) -> SourceFigures:
    if not scores:
        nothing = (math.nan,) * 5
        return SourceFigures(source, pairs, characters, repeated, 0, *nothing)
    tokens = np.array([one.tokens for one in scores])
    right = np.array([one.nats for one in scores])
    wrong = np.array([one.nats_after_wrong for one in scores])
    loss, after_wrong = right.sum() / tokens.sum(), wrong.sum() / tokens.sum()
    low, high = gain_interval(wrong - right, tokens)
    measured = map(float, (loss, after_wrong, after_wrong - loss, low, high))
    return SourceFigures(source, pairs, characters, repeated, len(scores), *measured)


def gain_interval(gained: np.ndarray, tokens: np.ndarray) -> tuple[float, float]:
    """Give the 95 % interval of a gain, by drawing the questions again with repetition."""
    generator = np.random.default_rng(0)
    # One draw at a time: all of them at once would be as large as draws times questions.
    means = np.empty(_RESAMPLES)
    for number in range(_RESAMPLES):
        drawn = generator.integers(len(tokens), size=len(tokens))
        means[number] = gained[drawn].sum() / tokens[drawn].sum()
    low, high = np.quantile(means, _LEVELS)
    return float(low), float(high)


def weighing_lines(figures: Sequence[SourceFigures]) -> Iterator[str]:
    """Say the figures as a table, and what they mean."""
    rows = [tuple(map(_, _COLUMNS)), *map(_row, figures)]
    yield from columns(rows, right=range(1, len(_COLUMNS) - 1))
    told = [one for one in figures if one.questions >= FEWEST_QUESTIONS]
    if told and all(one.suggestion != "keep" for one in told):
        yield _(
            "No source has a gain above 0: the model has not learned to listen to its questions "
            "yet. Train it longer before you leave anything out."
        )
    elif any(one.suggestion == "leave out" for one in told):
        yield _(
            "leave out: after the right question the replies are no likelier than after a wrong "
            "one, so they teach nothing about answering."
        )


def _row(one: SourceFigures) -> tuple[str, ...]:
    measured = ("", "", "")
    if one.questions:
        gain = _("{gain:.3f} ({low:.3f} to {high:.3f})", gain=one.gain, low=one.low, high=one.high)
        measured = (f"{one.loss:.3f}", f"{one.loss_after_wrong:.3f}", gain)
    return (
        one.source,
        f"{one.pairs:,}",
        f"{one.characters:.1f}",
        f"{one.repeated:.0%}",
        f"{one.questions:,}",
        *measured,
        _(one.suggestion),
    )


def as_records(figures: Sequence[SourceFigures]) -> list[dict[str, Any]]:
    """Make the figures ready for JSON."""
    return [
        {key: None if value != value else value for key, value in asdict(one).items()}
        | {"suggestion": one.suggestion}
        for one in figures
    ]
