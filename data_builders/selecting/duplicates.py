# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which dialogues say again what an earlier one said, and which replies come too often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from data_builders.selecting.shards import Shards, read_turns
from data_builders.selecting.similarity import BANDS, SIMILAR, distinct, jaccard
from data_builders.selecting.splits import normalize_question
from data_builders.selecting.workers import ordered_map

# Sorting works on parts of about this many keys, so that its memory does not grow with the corpus.
_PART = 2_000_000
# Texts of twice as many dialogues lie in memory while they are compared.
_CANDIDATES_A_TASK = 10_000
# However alike two dialogues are, their last replies must be so too.
_SIMILAR_REPLY = 0.5


def repeated(keys: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Mark every later occurrence of a key.

    Args:
        keys: uint64, in the order of the corpus.
        alive: Only these count.

    Returns:
        True for all but the first of equal keys.
    """
    return occurrence(keys, alive) > 0


def occurrence(keys: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Number the occurrences of each key, from 0, in the order of the corpus.

    Args:
        keys: uint64.
        alive: Only these count; the others get 0.

    Returns:
        int32 of the same length.
    """
    numbers = np.zeros(len(keys), dtype=np.int32)
    for chosen in _parts(keys, alive):
        order = np.argsort(keys[chosen], kind="stable")
        first = _group_starts(keys[chosen][order])
        numbers[chosen[order]] = np.arange(len(order)) - first
    return numbers


def near_duplicates(shards: Shards, alive: np.ndarray, workers: int) -> np.ndarray:
    """Mark dialogues whose text is nearly that of an earlier one.

    Args:
        shards: The corpus.
        alive: Only these count.
        workers: How many processes measure the candidates.

    Returns:
        True for those that fold to the same text as an earlier one, or, when long, share at least
        `SIMILAR` of their n-grams with it and end in nearly the same reply.
    """
    marked = repeated(shards.numbers("folded"), alive)
    candidates = _candidates(shards, alive & ~marked)
    tasks = (
        (shards.paths, shards.first_rows, candidates[begin : begin + _CANDIDATES_A_TASK])
        for begin in range(0, len(candidates), _CANDIDATES_A_TASK)
    )
    for similar in ordered_map(_similar_ones, tasks, workers):
        for first, later in similar.tolist():
            # What is like a dropped one alone stays, or a chain of copies could end anywhere.
            if not marked[first]:
                marked[later] = True
    return marked


def _similar_ones(task: tuple[Sequence[str], np.ndarray, np.ndarray]) -> np.ndarray:
    """Measure candidates: which pairs are near copies, in the order of the later one."""
    paths, first_rows, pairs = task
    folded = {
        number: [normalize_question(turn) for turn in turns]
        for number, turns in read_turns(paths, first_rows, np.unique(pairs))
    }
    similar = [_are_copies(folded[first], folded[later]) for first, later in pairs.tolist()]
    return pairs[np.array(similar, dtype=bool)]


def _are_copies(first: Sequence[str], later: Sequence[str]) -> bool:
    # Another reply to the same long question is a second reference, not a copy.
    alike = jaccard(first[-1], later[-1]) >= _SIMILAR_REPLY
    return alike and jaccard("\n".join(first), "\n".join(later)) >= SIMILAR


def _candidates(shards: Shards, alive: np.ndarray) -> np.ndarray:
    """Pair each dialogue with the first one that agrees with it in a band: (pairs, 2)."""
    # A pair is one number, the later one in its high half: sorted so, a task's pairs stand in few
    # shards.
    found = np.zeros(0, dtype=np.uint64)
    for number in range(BANDS):
        keys = shards.band(number)
        for chosen in _parts(keys, alive & (keys != 0)):
            order = np.argsort(keys[chosen], kind="stable")
            first = _group_starts(keys[chosen][order])
            later = np.flatnonzero(first != np.arange(len(order)))
            pairs = chosen[order[later]].astype(np.uint64) << np.uint64(32)
            pairs |= chosen[order[first[later]]].astype(np.uint64)
            found = distinct(np.concatenate([found, pairs]))
    halves = [found & np.uint64(2**32 - 1), found >> np.uint64(32)]
    return np.stack(halves, axis=1).astype(np.int64)


def _parts(keys: np.ndarray, alive: np.ndarray) -> Iterator[np.ndarray]:
    """Yield places of `alive` keys, such that equal keys are in one part."""
    count = max(1, -(-len(keys) // _PART))
    if count == 1:
        yield np.flatnonzero(alive)
        return
    # The high bits choose the part: the low ones may be set on purpose (`band_hashes`).
    part = (keys >> np.uint64(40)) % np.uint64(count)
    for number in range(count):
        yield np.flatnonzero(alive & (part == number))


def _group_starts(ordered: np.ndarray) -> np.ndarray:
    """Give for each place in a sorted array the place where its group of equals begins."""
    places = np.arange(len(ordered))
    begins = np.ones(len(ordered), dtype=bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    return np.maximum.accumulate(np.where(begins, places, 0))
