# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Replies that need no model, so that the model's figures mean something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from datasets import Dataset

from ..examples.questions import Question, most_frequent_reply, random_replies
from ..examples.rows import arrow_column
from ..memory.index import QuestionIndex
from .metrics import describe_answers

BASELINES = ("human", "nearest_question", "random_training_reply", "most_frequent_reply")


def baseline_replies(
    questions: Sequence[Question], train: Dataset, seed: int
) -> dict[str, list[str]]:
    """Return the replies of each of `BASELINES` to some questions.

    Args:
        questions: what is asked.
        train: pairs of `prepare_data`, at least one.
        seed: of the random replies.
    """
    texts = (
        human_replies(questions),
        nearest_replies(questions, train),
        random_replies(train, len(questions), seed),
        [most_frequent_reply(train)[0]] * len(questions),
    )
    return dict(zip(BASELINES, texts, strict=True))


def score_baselines(
    questions: Sequence[Question],
    replies: Mapping[str, Sequence[str]],
    frequent: Sequence[str] = (),
) -> dict[str, dict[str, float | int | str]]:
    """Score the baselines.

    A person's reply is compared with what *other* people said to the same words: it would be
    perfect beside itself. It has one reference less than the model's reply, and questions with
    one known reply have none: `scored_replies` says how many are left, and without any the row
    has no exact match, BLEU and F1.

    Args:
        questions: the validation questions.
        replies: of `baseline_replies`.
        frequent: replies that training has most often.
    """
    known = [question.references for question in questions]
    others = [references[1:] for references in known]
    return {
        name: describe_answers(texts, questions, frequent, others if name == "human" else known)
        for name, texts in replies.items()
    }


def human_replies(questions: Sequence[Question]) -> list[str]:
    """Return the first reply that the corpus has to each question."""
    return [question.references[0] for question in questions]


def nearest_replies(questions: Sequence[Question], train: Dataset) -> list[str]:
    """Answer with the reply to the nearest training question, by the characters they share.

    Only the newest turns are compared. A question that shares nothing with any gets the most
    frequent reply.

    Args:
        questions: what is asked.
        train: pairs of `prepare_data`, at least one.
    """
    asked = [turns[-1] for turns in arrow_column(train, "context").to_pylist()]
    index = QuestionIndex.build(asked)
    found = [index.nearest(question.context[-1], 1) for question in questions]
    rows = [places[0][0] for places in found if places]
    texts = iter(train.select(rows)["reply"] if rows else ())
    nothing = most_frequent_reply(train)[0]
    return [next(texts) if places else nothing for places in found]
