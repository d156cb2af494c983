# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Read a split without mapping it, and count its distinct and frequent texts without holding them.

`datasets` maps its files into memory; what has been read of them then counts as memory of the
process until the dataset is let go, 1 GB for a corpus of 1 GB.

Each text stands for a hash of 64 bits, and at most `PAIRS_PER_PASS` pairs are held at once, at 24
bytes each: a larger split is read again for each further share of the hashes. Among 10 million
texts two share a hash with a chance of about 3 in a million.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pandas.util import hash_array

PAIRS_PER_PASS = 2_000_000
_ROWS_PER_BATCH = 8192


class PairBatch(NamedTuple):
    """Some rows of a dataset, and where the replies in them stand.

    Attributes:
        table: The rows.
        turns: The turns of all dialogues, one after the other.
        lengths: How many turns each dialogue has.
        replies: Places of the replies in `turns`; the question of each stands one before.
    """

    table: pa.Table
    turns: pa.Array
    lengths: np.ndarray
    replies: np.ndarray


class TextCounts(NamedTuple):
    """Distinct questions, replies, questions with several replies; the most frequent replies."""

    distinct_questions: int
    distinct_replies: int
    multi_reply_questions: int
    top_replies: list[tuple[str, int]]


def is_whole(split: datasets.Dataset) -> bool:
    """Say whether a split is just its files: nothing selected, shuffled, joined or in memory."""
    known = (split.info.splits or {}).get(str(split.split))
    whole = known is not None and known.num_examples == len(split)
    return bool(split.cache_files) and split._indices is None and whole


def tables_of(split: datasets.Dataset, rows: int) -> Iterator[pa.Table]:
    """Read a split from beginning to end, at most `rows` rows at a time."""
    if not is_whole(split):
        yield from split.with_format("arrow").iter(rows)
        return
    for file in split.cache_files:
        with pa.OSFile(file["filename"]) as source, pa.ipc.open_stream(source) as reader:
            for batch in reader:
                table = pa.Table.from_batches([batch]).select(split.column_names)
                for begin in range(0, table.num_rows, rows):
                    yield table.slice(begin, rows)


def dialogue_batches(split: datasets.Dataset) -> Iterator[PairBatch]:
    """Read a split a few thousand rows at a time; `splits.reply_places` says what a reply is."""
    for table in tables_of(split, _ROWS_PER_BATCH):
        turns, lengths = _flat(table["turns"])
        roles, role_counts = _flat(table["roles"])
        # Where each turn has a role, both columns list the same places in the same order.
        told = (role_counts == lengths) & (lengths > 0)
        to_turns, from_roles = np.repeat(told, lengths), np.repeat(told, role_counts)
        by_assistant, by_system = np.ones(len(turns), bool), np.zeros(len(turns), bool)
        by_assistant[to_turns] = _equal(roles, "assistant")[from_roles]
        by_system[to_turns] = _equal(roles, "system")[from_roles]
        replies = _reply_places(by_assistant, by_system, lengths)
        yield PairBatch(table, turns, lengths, replies)


def count_texts(split: datasets.Dataset, pairs: int, top: int) -> TextCounts:
    """Count distinct questions and replies of a number of pairs, and find the `top` replies."""
    counter = _HashCounter(top)
    shares = -(-pairs // PAIRS_PER_PASS)
    for share in range(shares):
        counter.add(*_share_of_hashes(split, share, shares))
    found = _texts_of(split, {number for _, number in counter.top})
    replies = [(found[-negative], count) for count, negative in counter.top]
    return TextCounts(
        counter.distinct_questions,
        counter.distinct_replies,
        counter.multi_reply_questions,
        sorted(replies, key=lambda item: (-item[1], item[0])),
    )


class _HashCounter:
    """Counts one share of the hashes after the other."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.distinct_questions = self.distinct_replies = self.multi_reply_questions = 0
        self.top: list[tuple[int, int]] = []  # count and negative hash: the small hash wins a tie

    def add(self, questions: np.ndarray, partners: np.ndarray, replies: np.ndarray) -> None:
        """Take the pairs whose question, and the replies that are in the share."""
        order = np.argsort(questions)
        starts = _run_starts(questions[order])
        self.distinct_questions += len(starts)
        if len(starts):
            partners = partners[order]
            lowest, highest = (f.reduceat(partners, starts) for f in (np.minimum, np.maximum))
            self.multi_reply_questions += int((lowest != highest).sum())
        replies.sort()
        starts = _run_starts(replies)
        self.distinct_replies += len(starts)
        counts = np.diff(starts, append=len(replies))
        best = self._best(counts)
        pairs = zip(counts[best].tolist(), replies[starts[best]].tolist(), strict=True)
        found = [(count, -number) for count, number in pairs]
        self.top = heapq.nlargest(self.size, [*self.top, *found])

    def _best(self, counts: np.ndarray) -> np.ndarray:
        if len(counts) <= self.size:
            return np.arange(len(counts))
        least = np.partition(counts, -self.size)[-self.size]
        above = np.flatnonzero(counts > least)
        # Millions may be tied, so only as many of them as there is room for.
        return np.concatenate([above, np.flatnonzero(counts == least)[: self.size - len(above)]])


def _share_of_hashes(split: datasets.Dataset, share: int, shares: int) -> list[np.ndarray]:
    questions, partners, replies = [], [], []
    for batch in dialogue_batches(split):
        hashes = _hashes(batch.turns)
        asked, answered = hashes[batch.replies - 1], hashes[batch.replies]
        mine = asked % shares == share
        questions.append(asked[mine])
        partners.append(answered[mine])
        replies.append(answered[answered % shares == share])
    return [np.concatenate(parts) for parts in (questions, partners, replies)]


def _texts_of(split: datasets.Dataset, negatives: set[int]) -> dict[int, str]:
    """Read the split again until the text of each hash has been seen."""
    found: dict[int, str] = {}
    missing = np.array(sorted(-number for number in negatives), dtype=np.uint64)
    for batch in dialogue_batches(split) if len(missing) else ():
        hashes = _hashes(batch.turns)[batch.replies]
        for place in np.flatnonzero(np.isin(hashes, missing)):
            found.setdefault(int(hashes[place]), batch.turns[int(batch.replies[place])].as_py())
        if len(found) == len(missing):
            break
    return found


def _reply_places(
    by_assistant: np.ndarray, by_system: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Do for many dialogues at once what `splits.reply_places` does for one."""
    is_reply = by_assistant.copy()
    is_reply[(np.cumsum(lengths) - lengths)[lengths > 0]] = False
    answers_somebody = is_reply & ~np.roll(by_system, 1)
    owners = np.repeat(np.arange(len(lengths)), lengths)
    # An answer to the system prompt counts where there is no other.
    has_one = np.bincount(owners, answers_somebody, minlength=len(lengths)) > 0
    return np.flatnonzero(np.where(has_one[owners], answers_somebody, is_reply))


def _equal(texts: pa.Array, text: str) -> np.ndarray:
    return pc.equal(texts, text).to_numpy(zero_copy_only=False)


def _flat(column: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    lists = column.combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    flat = lists.flatten()
    return pc.fill_null(flat.cast(pa.large_string()), ""), lengths.astype(np.int64)


def _hashes(texts: pa.Array) -> np.ndarray:
    return hash_array(texts.to_numpy(zero_copy_only=False), categorize=False)


def _run_starts(ordered: np.ndarray) -> np.ndarray:
    if not len(ordered):
        return np.zeros(0, dtype=np.int64)
    return np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1])
