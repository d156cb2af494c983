# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Read a split without mapping it, and count its distinct and frequent texts without holding them.

`datasets` maps its files into memory; what has been read of them then counts as memory of the
process until the dataset is let go, 1 GB for a corpus of 1 GB.

Each text stands for a hash of 64 bits, and at most `PAIRS_PER_PASS` pairs are held at once, at 24
bytes each: a larger split is read again for each further share of the hashes. Among 10 million
texts two share a hash with a chance of about 3 in a million.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pandas.util import hash_array

PAIRS_PER_PASS = 1_000_000
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
    """Say whether a split is just its files: no row or column of them is left out or moved."""
    known = (split.info.splits or {}).get(str(split.split))
    whole = known is not None and known.num_examples == len(split)
    if not whole or not split.cache_files or split._indices is not None:
        return False
    with pa.OSFile(split.cache_files[0]["filename"]) as source, pa.ipc.open_stream(source) as first:
        return first.schema.names == split.column_names


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
    counts = dict(zip(*(column.to_pylist() for column in counter.top.columns), strict=True))
    replies = [(text, counts[number]) for number, text in _texts_of(split, set(counts)).items()]
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
        self.top = pa.table({"reply": pa.array([], pa.uint64()), "count": pa.array([], pa.int64())})

    def add(self, questions: np.ndarray, partners: np.ndarray, replies: np.ndarray) -> None:
        """Take the pairs whose question, and the replies that are in the share."""
        asked = pa.table({"question": questions, "reply": partners}).group_by("question")
        asked = asked.aggregate([("reply", "min"), ("reply", "max")])
        self.distinct_questions += len(asked)
        several = pc.not_equal(asked["reply_min"], asked["reply_max"])
        self.multi_reply_questions += pc.sum(several).as_py() or 0
        said = pa.table({"reply": replies}).group_by("reply").aggregate([([], "count_all")])
        self.distinct_replies += len(said)
        both = pa.concat_tables([self.top, said.rename_columns(["reply", "count"])])
        # Of several that are equally frequent the smallest hashes are taken, on every machine.
        order = [("count", "descending"), ("reply", "ascending")]
        self.top = both.take(pc.select_k_unstable(both, k=self.size, sort_keys=order))


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


def _texts_of(split: datasets.Dataset, numbers: set[int]) -> dict[int, str]:
    """Read the split again until the text of each hash has been seen."""
    found: dict[int, str] = {}
    missing = np.array(sorted(numbers), dtype=np.uint64)
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
