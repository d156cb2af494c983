# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Of all that look like a held-out question the likeliest are measured, wherever they stand."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from data_builders.selecting.held_out import Nearest, _likeliest


def met(found: list[tuple[int, int, int]]):
    return _likeliest(*(np.array(column, dtype=np.int64) for column in zip(*found, strict=True)))


def chosen(found: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """What is to be chosen of (owner, rank, pair), by the plainest way."""
    kept = []
    for owner, group in groupby(sorted(found, key=lambda f: (f[0], -f[1], f[2])), lambda f: f[0]):
        every = list(group)
        crowded = len(every) > 16
        best = every[: 4 if crowded else 16]
        kept += [(owner, pair) for _, rank, pair in best if rank >= (15 if crowded else 9)]
    return kept


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_the_likeliest_are_the_same_in_however_many_parts_they_are_found(parts):
    rng = np.random.default_rng(parts)
    found = [
        (owner, int(rng.integers(9, 95)), int(pair))
        for owner, count in enumerate([0, 1, 3, 15, 16, 17, 40, 200])
        for pair in rng.choice(2**32 - 1, count, replace=False)
    ]
    order = rng.permutation(len(found))
    nearest = Nearest(8)
    for part in np.array_split(order, parts):
        nearest.add(met([found[n] for n in part]))
    owners, pairs = nearest.chosen()
    assert list(zip(owners.tolist(), pairs.tolist(), strict=True)) == chosen(found)


def test_in_a_crowd_one_shared_phrase_is_not_enough():
    nearest = Nearest(2)
    nearest.add(met([(0, 14, pair) for pair in range(17)] + [(1, 14, 5), (1, 8, 6)]))
    assert [column.tolist() for column in nearest.chosen()] == [[1], [5]]
    assert [len(column) for column in Nearest(3).chosen()] == [0, 0]
