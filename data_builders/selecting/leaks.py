# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""No question, and no near copy of it, on two sides of the split.

The side of a dialogue is the side of its first question, a pure function of that text
(`splits.sides_of`). What is left are near copies, which hash to another side, and later questions
of longer dialogues. There the held-out side gives way: what training asks, nearly or exactly,
validation and test do not; what test asks, validation does not. That costs the fewest rows, for
one test question may have many near copies in training, and none of the training data.

A lost pair cuts its dialogue in two there. No row changes its side, whatever data is added later.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_builders.selecting.copies import LEAKS, apart
from data_builders.selecting.held_out import (
    TEST,
    TRAIN,
    VALIDATION,
    Index,
    Met,
    Nearest,
    Pairs,
    questions_at,
    questions_of,
    write_index,
)
from data_builders.selecting.shards import Shards
from data_builders.selecting.similarity import distinct
from data_builders.selecting.workers import ordered_map

# Who must not ask what the side asks.
_GIVES_WAY = {TRAIN: (VALIDATION, TEST), TEST: (VALIDATION,)}


class NearCopy(NamedTuple):
    """A held-out question that another side asks nearly so.

    Attributes:
        key: Of the held-out question.
        asked: The question of the other side.
        apart: How far the two are apart.
    """

    key: int
    asked: str
    apart: float


def leaking_pairs(pairs: Pairs, near: dict[int, np.ndarray]) -> np.ndarray:
    """Choose the pairs that have to go so that no question stands on two sides.

    Args:
        pairs: All pairs of the corpus.
        near: For each side, keys of held-out questions that are near copies of what it asks.

    Returns:
        True for pairs to leave out.
    """
    keys, sides, alive = pairs
    gone = np.zeros(len(keys), dtype=bool)
    for owner, others in _GIVES_WAY.items():
        asked = distinct(keys[alive & (sides == owner)])
        taken = np.concatenate([asked, near.get(owner, np.zeros(0, np.uint64))])
        places = np.flatnonzero(alive & np.isin(sides, others))
        gone[places[np.isin(keys[places], taken)]] = True
    return gone


_NONE = NearCopy(0, "", 2.0)


def find_near_copies(
    shards: Shards, pairs: Pairs, folder: Path, workers: int
) -> dict[int, list[NearCopy]]:
    """Search the corpus for near copies of held-out questions.

    Each held-out question is measured against the few that look most like it, so that the work
    grows with the corpus and not with its square.

    Args:
        shards: The corpus.
        pairs: All its pairs.
        folder: Where the index of held-out questions is kept meanwhile.
        workers: How many processes search.

    Returns:
        For each side that others give way to, those of their questions that are near copies of
        what it asks, each with the nearest.
    """
    write_index(shards, pairs, folder)
    count = len(Index(str(folder)).keys)
    found = {side: Nearest(count) for side in _GIVES_WAY}
    searches = (
        (path, str(folder), pairs.sides[span], pairs.alive[span], span.start)
        for path, _, span in shards.spans()
        if pairs.alive[span].any()
    )
    for here in ordered_map(_search_shard, searches, workers):
        for side, parts in here.items():
            for met in parts:
                found[side].add(met)
    near: dict[int, list[NearCopy]] = {}
    for side in list(found):
        tasks = _measurings(shards, folder, *found.pop(side).chosen())
        nearest: dict[int, NearCopy] = {}
        for copies in ordered_map(_measure, tasks, workers):
            for copy in copies:
                if copy.apart < nearest.get(copy.key, _NONE).apart:
                    nearest[copy.key] = copy
        near[side] = list(nearest.values())
    return near


def _measurings(
    shards: Shards, folder: Path, owners: np.ndarray, asking: np.ndarray
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Yield what is to be measured of each shard: held-out questions and its pairs."""
    order = np.argsort(asking, kind="stable")
    bounds = np.searchsorted(asking[order], shards.first_pairs[shards.first_rows])
    for number, (path, _, span) in enumerate(shards.spans()):
        here = np.sort(order[bounds[number] : bounds[number + 1]])
        if len(here):
            yield path, str(folder), owners[here], asking[here] - span.start


def _search_shard(task: tuple[str, str, np.ndarray, np.ndarray, int]) -> dict[int, list[Met]]:
    """Find, for each side, which questions of a shard look like held-out ones of others."""
    path, folder, sides, alive, first = task
    index, found = Index(folder), {}
    for side, others in _GIVES_WAY.items():
        at, _, texts = questions_of(path, alive & (sides == side))
        found[side] = index.nearest(texts, at + first, others)
    return found


def _measure(task: tuple[str, str, np.ndarray, np.ndarray]) -> list[NearCopy]:
    """Look closely at the questions of a shard that look like held-out ones."""
    path, folder, owners, pairs = task
    index, asked = Index(folder), distinct(pairs)
    texts = dict(zip(asked.tolist(), questions_at(path, asked), strict=True))
    measured = (
        NearCopy(int(index.keys[owner]), texts[pair], apart(texts[pair], index.text(owner), LEAKS))
        for owner, pair in zip(owners.tolist(), pairs.tolist(), strict=True)
    )
    return [copy for copy in measured if copy.apart <= LEAKS]
