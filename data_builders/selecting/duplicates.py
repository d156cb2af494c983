# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which dialogues say again what an earlier one said, and which replies come too often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from data_builders.selecting.copies import alike
from data_builders.selecting.shards import Shards, read_turns
from data_builders.selecting.similarity import (
    BANDS,
    LEAST_SHARED,
    distinct,
    least_shared,
    mix,
    shared_marks,
)
from data_builders.selecting.workers import ordered_map

# Sorting works on parts of about this many keys, so that its memory does not grow with the corpus.
_PART = 500_000
# Candidates are put together in parts of so many dialogues.
_MERGED = 250_000
_HALF, _LOW = np.uint64(32), np.uint64(2**32 - 1)
# Texts of twice as many dialogues lie in memory while they are compared.
_CANDIDATES_A_TASK = 10_000
# Who met more dialogues than that which only share a phrase is made of phrases.
_MOST_STRANGERS = 4


def first_places(keys: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Say where each key stood first.

    Args:
        keys: uint64, in the order of the corpus.
        alive: Only these count.

    Returns:
        Places, int64; its own place for each key that comes first or does not count.
    """
    first = np.arange(len(keys))
    for chosen in _parts(keys, alive):
        ordered = chosen[np.argsort(keys[chosen], kind="stable")]
        first[ordered] = ordered[_group_starts(keys[ordered])]
    return first


def repeated(keys: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Mark every later occurrence of a key; the arguments are those of `first_places`."""
    return first_places(keys, alive) != np.arange(len(keys))


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


def near_duplicates(
    shards: Shards, alive: np.ndarray, workers: int
) -> tuple[np.ndarray, dict[int, float]]:
    """Find dialogues that say nearly what an earlier one says.

    Args:
        shards: The corpus.
        alive: Only these count.
        workers: How many processes measure the candidates.

    Returns:
        For each dialogue the place of the one it copies, or its own; and of those that do not fold
        to the same text how alike they are (`copies.alike`).
    """
    first = first_places(shards.numbers("folded"), alive)
    candidates = _candidates(shards, alive & (first == np.arange(len(alive))))
    tasks = (
        (
            shards.paths,
            shards.first_rows,
            np.stack(_unpacked(candidates[begin : begin + _CANDIDATES_A_TASK]), axis=1),
        )
        for begin in range(0, len(candidates), _CANDIDATES_A_TASK)
    )
    measured: dict[int, float] = {}
    for pairs, shares in ordered_map(_similar_ones, tasks, workers):
        for (earlier, later), share in zip(pairs.tolist(), shares, strict=True):
            # What is like a dropped one alone stays, or a chain of copies could end anywhere.
            if first[earlier] == earlier and first[later] == later:
                first[later], measured[later] = earlier, share
    return first, measured


def beginnings(shards: Shards, alive: np.ndarray) -> np.ndarray:
    """Find dialogues that are the beginning of a longer one, as unrolled histories are.

    Args:
        shards: The corpus.
        alive: Only these count.

    Returns:
        For each dialogue the place of a longer one, or its own.
    """
    found = np.arange(len(alive))
    sides = mix(np.repeat(shards.numbers("split").astype(np.uint64), shards.pairs_of))
    keys = shards.pair_keys("prefixes") ^ sides
    rows = np.flatnonzero(alive & (shards.pairs_of > 0))
    last = shards.first_pairs[rows + 1] - 1
    inside = np.repeat(alive, shards.pairs_of)
    inside[last] = False
    places = np.flatnonzero(inside)
    places = places[np.argsort(keys[places], kind="stable")]
    if len(places):
        at = np.searchsorted(keys[places], keys[last]).clip(max=len(places) - 1)
        same = keys[places[at]] == keys[last]
        longer = np.searchsorted(shards.first_pairs, places[at[same]], side="right") - 1
        found[rows[same]] = longer
    return found


def _similar_ones(
    task: tuple[Sequence[str], np.ndarray, np.ndarray],
) -> tuple[np.ndarray, list[float]]:
    """Measure candidates: which pairs are near copies, in the order of the later one."""
    paths, first_rows, pairs = task
    turns = dict(read_turns(paths, first_rows, distinct(pairs.reshape(-1))))
    shares = [alike(turns[first], turns[later]) for first, later in pairs.tolist()]
    return pairs[np.array(shares, dtype=bool)], [share for share in shares if share]


def _candidates(shards: Shards, alive: np.ndarray) -> np.ndarray:
    """Pair each dialogue with two that agree with it in a band, the first and the last.

    Returns:
        The pairs, each one number with the later one in its high half, rising: so those of a task
        stand in few shards.
    """
    marks, strangers = shards.marks(), np.zeros(len(alive), dtype=np.uint8)
    # In parts, by the later one: a merge takes several times the memory of what it merges.
    bounds = np.arange(_MERGED, len(alive), _MERGED, dtype=np.uint64) << _HALF
    found = [np.zeros(0, dtype=np.uint64)] * (len(bounds) + 1)
    for number in range(BANDS):
        met = []
        for one, other in _met(shards, shards.band(number), alive):
            likely = shared_marks(marks, one, marks, other) >= LEAST_SHARED
            strangers[other[~likely]] += 1
            met.append(np.sort(_packed(one[likely], other[likely])))
        _merge(found, met, bounds)
    for part, pairs in enumerate(found):
        one, other = _unpacked(pairs)
        least = least_shared(strangers[other] > _MOST_STRANGERS)
        found[part] = pairs[shared_marks(marks, one, marks, other) >= least]
    del marks
    _merge(
        found,
        [np.sort(_packed(*met)) for met in _met(shards, shards.numbers("skeleton"), alive)],
        bounds,
    )
    return np.concatenate(found)


def _merge(found: list[np.ndarray], more: Sequence[np.ndarray], bounds: np.ndarray) -> None:
    """Put sorted pairs to those of each part, one part after the other; each pair stays once."""
    split = [np.split(pairs, np.searchsorted(pairs, bounds)) for pairs in more]
    for part in range(len(found)):
        new = [pairs[part] for pairs in split]
        found[part] = distinct(np.concatenate([found[part], *new]))


def _packed(earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    return later.astype(np.uint64) << _HALF | earlier.astype(np.uint64)


def _unpacked(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (pairs & _LOW).astype(np.int64), (pairs >> _HALF).astype(np.int64)


def _met(
    shards: Shards, keys: np.ndarray, alive: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield places of dialogues that agree in a key, the later ones each once at a time."""
    for chosen in _parts(keys, alive & (keys != 0)):
        ordered = chosen[np.argsort(keys[chosen], kind="stable")]
        begins = _group_starts(keys[ordered])
        later = np.flatnonzero(begins != np.arange(len(ordered)))
        for earlier in (begins[later], later - 1):
            one, other = ordered[earlier], ordered[later]
            likely = shards.pairs_of[one] == shards.pairs_of[other]
            yield one[likely], other[likely]


def _parts(keys: np.ndarray, alive: np.ndarray) -> Iterator[np.ndarray]:
    """Yield places of `alive` keys, such that equal keys are in one part."""
    count = max(1, -(-len(keys) // _PART))
    if count == 1:
        yield np.flatnonzero(alive)
        return
    # The high bits choose the part: the low ones may be set on purpose (`band_hashes`).
    part = keys >> np.uint64(40)
    part %= np.uint64(count)
    part = part.astype(np.uint16)
    for number in range(count):
        yield np.flatnonzero(alive & (part == number))


def _group_starts(ordered: np.ndarray) -> np.ndarray:
    """Give for each place in a sorted array the place where its group of equals begins."""
    places = np.arange(len(ordered))
    begins = np.ones(len(ordered), dtype=bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    return np.maximum.accumulate(np.where(begins, places, 0))
