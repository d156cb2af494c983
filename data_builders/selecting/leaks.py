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
import pyarrow as pa

from data_builders.selecting.similarity import (
    SIMILAR,
    band_hashes,
    deletion_variants,
    encode,
    jaccard,
    near_enough,
)
from data_builders.shards import Shards, open_shard, value_lengths, write_whole
from data_builders.splits import SPLITS, normalize_question, reply_places
from data_builders.workers import ordered_map

TRAIN, VALIDATION, TEST = range(len(SPLITS))

_TEXTS_FILE = "held_out_texts.arrow"
# A bit array in front of the index: most hashes of training questions end there.
_FILTER_BITS = np.uint64(2**27 - 1)


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


class NearCopies(NamedTuple):
    """Pairs of different questions that are nearly the same, by their keys.

    Attributes:
        ones: uint64.
        others: uint64; each match stands there in both directions.
    """

    ones: np.ndarray
    others: np.ndarray

    def of(self, keys: np.ndarray) -> np.ndarray:
        """Give the keys themselves and those of their near copies.

        Args:
            keys: Distinct or not.

        Returns:
            Distinct keys.
        """
        return np.unique(np.concatenate([keys, self.others[np.isin(self.ones, keys)]]))


def leaking_pairs(pairs: Pairs, near: NearCopies) -> np.ndarray:
    """Choose the pairs that have to go so that no question stands on two sides.

    Args:
        pairs: All pairs of the corpus.
        near: The near copies among their questions, as far as one of the two is held out.

    Returns:
        True for pairs to leave out.
    """
    keys, sides, alive = pairs
    gone = np.zeros(len(keys), dtype=bool)
    for owner, others in ((TRAIN, (VALIDATION, TEST)), (TEST, (VALIDATION,))):
        taken = near.of(np.unique(keys[alive & ~gone & (sides == owner)]))
        asked = np.flatnonzero(alive & np.isin(sides, others))
        gone[asked[np.isin(keys[asked], taken)]] = True
    return gone


def find_near_copies(
    shards: Shards, held_out: np.ndarray, alive: np.ndarray, folder: Path, workers: int
) -> NearCopies:
    """Search the corpus for near copies of held-out questions.

    Args:
        shards: The corpus.
        held_out: True for dialogues that are not for training.
        alive: True for pairs still in the corpus.
        folder: Where the index of held-out questions is kept meanwhile.
        workers: How many processes search.

    Returns:
        The matches.
    """
    _write_index(shards, held_out, alive, folder)
    # One test question may be asked a million times: each shard looks at each of its keys once.
    tasks = (
        (path, str(folder), alive[pairs]) for path, _, pairs in shards.spans() if alive[pairs].any()
    )
    found = list(ordered_map(_search_shard, tasks, workers))
    matches = np.concatenate([np.zeros((0, 2), np.uint64), *found])
    matches = np.unique(np.concatenate([matches, matches[:, ::-1]]), axis=0)
    return NearCopies(matches[:, 0], matches[:, 1])


def _questions(path: str, wanted: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Read the distinct questions of a shard: their keys and folded texts."""
    table = open_shard(path)
    keys = np.asarray(table["questions"].combine_chunks().flatten())
    _, at = np.unique(np.where(wanted, keys, np.uint64(0)), return_index=True)
    at = np.sort(at[wanted[at]])
    return keys[at], [normalize_question(text) for text in _texts_at(table, at)]


def _texts_at(table: pa.Table, pairs: np.ndarray) -> Iterator[str]:
    lengths = value_lengths(table["questions"])
    ends = np.cumsum(lengths)
    rows = np.searchsorted(ends, pairs, side="right")
    inside = pairs - (ends - lengths)[rows]
    # Each dialogue is read once: once per pair, long ones would cost the square of their turns.
    distinct, which = np.unique(rows, return_inverse=True)
    chosen = table.select(["turns", "roles"]).take(distinct)
    all_turns, all_roles = chosen["turns"].to_pylist(), chosen["roles"].to_pylist()
    last, places = -1, []
    for one, pair in zip(which.tolist(), inside.tolist(), strict=True):
        if one != last:
            last, places = one, reply_places(all_turns[one], all_roles[one])
        yield all_turns[one][places[pair] - 1]


def _write_index(shards: Shards, held_out: np.ndarray, alive: np.ndarray, folder: Path) -> None:
    keys, texts = [], []
    for path, dialogues, pairs in shards.spans():
        wanted = np.repeat(held_out[dialogues], shards.pairs_of[dialogues]) & alive[pairs]
        if wanted.any():
            some_keys, some_texts = _questions(path, wanted)
            keys.append(some_keys)
            texts.extend(some_texts)
    keys, at = np.unique(np.concatenate([np.zeros(0, np.uint64), *keys]), return_index=True)
    texts = [texts[i] for i in at]
    codes = encode(texts)
    variants = deletion_variants(codes)
    bands = band_hashes(codes)
    long_ones, _ = np.nonzero(bands)
    hashes = np.concatenate([variants.hashes, bands[bands != 0]])
    owners = np.concatenate([variants.owners, long_ones]).astype(np.int32)
    order = np.argsort(hashes)
    seen = np.zeros(int(_FILTER_BITS) // 8 + 1, dtype=np.uint8)
    place = hashes & _FILTER_BITS
    np.bitwise_or.at(seen, place >> np.uint64(3), _bit(place))
    arrays = {"hashes": hashes[order], "owners": owners[order], "seen": seen}
    arrays |= {"keys": keys, "lengths": codes.lengths}
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    write_whole(folder / _TEXTS_FILE, pa.table({"text": pa.array(texts, pa.string())}))


class _Index:
    """The held-out questions, mapped into memory and shared by all workers."""

    def __init__(self, folder: str) -> None:
        for name in ("hashes", "owners", "seen", "keys", "lengths"):
            setattr(self, name, np.load(Path(folder, f"{name}.npy"), mmap_mode="r"))
        self.texts = open_shard(str(Path(folder, _TEXTS_FILE)))["text"]

    def lookup(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find all entries of each hash: places in `hashes`, and owners."""
        place = hashes & _FILTER_BITS
        maybe = np.flatnonzero(self.seen[place >> np.uint64(3)] & _bit(place))
        begin = np.searchsorted(self.hashes, hashes[maybe], side="left")
        count = np.searchsorted(self.hashes, hashes[maybe], side="right") - begin
        ends = np.cumsum(count)
        entries = np.repeat(begin - (ends - count), count) + np.arange(ends[-1] if len(ends) else 0)
        return np.repeat(maybe, count), self.owners[entries]


def _bit(place: np.ndarray) -> np.ndarray:
    return np.uint8(1) << (place & np.uint64(7)).astype(np.uint8)


def _search_shard(task: tuple[str, str, np.ndarray]) -> np.ndarray:
    """Match the questions of one shard: (matches, 2) keys, its own and the held-out one."""
    path, folder, wanted = task
    index = _Index(folder)
    keys, texts = _questions(path, wanted)
    codes = encode(texts)
    variants = deletion_variants(codes)
    places, owners = index.lookup(variants.hashes)
    ours = variants.owners[places]
    fits = near_enough(codes.lengths[ours], index.lengths[owners])
    short = np.stack([keys[ours[fits]], index.keys[owners[fits]]], axis=1)
    long_ones, _ = np.nonzero(bands := band_hashes(codes))
    places, owners = index.lookup(bands[bands != 0])
    candidates = np.unique(np.stack([long_ones[places], owners], axis=1), axis=0)
    long = [
        (keys[one], index.keys[other])
        for one, other in candidates.tolist()
        if jaccard(texts[one], index.texts[other].as_py()) >= SIMILAR
    ]
    found = np.concatenate([short, np.array(long, dtype=np.uint64).reshape(-1, 2)])
    return np.unique(found[found[:, 0] != found[:, 1]], axis=0)
