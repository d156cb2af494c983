# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which checkpoint is the best: likelihood and variety of replies in one number."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from .evaluation import generate_replies, generate_replies_together, human_replies
from .metrics import DISTINCT_REPLIES, describe_replies, distinct
from .questions import Question


def selection_score(
    loss: float, distinct_2: float, human_distinct_2: float, diversity_weight: float = 1.0
) -> float:
    """Adds to the loss what the replies lack in variety; the lowest sum is the best checkpoint.

    At the lowest loss alone a small chat model says one thing to everybody (Csaky et al., 2019).
    A model as varied as people pays nothing, and being more varied than they earns nothing; one
    that has a single reply for all pays nearly the whole weight.

    Args:
        loss: nats a token on held-out replies.
        distinct_2: of the model's replies.
        human_distinct_2: of people's replies to the same questions, as many of them.
        diversity_weight: nats that no variety at all costs; 0 selects by the loss alone.
    """
    if human_distinct_2 <= 0:  # one-word replies have no pairs of words to be varied in
        return loss
    return loss + diversity_weight * (1 - min(1.0, distinct_2 / human_distinct_2))


def human_distinct_2(questions: Sequence[Question]) -> float:
    """Gives distinct-2 of people's replies, over as many as `describe_replies` looks at."""
    return distinct(human_replies(questions)[:DISTINCT_REPLIES], 2)


class ReplyAssessor:
    """Has a model answer the same questions at each evaluation and says what the answers are like.

    Attributes:
        questions: what is asked.
        replies: the latest answers, in that order, for whoever shows them; empty before the first.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        tokenizer: PreTrainedTokenizerBase,
        human_distinct_2: float,
        batch_size: int,
        diversity_weight: float = 1.0,
        split: bool = True,
    ) -> None:
        """Keeps what every evaluation needs.

        Args:
            questions: at least one.
            tokenizer: pads questions and decodes replies.
            human_distinct_2: of people's replies to them (`human_distinct_2`).
            batch_size: questions answered at a time.
            diversity_weight: of `selection_score`.
            split: whether each process answers its share. False where all processes must run
                every forward pass together, as under FSDP: each then answers everything.
        """
        self.questions = questions
        self.tokenizer = tokenizer
        self.human_distinct_2 = human_distinct_2
        self.batch_size = batch_size
        self.diversity_weight = diversity_weight
        self.replies: list[str] = []
        self._generate = generate_replies_together if split else generate_replies

    def __call__(self, model: PreTrainedModel, loss: float) -> tuple[dict[str, float], list[str]]:
        """Answers all questions; every process of a distributed run must call this.

        Args:
            model: the network itself, not what wraps it for several processes.
            loss: nats a token on held-out replies.

        Returns:
            The numbers of `describe_replies` with `selection_score`, the same in every process,
            and the replies.
        """
        self.replies = self._generate(model, self.tokenizer, self.questions, self.batch_size)
        references = [question.references for question in self.questions]
        row = describe_replies(self.replies, references)
        # Signatures are text, and the curves that this goes to are of numbers.
        found = {name: value for name, value in row.items() if not isinstance(value, str)}
        found["selection_score"] = selection_score(
            loss, found["distinct_2"], self.human_distinct_2, self.diversity_weight
        )
        return found, self.replies
