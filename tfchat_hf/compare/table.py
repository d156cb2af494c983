# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The ladder as Markdown. It holds figures alone: no question and no reply of the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from data_builders.output.markdown import table

from .figures import LEAST_BLEU_RATIO, LEAST_DISTINCT_RATIO, MOST_LOOPS, RowFigures

_SHARES = ("repetition", "stutter", "dull", "language_mismatch")
_SHARES += ("copy_rate", "echo_share", "top_reply_share")
# What a column is called, and how its numbers are written.
_COLUMNS = {
    "bleu": ("BLEU", "{:.2f}"),
    "f1": ("F1", "{:.3f}"),
    "distinct_1": ("distinct-1", "{:.3f}"),
    "distinct_2": ("distinct-2", "{:.3f}"),
    "repetition": ("loops", "{:.1f} %"),
    "stutter": ("stutter", "{:.1f} %"),
    "dull": ("dull", "{:.1f} %"),
    "language_mismatch": ("wrong language", "{:.1f} %"),
    "copy_rate": ("copied", "{:.1f} %"),
    "echo_share": ("echoes", "{:.1f} %"),
    "top_reply_share": ("top reply", "{:.1f} %"),
    "mean_length": ("length", "{:.1f}"),
    "tokens_per_second": ("tokens/s", "{:,.0f}"),
}
_GOALS = {"loops": "loops", "distinct_2": "distinct-2", "bleu": "BLEU"}


def ladder_page(facts: dict[str, Any], rows: Sequence[RowFigures], notes: Sequence[str]) -> str:
    """Writes ladder.md.

    Args:
        facts: of model and questions, as in ladder.json.
        rows: of the table.
        notes: on what was left out.
    """
    asked, loss = facts["questions"], facts["loss"]
    lines = [
        f"# Ladder of {facts['model']['name']}",
        "",
        f"{asked['number']:,} questions of the {asked['split']} split of {asked['dataset']}. "
        f"Perplexity of its {loss['replies']:,} replies, the same for every preset: "
        f"{loss['perplexity']:.1f} a token ({loss['bits_per_character']:.2f} bits a character).",
        *relevance_lines(loss),
        "",
        figures_table(rows),
        "",
        f"Against greedy search. The goals: loops below {100 * MOST_LOOPS:g} %, distinct-2 at "
        f"least {LEAST_DISTINCT_RATIO:g} times and BLEU at least {LEAST_BLEU_RATIO:g} times "
        "greedy's.",
        "",
        goals_table(rows),
        "",
        *(f"- {line}" for line in _legend(facts, rows)),
        *(f"- {note}." for note in notes),
    ]
    return "\n".join(lines) + "\n"


def relevance_lines(figures: dict[str, Any]) -> list[str]:
    """Says how much the model listens, which is the same for every preset; none without figures."""
    if "mrr_pmi" not in figures:
        return []
    gain = figures.get("question_gain")
    said = "" if gain is None else f"Gain of the question: {gain:.3f} nats a token. "
    return [
        "",
        f"{said}hits@1 among {figures['candidates']:.1f} replies of like length: "
        f"{figures['hits_at_1']:.3f}, less the reply alone {figures['hits_at_1_pmi']:.3f} (MRR "
        f"{figures['mrr']:.3f} and {figures['mrr_pmi']:.3f}), "
        f"{figures['relevance_questions']:,} questions.",
    ]


def figures_table(rows: Sequence[RowFigures]) -> str:
    """Writes the figures of all rows; what a row does not have stays empty."""
    head = ["", *(f">{title}" for title, _ in _COLUMNS.values())]
    cells = [[_named(row), *(_cell(row, name) for name in _COLUMNS)] for row in rows]
    return table(head, cells)


def goals_table(rows: Sequence[RowFigures]) -> str:
    """Writes the ratios to greedy, and which goals each row reaches."""
    head = ["", ">distinct-2 ratio", ">BLEU ratio", ">95 % of draws"]
    head += [f"goal {title}" for title in _GOALS.values()]
    cells = []
    for row in rows:
        if row.kind == "baseline":
            continue
        goals, ratio = row.goals(), row.bleu_ratio
        between = "" if ratio is None else f"{ratio.low:.2f} to {ratio.high:.2f}"
        ratios = [_ratio(row.distinct_2_ratio), _ratio(ratio and ratio.value), between]
        cells.append([row.name, *ratios, *(goals.get(name, "") for name in _GOALS)])
    return table(head, cells)


def _named(row: RowFigures) -> str:
    """Gives the name of a row as people write it."""
    return row.name.replace("_", " ") if row.kind == "baseline" else row.name


def _cell(row: RowFigures, name: str) -> str:
    """Writes one figure, with its range where there are several seeds."""
    value, limits = row.figures.get(name), row.ranges.get(name)
    if value is None:
        return ""
    text = _shown(name, value)
    if limits is None or limits[0] == limits[1]:
        return text
    return f"{text} ({_shown(name, limits[0])} to {_shown(name, limits[1])})"


def _shown(name: str, value: float) -> str:
    """Writes one number."""
    return _COLUMNS[name][1].format(100 * value if name in _SHARES else value)


def _ratio(value: float | None) -> str:
    """Writes a ratio."""
    return "" if value is None else f"{value:.2f}"


def _legend(facts: dict[str, Any], rows: Sequence[RowFigures]) -> list[str]:
    """Says what the columns mean, in a line each."""
    first = rows[0].figures
    clock = "of CPU time" if facts["device"] == "cpu" else f"of the clock, on {facts['device']}"
    lines = [
        f"BLEU: {first.get('bleu_signature', 'none')}; distinct-n of the first "
        f"{first['distinct_replies']} replies; loops: replies that say a phrase three times in a "
        "row, or a character five times.",
        "stutter: replies that double a word or a phrase where nobody would; dull: replies that "
        "fit anything, or are among the most frequent of training; wrong language: English to a "
        "Chinese question, or the other way round.",
        "nearest question: the reply to the training question that shares most characters.",
        "copied: words that stand in a run of three or more (four for Chinese characters) in the "
        "question too; echoes: replies that are the question.",
        f"tokens/s: tokens of the replies in a second {clock}, batches of {facts['batch_size']}, "
        f"{facts['threads']} threads.",
        "95 % of draws: the ratio when the questions are drawn anew 200 times; a ? marks a goal "
        "that other questions might decide otherwise.",
        "human: compared with what other people said to the same words, "
        f"{_human_scored(rows)} of the questions.",
    ]
    if any(row.ranges for row in rows):
        lines.append("Rows that draw at random: mean over the seeds, and smallest to largest.")
    return lines


def _human_scored(rows: Sequence[RowFigures]) -> int:
    """Counts the questions that people answered more than once."""
    return next((row.figures["scored_replies"] for row in rows if row.name == "human"), 0)
