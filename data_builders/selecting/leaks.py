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

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from data_builders.selecting.similarity import (
    MINIMUM_TO_SUBSTITUTE,
    SIMILAR,
    Codes,
    band_hashes,
    deletion_variants,
    distinct,
    encode,
    jaccard,
)
from data_builders.shards import Shards, open_shard, value_lengths, write_whole
from data_builders.splits import SPLITS, normalize_question, reply_places
from data_builders.workers import ordered_map

TRAIN, VALIDATION, TEST = range(len(SPLITS))
# Who must not ask what the side asks.
_GIVES_WAY = {TRAIN: (VALIDATION, TEST), TEST: (VALIDATION,)}

_TEXTS_FILE = "held_out_texts.arrow"
# Kinds of hashes that meet: a whole text and one shortened by a character, two shortened ones, and
# the bands of long texts.
_KINDS = _WHOLE, _SHORTER, _SHORTER_OF_LONGER, _BANDS = range(4)
_MEETS = {_WHOLE: _SHORTER, _SHORTER: _WHOLE, _SHORTER_OF_LONGER: _SHORTER}
# How many of `_TEXTS_AT_ONCE` are measured against one held-out text. Where a template is filled in
# a thousand ways, everything is a candidate of everything.
_MEASURED = 4
_TEXTS_AT_ONCE = 4_000


class Pairs(NamedTuple):
    """What the rules need to know of each pair.

    Attributes:
        keys: The question, uint64.
        sides: Place in `SPLITS` of its dialogue.
        alive: Whether it is still in the corpus.
    """

    keys: np.ndarray
    sides: np.ndarray
    alive: np.ndarray


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


def find_near_copies(
    shards: Shards, pairs: Pairs, folder: Path, workers: int
) -> dict[int, np.ndarray]:
    """Search the corpus for near copies of held-out questions.

    Args:
        shards: The corpus.
        pairs: All its pairs.
        folder: Where the index of held-out questions is kept meanwhile.
        workers: How many processes search.

    Returns:
        For each side that others give way to, the keys of their questions that are near copies
        of what it asks.
    """
    _write_index(shards, pairs, folder)
    tasks = (
        (path, str(folder), pairs.sides[span], pairs.alive[span])
        for path, _, span in shards.spans()
        if pairs.alive[span].any()
    )
    found: dict[int, list[np.ndarray]] = {side: [np.zeros(0, np.uint64)] for side in _GIVES_WAY}
    for matches in ordered_map(_search_shard, tasks, workers):
        for side, keys in matches.items():
            found[side].append(keys)
    return {side: distinct(np.concatenate(keys)) for side, keys in found.items()}


def _questions(path: str, wanted: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Read the distinct questions of a shard: their keys and folded texts."""
    table = open_shard(path)
    keys = np.asarray(table["questions"].combine_chunks().flatten())
    chosen = np.flatnonzero(wanted)
    _, first = np.unique(keys[chosen], return_index=True)
    at = np.sort(chosen[first])
    return keys[at], [normalize_question(text) for text in _texts_at(table, at)]


def _texts_at(table: pa.Table, pairs: np.ndarray) -> Iterator[str]:
    lengths = value_lengths(table["questions"])
    ends = np.cumsum(lengths)
    rows = np.searchsorted(ends, pairs, side="right")
    inside = pairs - (ends - lengths)[rows]
    # Each dialogue is read once: once per pair, long ones would cost the square of their turns.
    numbers, which = np.unique(rows, return_inverse=True)
    chosen = table.select(["turns", "roles"]).take(numbers)
    all_turns, all_roles = chosen["turns"].to_pylist(), chosen["roles"].to_pylist()
    last, places = -1, []
    for one, pair in zip(which.tolist(), inside.tolist(), strict=True):
        if one != last:
            last, places = one, reply_places(all_turns[one], all_roles[one])
        yield all_turns[one][places[pair] - 1]


def _hashes(texts: Sequence[str]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Hash texts in all four kinds: hashes and the texts they are of."""
    parts: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {kind: [] for kind in _KINDS}
    # A part at a time: some arrays in between have an entry for each character.
    for begin in range(0, len(texts), _TEXTS_AT_ONCE):
        codes = encode(texts[begin : begin + _TEXTS_AT_ONCE])
        for kind, (hashes, owners) in _hashes_of(codes):
            parts[kind].append((hashes, owners + begin))
    nothing = (np.zeros(0, np.uint64), np.zeros(0, np.int64))
    return {
        kind: tuple(map(np.concatenate, zip(nothing, *found, strict=True)))
        for kind, found in parts.items()
    }


def _hashes_of(codes: Codes) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray]]]:
    variants = deletion_variants(codes)
    whole = np.arange(len(variants.hashes)) < variants.whole
    long_enough = codes.lengths[variants.owners] >= MINIMUM_TO_SUBSTITUTE
    for kind, chosen in (
        (_WHOLE, whole),
        (_SHORTER, ~whole),
        (_SHORTER_OF_LONGER, ~whole & long_enough),
    ):
        yield kind, (variants.hashes[chosen], variants.owners[chosen])
    bands = band_hashes(codes)
    owners, numbers = np.nonzero(bands)
    yield _BANDS, (bands[owners, numbers], owners)


def _write_index(shards: Shards, pairs: Pairs, folder: Path) -> None:
    """Write all hashes of the held-out questions, sorted, for the workers to share."""
    keys, sides, texts = [], [], []
    for path, _, span in shards.spans():
        for side in (VALIDATION, TEST):
            wanted = pairs.alive[span] & (pairs.sides[span] == side)
            if wanted.any():
                some_keys, some_texts = _questions(path, wanted)
                keys.append(some_keys)
                sides.append(np.full(len(some_keys), side, dtype=np.uint8))
                texts.extend(some_texts)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "keys.npy", np.concatenate(keys))
    np.save(folder / "sides.npy", np.concatenate(sides))
    hashed = _hashes(texts)
    # Found among all the shorter ones: equal hashes are of texts of equal length.
    del hashed[_SHORTER_OF_LONGER]
    for kind, (hashes, owners) in hashed.items():
        order = np.argsort(hashes)
        np.save(folder / f"hashes-{kind}.npy", hashes[order])
        np.save(folder / f"owners-{kind}.npy", owners[order].astype(np.int32))
    write_whole(folder / _TEXTS_FILE, pa.table({"text": pa.array(texts, pa.string())}))


class _Index:
    """The held-out questions, mapped into memory and shared by all workers."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self.keys, self.sides = self._load("keys"), self._load("sides")
        self.texts = open_shard(str(self._folder / _TEXTS_FILE))["text"]

    def _load(self, name: str) -> np.ndarray:
        return np.load(self._folder / f"{name}.npy", mmap_mode="r")

    def lookup(self, kind: int, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the entries of distinct hashes: places in `hashes`, and owners."""
        index = self._load(f"hashes-{kind}")
        begin = np.searchsorted(index, hashes, side="left")
        count = np.searchsorted(index, hashes, side="right") - begin
        ends = np.cumsum(count)
        entries = np.repeat(begin - (ends - count), count) + np.arange(ends[-1] if len(ends) else 0)
        return np.repeat(np.arange(len(hashes)), count), self._load(f"owners-{kind}")[entries]


def _search_shard(task: tuple[str, str, np.ndarray, np.ndarray]) -> dict[int, np.ndarray]:
    """Find, for each side, the held-out questions that a shard asks nearly so on that side."""
    path, folder, sides, alive = task
    index = _Index(folder)
    found = {}
    for side, others in _GIVES_WAY.items():
        wanted = alive & (sides == side)
        if wanted.any():
            _, texts = _questions(path, wanted)
            parts = range(0, len(texts), _TEXTS_AT_ONCE)
            found_here = [_near_ones(texts[i : i + _TEXTS_AT_ONCE], index) for i in parts]
            near = distinct(np.concatenate(found_here))
            found[side] = distinct(index.keys[near[np.isin(index.sides[near], others)]])
    return found


def _near_ones(texts: list[str], index: _Index) -> np.ndarray:
    """Give the held-out questions that are near copies of any of the texts."""
    hashes = _hashes(texts)
    near = [index.lookup(_MEETS[kind], distinct(hashes[kind][0]))[1] for kind in _MEETS]
    # One text stands for all with the same band.
    bands, first = np.unique(hashes[_BANDS][0], return_index=True)
    places, owners = index.lookup(_BANDS, bands)
    candidates = np.unique(np.stack([owners, hashes[_BANDS][1][first][places]], axis=1), axis=0)
    measured, left = set(), {}
    for owner, text in candidates.tolist():
        if owner in measured or left.setdefault(owner, _MEASURED) == 0:
            continue
        left[owner] -= 1
        if jaccard(texts[text], index.texts[owner].as_py()) >= SIMILAR:
            measured.add(owner)
    near.append(np.array(sorted(measured), dtype=np.int64))
    return distinct(np.concatenate(near))
