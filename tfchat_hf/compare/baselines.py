# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The rows of the ladder that need no model, so that the others mean something."""

from __future__ import annotations

from ..examples.evaluation_split import EvaluationSplit
from ..measuring.baselines import baseline_replies
from .figures import RowFigures, describe


def baseline_rows(asked: EvaluationSplit) -> list[RowFigures]:
    """Describes what people said, and replies of the training pairs found in three ways.

    A person's replies are compared with what other people said to the same words, as in
    `score_baselines`.

    Args:
        asked: the questions and the corpus.
    """
    questions = asked.questions
    others = [question.references[1:] for question in questions]
    rows = []
    for name, replies in baseline_replies(questions, asked.train, asked.seed).items():
        right = others if name == "human" else None
        rows.append(
            RowFigures(name, "baseline", describe(replies, questions, asked.frequent, right))
        )
    return rows
