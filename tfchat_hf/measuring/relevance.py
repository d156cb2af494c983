# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Whether a model listens: how much the question helps it to foresee the reply.

Two figures that no preset changes, both on replies of people that it was not trained on:

- the gain of the question: by how many nats a token the reply is likelier after its own question
  than after another one of the same source. A model that answers anything alike has 0.
- hits@1 of 20 and the mean reciprocal rank (MRR): whether it finds the true reply among 19 others
  of the same source and of like length, by log p(reply | question) a token, and by that less
  log p(reply | empty message), the pointwise mutual information (PMI). Chance is 0.05 for hits@1
  and 0.18 for MRR.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from datasets import Dataset
from transformers import PreTrainedModel

from ..examples.questions import distinct_rows
from ..examples.rows import ExampleRows, arrow_column, number_column
from ..fast.reranking import reply_scores
from ..model.generation_tfchat import empty_message_states

CANDIDATES = 20
RELEVANCE_QUESTIONS = 500
RELEVANCE_FIGURES = (
    "question_gain",
    "hits_at_1",
    "mrr",
    "hits_at_1_pmi",
    "mrr_pmi",
    "candidates",
    "relevance_questions",
    "without_wrong_question",
)
# Tokens of replies, padding included, that go through the decoder at a time: 4,000 at d_model 256
# are 4 MB a layer, and more are no faster.
TOKENS_AT_ONCE = 4_000


@dataclass(frozen=True)
class RankingTask:
    """One question of a split that was not trained on, and what the model has to tell apart.

    Attributes:
        question: token ids that the encoder reads.
        wrong_question: ids of another question of the same group; None where there is none.
        candidates: ids of replies with their end token, the true one first.
        source: where the pair is from.
    """

    question: tuple[int, ...]
    wrong_question: tuple[int, ...] | None
    candidates: tuple[tuple[int, ...], ...]
    source: str = ""


class TaskScore(NamedTuple):
    """What a model made of one task.

    Attributes:
        source: where the pair is from.
        tokens: of the true reply.
        nats: of the true reply after its question.
        nats_after_wrong: after the wrong question; None where there is none.
        candidates: how many replies there were.
        rank: of the true one by likelihood, from 1.
        rank_pmi: by pointwise mutual information.
    """

    source: str
    tokens: int
    nats: float
    nats_after_wrong: float | None
    candidates: int
    rank: int
    rank_pmi: int


# --------------------------------------------------------------------------------- the tasks


def ranking_tasks(
    examples: Dataset,
    limit: int = RELEVANCE_QUESTIONS,
    seed: int = 0,
    candidates: int = CANDIDATES,
) -> list[RankingTask]:
    """Draw questions of a split with wrong questions and other replies; equal seeds, equal tasks.

    A group is what has one source and one language. Wrong questions are the questions of the
    group themselves, each once and none with its own reply. The other replies are the nearest in
    length among all of the group's, drawn at random among equally near ones; one that is the true
    reply, or another reply to the same question, is not among them.

    Args:
        examples: pairs of `prepare_data` that the model was not trained on.
        limit: at most so many questions, those of `collect_questions`; 0 for all.
        seed: of all draws.
        candidates: replies of a task, the true one included, where the group has as many.
    """
    if not len(examples):
        return []
    keys = number_column(examples, "context_key")
    rows = distinct_rows(keys, limit, seed)
    groups, sources = _groups(examples)
    wrong = _derangement(rows, groups[rows], np.random.default_rng(seed))
    pool = _Pool(examples, groups, keys)
    pairs = ExampleRows(examples)

    def ids(numbers: Sequence[int], side: int) -> list[tuple[int, ...]]:
        return [tuple(pair[side].tolist()) for pair in pairs.__getitems__(numbers)]

    tasks = []
    for row, other in zip(rows.tolist(), wrong, strict=True):
        # The draws of one question are the same whichever others are asked.
        drawn = pool.others(row, candidates - 1, np.random.default_rng([seed, row]))
        task = RankingTask(
            ids([row], 0)[0],
            None if other is None else ids([other], 0)[0],
            tuple(ids([row, *drawn], 1)),
            sources[row],
        )
        tasks.append(task)
    return tasks


def _groups(examples: Dataset) -> tuple[np.ndarray, list[str]]:
    """Number the groups of rows, `(rows,)`, and name the source of each row."""
    sources = [text or "" for text in arrow_column(examples, "source").to_pylist()]
    languages = arrow_column(examples, "lang").to_pylist()
    names: dict[tuple[str, str | None], int] = {}
    pairs = zip(sources, languages, strict=True)
    return np.array([names.setdefault(pair, len(names)) for pair in pairs]), sources


def _derangement(
    rows: np.ndarray, groups: np.ndarray, generator: np.random.Generator
) -> list[int | None]:
    """Find for each row another row of its group, each once; None where it is alone.

    Args:
        rows: `(questions,)`.
        groups: their groups, `(questions,)`.
        generator: draws.
    """
    found: dict[int, int] = {}
    for group in np.unique(groups):
        members = generator.permutation(rows[groups == group]).tolist()
        if len(members) > 1:
            found.update(zip(members, [*members[1:], members[0]], strict=True))
    return [found.get(row) for row in rows.tolist()]


class _Pool:
    """The replies of a split, by group."""

    def __init__(self, examples: Dataset, groups: np.ndarray, contexts: np.ndarray) -> None:
        """Keep the first row of each distinct reply of a group."""
        self.groups, self.contexts = groups, contexts
        self.replies = number_column(examples, "reply_key")
        self.lengths = ExampleRows(examples).target_lengths
        both = np.stack([groups, self.replies], axis=1)
        _, first = np.unique(both, axis=0, return_index=True)
        self.members = {group: first[groups[first] == group] for group in np.unique(groups)}

    def others(self, row: int, count: int, generator: np.random.Generator) -> list[int]:
        """Draw rows with other replies of like length."""
        members = self.members[self.groups[row]]
        right = self.replies[self.contexts == self.contexts[row]]
        members = members[~np.isin(self.replies[members], right)]
        far = np.abs(self.lengths[members] - self.lengths[row]) + generator.random(len(members))
        return members[np.argsort(far)[:count]].tolist()


# --------------------------------------------------------------------------------- the scores


def measure_relevance(
    model: PreTrainedModel, tasks: Sequence[RankingTask], split: bool = False
) -> dict[str, float | int]:
    """Have a model score the tasks and return the figures of `relevance_figures`.

    Args:
        model: a TFChat model.
        tasks: of `ranking_tasks`.
        split: each process of a distributed run scores its share. Every process must call this,
            and gets the same figures.
    """
    if not split:
        return relevance_figures(score_tasks(model, tasks))
    state = PartialState()
    share = tasks[state.process_index :: state.num_processes]
    return relevance_figures(gather_object(score_tasks(model, share)))


def relevance_figures(scores: Sequence[TaskScore]) -> dict[str, float | int]:
    """Sum scores up, exactly and in any order.

    Returns:
        `question_gain` in nats a token; `hits_at_1`, `mrr`, `hits_at_1_pmi` and `mrr_pmi`;
        `candidates`, the mean number of replies to choose from; `relevance_questions`, and
        `without_wrong_question`, those of them that the gain leaves out. Without any question all
        but the last two are missing.
    """
    paired = [
        (one.nats_after_wrong - one.nats, one.tokens)
        for one in scores
        if one.nats_after_wrong is not None
    ]
    found: dict[str, float | int] = {}
    if paired:
        gained = math.fsum(gain for gain, _ in paired)
        found["question_gain"] = gained / sum(tokens for _, tokens in paired)
    if scores:
        count = len(scores)
        for name, ranks in (
            ("", [one.rank for one in scores]),
            ("_pmi", [one.rank_pmi for one in scores]),
        ):
            found[f"hits_at_1{name}"] = ranks.count(1) / count
            found[f"mrr{name}"] = math.fsum(1 / rank for rank in ranks) / count
        found["candidates"] = sum(one.candidates for one in scores) / count
    found["relevance_questions"] = len(scores)
    found["without_wrong_question"] = len(scores) - len(paired)
    return found


def relevance_by_source(scores: Sequence[TaskScore]) -> Mapping[str, dict[str, float | int]]:
    """Return the figures of each source, by its name."""
    names = sorted({one.source for one in scores})
    return {
        name: relevance_figures([one for one in scores if one.source == name]) for name in names
    }


@torch.no_grad()
def score_tasks(model: PreTrainedModel, tasks: Sequence[RankingTask]) -> list[TaskScore]:
    """Score the candidates of each task, in the order of the tasks.

    Each question is read once, and each distinct reply is scored once after the empty message.

    Args:
        model: a TFChat model.
        tasks: of `ranking_tasks`.
    """
    was_training = model.training
    model.eval()
    asked = _scores(model, [(task.question, task.candidates) for task in tasks])
    paired = {
        place: (task.wrong_question, task.candidates[:1])
        for place, task in enumerate(tasks)
        if task.wrong_question is not None
    }
    wrong = _scores(model, list(paired.values()))
    after_wrong = {place: scores[0] for place, scores in zip(paired, wrong, strict=True)}
    replies = list(dict.fromkeys(reply for task in tasks for reply in task.candidates))
    alone = dict(zip(replies, _alone(model, replies), strict=True))
    model.train(was_training)
    return [
        _task_score(task, scores, after_wrong.get(place), alone)
        for place, (task, scores) in enumerate(zip(tasks, asked, strict=True))
    ]


def _task_score(
    task: RankingTask,
    scores: Sequence[float],
    after_wrong: float | None,
    alone: Mapping[tuple[int, ...], float],
) -> TaskScore:
    """Rank the true reply of a task."""
    lengths = np.array([len(reply) for reply in task.candidates])
    asked = np.array(scores)
    less = asked - np.array([alone[reply] for reply in task.candidates])
    return TaskScore(
        task.source,
        len(task.candidates[0]),
        -scores[0],
        None if after_wrong is None else -after_wrong,
        len(task.candidates),
        _rank(asked / lengths),
        _rank(less / lengths),
    )


def _rank(scores: np.ndarray) -> int:
    """Return the rank of the first of some scores; a tie goes to the others."""
    return int((scores >= scores[0]).sum())


Asked = tuple[tuple[int, ...], Sequence[tuple[int, ...]]]


def _scores(model: PreTrainedModel, asked: Sequence[Asked]) -> list[list[float]]:
    """Return log p(reply | question) in nats, of each question and each of its replies."""
    found: dict[int, list[float]] = {}
    for chosen in _batches([len(own) * max(map(len, own)) for _, own in asked]):
        questions = _padded([asked[place][0] for place in chosen], model.config.pad_token_id)
        mask = _real([asked[place][0] for place in chosen])
        counts = torch.tensor([len(asked[place][1]) for place in chosen], device=model.device)
        read = model.get_encoder()(
            input_ids=questions.to(model.device), attention_mask=mask.to(model.device)
        ).last_hidden_state
        labels = _padded([reply for place in chosen for reply in asked[place][1]], -100)
        scores = reply_scores(
            model,
            read.repeat_interleave(counts, 0),
            labels.to(model.device),
            mask.to(model.device).repeat_interleave(counts, 0),
        )
        parts = scores.cpu().double().split(counts.tolist())
        found |= {place: part.tolist() for place, part in zip(chosen, parts, strict=True)}
    return [found[place] for place in range(len(asked))]


def _alone(model: PreTrainedModel, replies: Sequence[tuple[int, ...]]) -> list[float]:
    """Return log p(reply | empty message) in nats."""
    found: dict[int, float] = {}
    nothing = empty_message_states(model)
    for chosen in _batches([len(reply) for reply in replies]):
        labels = _padded([replies[place] for place in chosen], -100).to(model.device)
        scores = reply_scores(model, nothing.expand(len(chosen), -1, -1), labels)
        found |= dict(zip(chosen, scores.cpu().double().tolist(), strict=True))
    return [found[place] for place in range(len(replies))]


def _batches(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Put places of like size together, as many as `TOKENS_AT_ONCE` allows, at least one."""
    batch: list[int] = []
    for place in sorted(range(len(sizes)), key=sizes.__getitem__):
        # The newest is the largest, and all of them are padded to it.
        if batch and sizes[place] * (len(batch) + 1) > TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _padded(rows: Sequence[Sequence[int]], filling: int) -> torch.Tensor:
    """Make rows of ids one tensor `(rows, longest)`."""
    tensors = [torch.tensor(row) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, True, filling)


def _real(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return the attention mask of padded rows, `(rows, longest)`."""
    return _padded([[1] * len(row) for row in rows], 0)
