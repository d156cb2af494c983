# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which of the remembered replies to give, and how likely a reader is to take it for an answer.

The chance that a reader accepts a remembered reply is a logistic function of a few figures. Their
weights were fitted to the marks of two readers on 1,566 remembered replies to 880 questions, in
Chinese and English, out of the small talk and, with equal weight, out of films and students' chats.
Two came later: that of `trust` was chosen by hand, by the marks on 280 Chinese questions to a
mixture; that of `wording_similarity` and the biases were fitted to those 1,566, with the others as
they were.
What the network itself makes of a reply is among them where there is one: it has read the whole
corpus.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any, NamedTuple

from ..text.dialogue import encode_context, encode_reply
from .index import normalize

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

# Bias and weights: of the texts alone, and where a model was asked as well.
_ALONE = {
    "bias": -3.45,
    "similarity": 2.83,
    "wording_similarity": 4.32,
    "foreign_history": -0.80,
    "carried": -0.38,
    "trust": 0.7,
}
_WITH_MODEL = {
    "bias": -3.56,
    "similarity": 2.74,
    "wording_similarity": 3.96,
    "foreign_history": -0.57,
    "carried": -0.50,
    "encoder_similarity": 0.44,
    "likelihood": 0.21,
    "trust": 0.7,
}
# No source is trusted more than one of weight 4, and a reply that a hundred people gave no more
# than one that four did.
_MOST_TIMES = 4
# So many distinct replies are left after the first ranking, and shown to the model.
RERANKED = 8
# The model scores a longer reply by its beginning.
_MOST_REPLY_TOKENS = 64


@dataclass(frozen=True)
class Remembered:
    """A question of the corpus that resembles what is asked, with its reply.

    Attributes:
        question: As it stands in the corpus.
        reply: What was answered.
        history: The turns before the question, oldest first.
        source: Where the corpus has it from.
        similarity: Cosine of the two questions by their letters, 0 to 1.
        wording_similarity: The same by what they ask (`WordingEncoder`), -1 to 1; by their letters
            where nothing of one of them is known.
        place: Its row among the pairs of the memory.
        times: How often the training data has the pair: the weight of its source in a mixture.
        score: The chance that a reader accepts the reply, 0 to 1.
        by_model: Whether a model's figures are part of the score.
    """

    question: str
    reply: str
    history: tuple[str, ...]
    source: str
    similarity: float
    wording_similarity: float
    place: int
    times: int = 1
    score: float = 0.0
    by_model: bool = False


class PairFigures(NamedTuple):
    """What the network makes of one remembered pair.

    Attributes:
        encoder_similarity: Cosine of the remembered question and the one asked, each the mean of
            its states in the encoder.
        likelihood: Nats a token, log p(remembered reply | conversation), the end token included.
    """

    encoder_similarity: float
    likelihood: float


# Takes a conversation and pairs of a remembered question and its reply.
Scorer = Callable[[Sequence[str], Sequence[tuple[str, str]]], Sequence[PairFigures]]


# Takes the question asked, the remembered one and its reply.
Carried = Callable[[str, str, str], float]


def rank(
    turns: Sequence[str], candidates: Sequence[Remembered], carried: Carried
) -> list[Remembered]:
    """Order what was found by the chance that it is an answer, each reply once.

    Args:
        turns: The conversation, the turn to answer last.
        candidates: What resembles it.
        carried: As `QuestionIndex.carried`.

    Returns:
        At most `RERANKED`, the best first.
    """
    found = _scored(candidates, _figures(turns, candidates, carried), _ALONE)
    first: dict[str, Remembered] = {}
    for one in sorted(found, key=lambda one: -one.score):
        first.setdefault(one.reply, one)
    return list(first.values())[:RERANKED]


def rerank(
    turns: Sequence[str], ranked: Sequence[Remembered], carried: Carried, scorer: Scorer
) -> list[Remembered]:
    """Order what `rank` returned again, by what a model makes of it too.

    Args:
        turns: The conversation, the turn to answer last.
        ranked: What `rank` returned.
        carried: As `QuestionIndex.carried`.
        scorer: The model (`ModelScorer`).

    Returns:
        The same, the best first.
    """
    if not ranked:
        return []
    figures = _figures(turns, ranked, carried)
    of_model = scorer(turns, [(one.question, one.reply) for one in ranked])
    columns = [_standardised(values) for values in zip(*of_model, strict=True)]
    for row, values in zip(figures, zip(*columns, strict=True), strict=True):
        row |= PairFigures(*values)._asdict()
    again = _scored(ranked, figures, _WITH_MODEL)
    return sorted((replace(one, by_model=True) for one in again), key=lambda one: -one.score)


def _figures(
    turns: Sequence[str], candidates: Sequence[Remembered], carried: Carried
) -> list[dict[str, float]]:
    return [
        {
            "bias": 1.0,
            "similarity": one.similarity,
            "wording_similarity": one.wording_similarity,
            "foreign_history": foreign_history(turns[:-1], one.history),
            "carried": carried(turns[-1], one.question, one.reply),
            "trust": math.log(min(one.times, _MOST_TIMES)),
        }
        for one in candidates
    ]


def foreign_history(asked: Sequence[str], remembered: Sequence[str]) -> float:
    """Return how much a remembered history speaks against a reply: 1 other, 0 none, -1 the same."""
    if not remembered:
        return 0.0
    return 1 - 2 * text_likeness("".join(asked), "".join(remembered))


def text_likeness(one: str, other: str) -> float:
    """Return the share of neighbouring characters that two texts have in common (Dice), 0 to 1."""
    counts, others = (_neighbours(normalize(text)) for text in (one, other))
    total = counts.total() + others.total()
    return 2 * (counts & others).total() / total if total else 0.0


def _neighbours(text: str) -> Counter[str]:
    return Counter(text[i : i + 2] for i in range(len(text) - 1))


class ModelScorer:
    """A model as the `scorer` of remembered pairs: one pass of encoder and decoder for all of them.

    Args:
        model: A TFChat model in torch, with this package's code.
        tokenizer: Its tokenizer.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: Any) -> None:
        """Keep the two."""
        self.model = model
        self.tokenizer = tokenizer
        self.room = min(model.config.max_position_embeddings, tokenizer.model_max_length)

    def __call__(self, turns: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[PairFigures]:
        """Return the figures of each pair.

        Args:
            turns: The conversation, the turn to answer last.
            pairs: Remembered questions with their replies.
        """
        import torch

        from ..fast.reranking import reply_scores

        context = list(turns)[-max(1, self.model.config.max_context_turns) :]
        asked = [context, [turns[-1]], *([question] for question, _ in pairs)]
        labels = self._labels([reply for _, reply in pairs])
        with torch.inference_mode():
            states, mask = self._encode(asked)
            heard = states[:1].expand(len(pairs), -1, -1)  # (pairs, source_len, d_model)
            nats = reply_scores(self.model, heard, labels, mask[:1].expand(len(pairs), -1))
        likelihood = nats / (labels != -100).sum(1)
        means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)  # (texts, d_model)
        similarity = torch.nn.functional.cosine_similarity(means[2:], means[1:2])
        figures = zip(similarity.tolist(), likelihood.tolist(), strict=True)
        return [PairFigures(*values) for values in figures]

    def _encode(self, contexts: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
        """Run the encoder; states (texts, source_len, d_model) and mask (texts, source_len)."""
        ids = [list(encode_context(self.tokenizer, one, self.room).input_ids) for one in contexts]
        batch = self.tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self.model.device)
        states = self.model.get_encoder()(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).last_hidden_state
        return states.float(), batch["attention_mask"]

    def _labels(self, replies: Sequence[str]) -> Tensor:
        """Tokenize replies; labels (replies, length), -100 behind the end token."""
        import torch

        room, end = min(_MOST_REPLY_TOKENS, self.room) - 1, self.tokenizer.eos_token_id
        # Cut here: `truncation=True` would change the tokenizer under a server's other threads.
        found = [encode_reply(self.tokenizer, reply)[:-1] for reply in replies]
        rows = [torch.tensor([*ids[:room], end]) for ids in found]
        labels = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-100)
        return labels.to(self.model.device)


def _scored(
    candidates: Sequence[Remembered],
    figures: Sequence[dict[str, float]],
    weights: dict[str, float],
) -> list[Remembered]:
    sums = [sum(weight * row[name] for name, weight in weights.items()) for row in figures]
    chances = [1 / (1 + math.exp(-total)) for total in sums]
    return [replace(one, score=chance) for one, chance in zip(candidates, chances, strict=True)]


def _standardised(values: Sequence[float]) -> list[float]:
    """Subtract the mean and divide by the deviation: models differ in what they call alike."""
    mean, deviation = fmean(values), pstdev(values)
    return [(value - mean) / (deviation + 1e-6) for value in values]
