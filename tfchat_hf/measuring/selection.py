# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which checkpoint is the best: how much the model listens and what it foresees, in one number."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..examples.questions import Question
from .evaluation import generate_replies
from .metrics import describe_answers


def selection_score(loss: float, mrr: float | None, relevance_weight: float = 5.0) -> float:
    """Take relevance off the loss; the lowest difference is the best checkpoint.

    At the lowest loss alone a small chat model says what fits anything (Csaky et al., 2019), and
    variety alone is reached by stuttering. What a reader wants is a reply to the question, so what
    counts first is at which rank the model finds the true one among others by pointwise mutual
    information (`mrr_pmi`), which a reply that fits anything cannot raise. By default 0.02 of it,
    about its standard error over 500 questions, is worth 0.1 nats a token.

    Args:
        loss: nats a token on held-out replies.
        mrr: `mrr_pmi` of `measure_relevance`; None where it was not measured: the loss selects.
        relevance_weight: nats that an MRR of 1 is worth; 0 selects by the loss alone.
    """
    return loss if mrr is None else loss - relevance_weight * mrr


class ReplyAssessor:
    """Have a model answer the same questions at each evaluation, and measure the answers.

    Attributes:
        questions: what is asked.
        replies: the latest answers, in that order, for whoever shows them; empty before the first.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        tokenizer: PreTrainedTokenizerBase,
        batch_size: int,
        frequent: Sequence[str] = (),
        split: bool = True,
    ) -> None:
        """Keep what every evaluation needs.

        Args:
            questions: at least one.
            tokenizer: pads questions and decodes replies.
            batch_size: questions answered at a time.
            frequent: replies that training has most often.
            split: whether each process answers its share. False where all processes must run
                every forward pass together, as under FSDP: each then answers everything.
        """
        self.questions = questions
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.frequent = frequent
        self.replies: list[str] = []
        self.split = split

    def __call__(self, model: PreTrainedModel) -> tuple[dict[str, float], list[str]]:
        """Answer all questions; every process of a distributed run must call this.

        Args:
            model: the network itself, not what wraps it for several processes.

        Returns:
            The numbers of `describe_answers`, the same in every process, and the replies.
        """
        self.replies = generate_replies(
            model, self.tokenizer, self.questions, self.batch_size, self.split
        )
        row = describe_answers(self.replies, self.questions, self.frequent)
        # Signatures are text, and the curves that this goes to are of numbers.
        found = {name: value for name, value in row.items() if not isinstance(value, str)}
        return found, self.replies
