# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The questions of a corpus with all their answers, found by key among any number of rows."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from .rows import ExampleRows, first_occurrences, number_column

# So many matching rows are read at a time: their ids are all that lies in memory.
ROWS_AT_ONCE = 10_000


@dataclass
class Question:
    """One distinct context with every reply that the corpus gives to it."""

    context: list[str]
    input_ids: list[int]
    references: list[str] = field(default_factory=list)


def collect_questions(
    examples: Dataset,
    corpus: Sequence[Dataset],
    tokenizer: PreTrainedTokenizerBase,
    limit: int = 0,
    seed: int = 0,
) -> list[Question]:
    """List the distinct contexts of a split, as the model reads them.

    Args:
        examples: the split that asks, of `prepare_data`.
        corpus: all splits whose replies count as right answers.
        tokenizer: decodes the references exactly as replies are decoded.
        limit: at most this many, drawn at random but always the same; 0 means all.
        seed: of that draw.
    """
    keys, questions = _distinct_questions(examples, limit, seed)
    order = np.argsort(keys)
    asked = [questions[place] for place in order.tolist()]
    # For each question its distinct labels; a dictionary keeps the order of the corpus.
    answers: list[dict[bytes, None]] = [{} for _ in asked]
    for split in corpus if questions else ():
        for place, labels in _matches(split, keys[order], asked):
            answers[place].setdefault(labels.tobytes())
    for question, found in zip(asked, answers, strict=True):
        texts = (decode_reply(tokenizer, np.frombuffer(ids, np.int32).tolist()) for ids in found)
        question.references = list(dict.fromkeys(texts))
    return questions


def _distinct_questions(
    examples: Dataset, limit: int, seed: int
) -> tuple[np.ndarray, list[Question]]:
    """Read the distinct contexts of a split, or so many of them.

    Returns:
        Their keys `(questions,)`, and they themselves without references.
    """
    if not len(examples):
        return np.empty(0, dtype=np.int64), []
    keys = number_column(examples, "context_key")
    rows = distinct_rows(keys, limit, seed)
    chosen = examples.select(rows.tolist()).select_columns(["context", "input_ids"])
    return keys[rows], [Question(row["context"], row["input_ids"]) for row in chosen]


def distinct_rows(keys: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Choose the first row of each distinct context, or so many of these rows.

    Args:
        keys: of the contexts, `(rows,)`.
        limit: at most this many, drawn at random but always the same; 0 means all.
        seed: of that draw.
    """
    rows = np.flatnonzero(first_occurrences(keys[:, None]) == np.arange(len(keys)))
    if limit and limit < len(rows):
        rows = rows[random.Random(seed).sample(range(len(rows)), limit)]
    return rows


def _matches(
    split: Dataset, keys: np.ndarray, asked: Sequence[Question]
) -> Iterator[tuple[int, np.ndarray]]:
    """Find the rows of a split that ask one of the questions.

    Args:
        split: where to look.
        keys: those of the questions, rising `(questions,)`.
        asked: the questions, in the order of their keys.

    Yields:
        The place of the question and the row's labels `(target_len,)`, in the split's order.
    """
    if not len(split):
        return
    found = number_column(split, "context_key")
    places = np.searchsorted(keys, found)
    places[places == len(keys)] = 0
    rows = np.flatnonzero(keys[places] == found)
    pairs = ExampleRows(split)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        matched = zip(places[part].tolist(), pairs.__getitems__(part), strict=True)
        for place, (input_ids, labels) in matched:
            # 64 bits can agree by chance; the ids themselves cannot.
            if input_ids.tolist() == asked[place].input_ids:
                yield place, labels


def decode_reply(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """Turn ids into the text that a user sees."""
    return tokenizer.decode(ids, skip_special_tokens=True).strip()


def most_frequent_reply(examples: Dataset) -> tuple[str, int]:
    """Find what a split says most often, the earlier one of equally frequent replies.

    Args:
        examples: at least one row of `prepare_data`.

    Returns:
        The reply and how many rows give it.
    """
    return _by_frequency(examples, 1)[0]


def frequent_replies(examples: Dataset) -> list[str]:
    """Find the 50 replies that a split has most often, of those that it has five times or more.

    Args:
        examples: at least one row of `prepare_data`.
    """
    return [reply for reply, times in _by_frequency(examples, 50) if times >= 5]


def _by_frequency(examples: Dataset, count: int) -> list[tuple[str, int]]:
    """Return the most frequent replies and how often each is said, earlier ones first."""
    _, first, counts = np.unique(
        number_column(examples, "reply_key"), return_index=True, return_counts=True
    )
    best = np.lexsort((first, -counts))[:count]
    return [(examples[int(first[place])]["reply"], int(counts[place])) for place in best]


def random_replies(examples: Dataset, count: int, seed: int) -> list[str]:
    """Draw replies of a split at random, with repetition: frequent ones come frequently.

    Args:
        examples: at least one row, with a column `reply`.
        count: how many to draw.
        seed: of the draw.
    """
    rng = random.Random(seed)
    rows = range(len(examples))
    return list(examples.select([rng.choice(rows) for _ in range(count)])["reply"])
