# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which dialogues say again what an earlier one said, and which replies come too often."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from data_builders.selecting.similarity import BANDS, SIMILAR, jaccard
from data_builders.shards import Shards
from data_builders.splits import normalize_question

# Sorting works on parts of about this many keys, so that its memory does not grow with the corpus.
_PART = 2_000_000


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


def near_duplicates(shards: Shards, alive: np.ndarray) -> np.ndarray:
    """Mark dialogues whose text is nearly that of an earlier one.

    Args:
        shards: The corpus.
        alive: Only these count.

    Returns:
        True for those that fold to the same text as an earlier one, or, when long, share at least
        `SIMILAR` of their n-grams with it.
    """
    marked = repeated(shards.numbers("folded"), alive)
    stands_for = _Representatives(shards)
    for first, later in _candidates(shards, alive & ~marked):
        if stands_for.similar(first, later):
            marked[later] = True
    return marked


class _Representatives:
    """Which kept dialogue a dropped one is a copy of: chains lead to their beginning."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._original: dict[int, int] = {}
        self._last: tuple[int, str] = (-1, "")

    def similar(self, first: int, later: int) -> bool:
        first = self._original.get(first, first)
        if later in self._original:
            return True
        if jaccard(self._text(first), self._fold(later)) < SIMILAR:
            return False
        self._original[later] = first
        return True

    def _text(self, number: int) -> str:
        if self._last[0] != number:
            self._last = (number, self._fold(number))
        return self._last[1]

    def _fold(self, number: int) -> str:
        return "\n".join(normalize_question(turn) for turn in self._shards.turns(number))


def _candidates(shards: Shards, alive: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield pairs that agree in a band: the first of its group and each later one."""
    found: list[np.ndarray] = []
    for number in range(BANDS):
        keys = shards.band(number)
        for chosen in _parts(keys, alive & (keys != 0)):
            order = np.argsort(keys[chosen], kind="stable")
            first = _group_starts(keys[chosen][order])
            later = np.flatnonzero(first != np.arange(len(order)))
            pairs = np.stack([chosen[order[first[later]]], chosen[order[later]]], axis=1)
            found.append(pairs.astype(np.int64))
    if found:
        # By the first one: its text is then read once for all its copies.
        for first, later in np.unique(np.concatenate(found), axis=0).tolist():
            yield first, later


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
