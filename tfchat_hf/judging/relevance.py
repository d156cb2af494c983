# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Measure how much a model listens, on questions it was not trained on.

    python -m tfchat_hf.judging relevance runs/mine
    python -m tfchat_hf.judging relevance runs/mine --by-source --questions 1000

Prints the gain of the question in nats a token, and how often and at which rank the model finds
the true reply among 20 of like length.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from data_builders.command_line import check_at_least, say, tell
from data_builders.translation import _, marked

from ..settings.places import check_run_folder
from ..text.console import quiet_libraries

_TITLES = {
    "question_gain": (marked("gain of the question"), marked("{:.3f} nats a token")),
    "hits_at_1": ("hits@1", "{:.3f}"),
    "mrr": ("MRR", "{:.3f}"),
    "hits_at_1_pmi": (marked("hits@1, less the reply alone"), "{:.3f}"),
    "mrr_pmi": (marked("MRR, less the reply alone"), "{:.3f}"),
    "candidates": (marked("replies to choose from"), "{:.1f}"),
    "relevance_questions": (marked("questions"), "{:,}"),
    "without_wrong_question": (marked("of them alone in their source"), "{:,}"),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = __doc__
    add = parser.add_argument
    add("run", type=Path, help="folder of a finished run")
    add("--dataset", help="where its data lies now, if not where it lay")
    add("--split", choices=("test", "validation"), help="default: test where there is one")
    add("--questions", type=int, default=500, help="the most to ask, 0 for all (default 500)")
    add("--by-source", action="store_true", help="the figures of each source too")
    add("--json", action="store_true", help="print JSON")
    add("--device", default="auto", help="auto (the GPU if there is one), cpu ...")


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    check_at_least(options, questions=0)
    check_run_folder(options.run)
    tell(_("Loading {run} ...", run=options.run))
    figures = _measure(options)
    say(json.dumps(figures, indent=2, ensure_ascii=False) if options.json else _lines(figures))


def _measure(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the figures of all questions, and of each source where that is wanted."""
    quiet_libraries()
    from ..chat.session import load_session
    from ..examples.evaluation_split import load_evaluation_split
    from ..measuring.relevance import (
        ranking_tasks,
        relevance_by_source,
        relevance_figures,
        score_tasks,
    )

    # One question: the replies of the corpus to the others are not needed here.
    asked = load_evaluation_split(options.run, options.dataset, options.split, 1)
    tasks = ranking_tasks(asked.examples, options.questions, asked.seed)
    scores = score_tasks(load_session(str(options.run), options.device, memory=False).model, tasks)
    by_source = relevance_by_source(scores) if options.by_source else {}
    return {f"{asked.dataset}, {asked.split}": relevance_figures(scores), **by_source}


def _lines(figures: dict[str, dict[str, Any]]) -> str:
    """Write the figures for reading."""
    lines: list[str] = []
    for name, row in figures.items():
        lines += ["", f"{name}:"] if lines else [f"{name}:"]
        for key, value in row.items():
            title, form = _TITLES[key]
            lines.append(f"  {_(title)}: {_(form).format(value)}")
    return "\n".join(lines)
