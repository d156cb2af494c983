# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The rows of the ladder that need no model, so that the others mean something."""

from __future__ import annotations

from ..evaluation import human_replies
from ..held_out import HeldOut
from ..questions import most_frequent_reply, random_replies
from .figures import RowFigures, describe
from .rows import BASELINES


def baseline_rows(asked: HeldOut) -> list[RowFigures]:
    """Describes what people said, a random training reply and the most frequent one.

    A person's replies are compared with what other people said to the same words, as in
    `score_baselines`.

    Args:
        asked: the questions and the corpus.
    """
    questions = asked.questions
    known = [question.references for question in questions]
    texts = (
        human_replies(questions),
        random_replies(asked.train, len(questions), asked.seed),
        [most_frequent_reply(asked.train)[0]] * len(questions),
    )
    references = ([others[1:] for others in known], known, known)
    return [
        RowFigures(name, "baseline", describe(replies, questions, right))
        for name, replies, right in zip(BASELINES, texts, references, strict=True)
    ]
