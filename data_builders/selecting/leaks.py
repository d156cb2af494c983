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

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from data_builders.selecting.copies import LEAKS, apart
from data_builders.selecting.shards import Shards, open_shard, value_lengths
from data_builders.selecting.similarity import band_hashes, deletion_variants, distinct, encode
from data_builders.selecting.splits import SPLITS, normalize_question, reply_places
from data_builders.selecting.workers import ordered_map

TRAIN, VALIDATION, TEST = range(len(SPLITS))
# Who must not ask what the side asks.
_GIVES_WAY = {TRAIN: (VALIDATION, TEST), TEST: (VALIDATION,)}

_TEXTS_FILE = "held_out_texts.arrow"
# How many of `_TEXTS_AT_ONCE` are measured against one held-out text. Where a template is filled in
# a thousand ways, everything is a candidate of everything.
_MEASURED, _OF_A_BAND = 16, 8
_TEXTS_AT_ONCE = 4_000
# The index is sorted in parts, by the highest four bits of the hashes.
_PARTS, _PART_SHIFT = 16, np.uint64(60)
_ENTRY = np.dtype([("hash", np.uint64), ("owner", np.int32)])


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


def find_near_copies(
    shards: Shards, pairs: Pairs, folder: Path, workers: int
) -> dict[int, list[NearCopy]]:
    """Search the corpus for near copies of held-out questions.

    Args:
        shards: The corpus.
        pairs: All its pairs.
        folder: Where the index of held-out questions is kept meanwhile.
        workers: How many processes search.

    Returns:
        For each side that others give way to, those of their questions that are near copies of
        what it asks.
    """
    _write_index(shards, pairs, folder)
    tasks = (
        (path, str(folder), pairs.sides[span], pairs.alive[span])
        for path, _, span in shards.spans()
        if pairs.alive[span].any()
    )
    found: dict[int, list[NearCopy]] = {side: [] for side in _GIVES_WAY}
    for matches in ordered_map(_search_shard, tasks, workers):
        for side, copies in matches.items():
            found[side] += copies
    return found


def questions_at(path: str, pairs: np.ndarray) -> list[str]:
    """Read the questions of some pairs of a shard.

    Args:
        path: The shard.
        pairs: Rising numbers of its pairs.

    Returns:
        The questions as they were asked.
    """
    return list(_texts_at(open_shard(path), pairs))


def _questions(path: str, mask: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Read the distinct questions of a shard, and their keys."""
    keys = np.asarray(open_shard(path)["questions"].combine_chunks().flatten())
    chosen = np.flatnonzero(mask)
    _, first = np.unique(keys[chosen], return_index=True)
    at = np.sort(chosen[first])
    return keys[at], questions_at(path, at)


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


def _hashes_of(texts: list[str]) -> tuple[np.ndarray, np.ndarray, int]:
    """Give the hashes by which near copies meet, their owners, and how many are of bands."""
    codes = encode([normalize_question(text) for text in texts])
    variants, bands = deletion_variants(codes), band_hashes(codes)
    owners, numbers = np.nonzero(bands)
    hashes = np.concatenate([bands[owners, numbers], variants.hashes])
    return hashes, np.concatenate([owners, variants.owners]), len(owners)


def _write_index(shards: Shards, pairs: Pairs, folder: Path) -> None:
    """Write all hashes of the held-out questions, sorted, for the workers to share."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    keys, sides, count = [], [], 0
    schema = pa.schema({"text": pa.string()})
    with (
        pa.OSFile(str(folder / _TEXTS_FILE), "wb") as file,
        pa.ipc.new_file(file, schema) as writer,
    ):
        for some_keys, side, texts in _held_out(shards, pairs):
            keys.append(some_keys)
            sides.append(np.full(len(some_keys), side, dtype=np.uint8))
            writer.write_table(pa.table({"text": pa.array(texts, pa.string())}))
            _append_hashes(texts, count, folder)
            count += len(texts)
    np.save(folder / "keys.npy", np.concatenate(keys))
    np.save(folder / "sides.npy", np.concatenate(sides))
    for path in folder.glob("*.raw"):
        entries = np.fromfile(path, dtype=_ENTRY)
        order = np.argsort(entries["hash"])
        np.save(path.with_suffix(".hashes.npy"), entries["hash"][order])
        np.save(path.with_suffix(".owners.npy"), entries["owner"][order])
        path.unlink()


def _held_out(shards: Shards, pairs: Pairs) -> Iterator[tuple[np.ndarray, int, list[str]]]:
    """Yield keys, side and texts of the held-out questions, some thousand at a time."""
    for path, _, span in shards.spans():
        for side in (VALIDATION, TEST):
            mask = pairs.alive[span] & (pairs.sides[span] == side)
            keys, texts = _questions(path, mask) if mask.any() else (np.zeros(0), [])
            for begin in range(0, len(texts), _TEXTS_AT_ONCE):
                part = slice(begin, begin + _TEXTS_AT_ONCE)
                yield keys[part], side, texts[part]


def _append_hashes(texts: list[str], first: int, folder: Path) -> None:
    """Add the hashes of some texts to the files of their highest bits."""
    hashes, owners, _ = _hashes_of(texts)
    entries = np.empty(len(hashes), dtype=_ENTRY)
    entries["hash"], entries["owner"] = hashes, owners + first
    part = hashes >> _PART_SHIFT
    for number in distinct(part).tolist():
        with open(folder / f"{number:02d}.raw", "ab") as file:
            entries[part == number].tofile(file)


class _Index:
    """The held-out questions, mapped into memory and shared by all workers."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self.keys, self.sides = self._load("keys.npy"), self._load("sides.npy")
        self.texts = open_shard(str(self._folder / _TEXTS_FILE))["text"]

    def _load(self, name: str) -> np.ndarray:
        return np.load(self._folder / name, mmap_mode="r")

    def lookup(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the entries of rising hashes: places in `hashes`, and owners."""
        places, owners = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
        bounds = np.searchsorted(hashes >> _PART_SHIFT, np.arange(_PARTS + 1, dtype=np.uint64))
        for number, begin, end in zip(range(_PARTS), bounds[:-1], bounds[1:], strict=True):
            if begin < end and (self._folder / f"{number:02d}.hashes.npy").exists():
                at, entries = _matches(self._load(f"{number:02d}.hashes.npy"), hashes[begin:end])
                places.append(at + begin)
                owners.append(self._load(f"{number:02d}.owners.npy")[entries])
        return np.concatenate(places), np.concatenate(owners)


def _matches(index: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find hashes in a sorted array: places in `hashes`, and places in the array."""
    begin = np.searchsorted(index, hashes, side="left")
    count = np.searchsorted(index, hashes, side="right") - begin
    ends = np.cumsum(count)
    entries = np.repeat(begin - (ends - count), count) + np.arange(ends[-1] if len(ends) else 0)
    return np.repeat(np.arange(len(hashes)), count), entries


def _search_shard(task: tuple[str, str, np.ndarray, np.ndarray]) -> dict[int, list[NearCopy]]:
    """Find, for each side, the held-out questions that a shard asks nearly so on that side."""
    path, folder, sides, alive = task
    index = _Index(folder)
    found = {}
    for side, others in _GIVES_WAY.items():
        mask = alive & (sides == side)
        if mask.any():
            _, texts = _questions(path, mask)
            parts = (texts[i : i + _TEXTS_AT_ONCE] for i in range(0, len(texts), _TEXTS_AT_ONCE))
            found[side] = [copy for part in parts for copy in _near_ones(part, index, others)]
    return found


def _near_ones(texts: list[str], index: _Index, others: tuple[int, ...]) -> Iterator[NearCopy]:
    """Yield the held-out questions of some sides that are near copies of any of the texts."""
    hashes, owners, of_bands = _hashes_of(texts)
    # A few texts stand for all with the same band.
    order = np.argsort(hashes[:of_bands], kind="stable")
    ordered = hashes[order]
    place = np.arange(of_bands) - np.searchsorted(ordered, ordered)
    chosen = np.concatenate([order[place < _OF_A_BAND], np.arange(of_bands, len(hashes))])
    chosen = chosen[np.argsort(hashes[chosen], kind="stable")]
    places, held = index.lookup(hashes[chosen])
    wanted = np.isin(index.sides[held], others)
    pairs = held[wanted].astype(np.int64) << 32 | owners[chosen][places[wanted]]
    pairs, shared = np.unique(pairs, return_counts=True)
    # Those that share the most hashes first: they are the likeliest.
    done: set[int] = set()
    left: dict[int, int] = {}
    for pair in pairs[np.lexsort((-shared, pairs >> 32))].tolist():
        owner, text = pair >> 32, pair & 0xFFFFFFFF
        if owner in done or left.setdefault(owner, _MEASURED) == 0:
            continue
        left[owner] -= 1
        if (distance := apart(texts[text], index.texts[owner].as_py())) <= LEAKS:
            done.add(owner)
            yield NearCopy(int(index.keys[owner]), texts[text], distance)
