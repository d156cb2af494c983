# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The questions that are kept back, and which others look like them, found by shared hashes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from data_builders.selecting.shards import Shards, open_shard, value_lengths
from data_builders.selecting.similarity import (
    LEAST_SHARED,
    deletion_variants,
    distinct,
    encode,
    least_shared,
    shared_marks,
    signatures,
)
from data_builders.selecting.splits import SPLITS, normalize_question, reply_places

TRAIN, VALIDATION, TEST = range(len(SPLITS))

_TEXTS_FILE = "held_out_texts.arrow"
# So many of those that look like a held-out question are measured. Where more do, as where a
# template is filled in a thousand ways, everything looks like everything, and fewer are.
_MEASURED, _MEASURED_IN_A_CROWD = 16, 4
# So many of `_TEXTS_AT_ONCE` stand for all that agree in a band, and a band in which more held-out
# texts agree than the second number is a phrase that many have.
_OF_A_BAND, _MOST_OF_A_BAND = 8, 64
_TEXTS_AT_ONCE = 4_000
# Short texts with a character more or less are alike, however few marks they share.
_BY_VARIANT = 64
# The index is sorted in parts, by the highest four bits of the hashes.
_PARTS, _PART_SHIFT = 16, np.uint64(60)
_HALF, _LOW = np.uint64(32), np.uint64(2**32 - 1)
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


class Met(NamedTuple):
    """Which questions look like held-out ones: so many of each that are the likeliest.

    Attributes:
        owners: Places of the held-out ones in the index, rising.
        likely: How likely each is and, in the low half, which pair of the corpus asks so, counted
            from the end; falling for each owner.
        counts: How many looked like the held-out one; 0 but for its first.
    """

    owners: np.ndarray
    likely: np.ndarray
    counts: np.ndarray


def _likeliest(owners: np.ndarray, ranks: np.ndarray, pairs: np.ndarray) -> Met:
    """Leave so many of each held-out question that are the likeliest."""
    likely = ranks.astype(np.uint64) << _HALF | _LOW - pairs.astype(np.uint64)
    order = np.lexsort((~likely, owners))
    owners = owners[order]
    begins = np.searchsorted(owners, owners)
    counts = np.bincount(begins, minlength=len(owners)).astype(np.int32)
    kept = np.arange(len(owners)) - begins < _MEASURED
    return Met(owners[kept], likely[order][kept], counts[kept])


class Nearest:
    """For each held-out question of an index the likeliest of all that were met."""

    def __init__(self, owners: int) -> None:
        """Begin with none.

        Args:
            owners: How many held-out questions there are.
        """
        # Zeros take no memory where nothing is met.
        self._likely = np.zeros((owners, _MEASURED), np.uint64)
        self._counts = np.zeros(owners, np.int32)

    def add(self, met: Met) -> None:
        """Take in what was found somewhere; only the questions that were met there are touched."""
        owners, begins, which = np.unique(met.owners, return_index=True, return_inverse=True)
        both = np.zeros((len(owners), 2 * _MEASURED), np.uint64)
        both[:, :_MEASURED] = self._likely[owners]
        both[which, _MEASURED + np.arange(len(which)) - begins[which]] = met.likely
        both.sort(axis=1)
        self._likely[owners] = both[:, : -_MEASURED - 1 : -1]
        self._counts[owners] += met.counts[begins]

    def chosen(self) -> tuple[np.ndarray, np.ndarray]:
        """Choose what is measured: none that share one phrase of many with a question in a crowd.

        Returns:
            Held-out questions, rising, and as many pairs of the corpus.
        """
        crowded = self._counts > _MEASURED
        most = np.where(crowded, _MEASURED_IN_A_CROWD, _MEASURED)[:, None]
        # Nobody is a rank of 0.
        kept = self._likely >= least_shared(crowded).astype(np.uint64)[:, None] << _HALF
        kept &= np.arange(_MEASURED) < most
        return np.nonzero(kept)[0], (_LOW - (self._likely[kept] & _LOW)).astype(np.int64)


def questions_at(path: str, pairs: np.ndarray) -> list[str]:
    """Read the questions of some pairs of a shard.

    Args:
        path: The shard.
        pairs: Rising numbers of its pairs.

    Returns:
        The questions as they were asked.
    """
    return list(_texts_at(open_shard(path), pairs))


def questions_of(path: str, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Read the distinct questions of a shard.

    Args:
        path: The shard.
        mask: Which of its pairs count.

    Returns:
        The number of the first pair that asks so, the key and the text of each.
    """
    if not mask.any():
        return np.zeros(0, np.int64), np.zeros(0, np.uint64), []
    keys = np.asarray(open_shard(path)["questions"].combine_chunks().flatten())
    chosen = np.flatnonzero(mask)
    _, first = np.unique(keys[chosen], return_index=True)
    at = np.sort(chosen[first])
    return at, keys[at], questions_at(path, at)


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


class _Hashes(NamedTuple):
    """By what the near copies of some texts meet.

    Attributes:
        hashes: Those of bands come first.
        owners: Which text each is of.
        of_bands: So many are of bands.
        marks: Those of each text.
    """

    hashes: np.ndarray
    owners: np.ndarray
    of_bands: int
    marks: np.ndarray


def _hashes_of(texts: list[str]) -> _Hashes:
    codes = encode([normalize_question(text) for text in texts])
    variants, signed = deletion_variants(codes), signatures(codes)
    owners, numbers = np.nonzero(signed.bands)
    # The hashes of bands are odd, these even.
    hashes = np.concatenate([signed.bands[owners, numbers], variants.hashes & ~np.uint64(1)])
    return _Hashes(hashes, np.concatenate([owners, variants.owners]), len(owners), signed.marks)


def _representatives(found: _Hashes) -> np.ndarray:
    """Choose some texts of each band, and all variants: places of rising hashes."""
    order = np.argsort(found.hashes[: found.of_bands], kind="stable")
    ordered = found.hashes[order]
    place = np.arange(found.of_bands) - np.searchsorted(ordered, ordered)
    variants = np.arange(found.of_bands, len(found.hashes))
    chosen = np.concatenate([order[place < _OF_A_BAND], variants])
    return chosen[np.argsort(found.hashes[chosen], kind="stable")]


def write_index(shards: Shards, pairs: Pairs, folder: Path) -> None:
    """Write all hashes of the held-out questions, sorted, for the workers to share.

    Args:
        shards: The corpus.
        pairs: All its pairs.
        folder: What to make; an old one goes.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    keys, sides, marks, count = [], [], [], 0
    schema = pa.schema({"text": pa.string()})
    with (
        pa.OSFile(str(folder / _TEXTS_FILE), "wb") as file,
        pa.ipc.new_file(file, schema) as writer,
    ):
        for some_keys, side, texts in _held_out(shards, pairs):
            keys.append(some_keys)
            sides.append(np.full(len(some_keys), side, dtype=np.uint8))
            writer.write_table(pa.table({"text": pa.array(texts, pa.string())}))
            marks.append(_append_hashes(texts, count, folder))
            count += len(texts)
    np.save(folder / "keys.npy", np.concatenate(keys))
    np.save(folder / "sides.npy", np.concatenate(sides))
    np.save(folder / "marks.npy", np.concatenate(marks))
    for path in folder.glob("*.raw"):
        entries = np.fromfile(path, dtype=_ENTRY)
        entries = entries[np.argsort(entries["hash"])]
        entries = entries[~_of_many(entries["hash"])]
        np.save(path.with_suffix(".hashes.npy"), entries["hash"])
        np.save(path.with_suffix(".owners.npy"), entries["owner"])
        path.unlink()


def _of_many(hashes: np.ndarray) -> np.ndarray:
    """Mark those of rising hashes that are of bands in which too many agree."""
    _, which, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    return (counts[which] > _MOST_OF_A_BAND) & (hashes & np.uint64(1) == 1)


def _held_out(shards: Shards, pairs: Pairs) -> Iterator[tuple[np.ndarray, int, list[str]]]:
    """Yield keys, side and texts of the held-out questions, some thousand at a time."""
    for path, _, span in shards.spans():
        for side in (VALIDATION, TEST):
            mask = pairs.alive[span] & (pairs.sides[span] == side)
            _, keys, texts = questions_of(path, mask)
            for begin in range(0, len(texts), _TEXTS_AT_ONCE):
                part = slice(begin, begin + _TEXTS_AT_ONCE)
                yield keys[part], side, texts[part]


def _append_hashes(texts: list[str], first: int, folder: Path) -> np.ndarray:
    """Add the hashes of some texts to the files of their highest bits, and return their marks."""
    hashes, owners, _, marks = _hashes_of(texts)
    entries = np.empty(len(hashes), dtype=_ENTRY)
    entries["hash"], entries["owner"] = hashes, owners + first
    part = hashes >> _PART_SHIFT
    for number in distinct(part).tolist():
        with open(folder / f"{number:02d}.raw", "ab") as file:
            entries[part == number].tofile(file)
    return marks


class Index:
    """The held-out questions, mapped into memory and shared by all workers."""

    def __init__(self, folder: str) -> None:
        """Open what `write_index` wrote."""
        self._folder = Path(folder)
        self.keys, self.sides = self._load("keys.npy"), self._load("sides.npy")
        self.marks = self._load("marks.npy")
        self._texts = open_shard(str(self._folder / _TEXTS_FILE))["text"]

    def _load(self, name: str) -> np.ndarray:
        return np.load(self._folder / name, mmap_mode="r")

    def text(self, owner: int) -> str:
        """Give a question."""
        return str(self._texts[owner])

    def nearest(self, texts: list[str], pairs: np.ndarray, sides: tuple[int, ...]) -> list[Met]:
        """Find the questions of some sides that texts look like.

        Args:
            texts: Distinct questions.
            pairs: Of the corpus, one for each.
            sides: Of which to look for.

        Returns:
            Those that they look most like, for some thousand of them at a time.
        """
        parts = (slice(i, i + _TEXTS_AT_ONCE) for i in range(0, len(texts), _TEXTS_AT_ONCE))
        return [self._met(texts[part], pairs[part], sides) for part in parts]

    def _met(self, texts: list[str], pairs: np.ndarray, sides: tuple[int, ...]) -> Met:
        found = _hashes_of(texts)
        chosen = _representatives(found)
        places, held = self._lookup(found.hashes[chosen])
        wanted = np.isin(self.sides[held], sides)
        places, held = chosen[places[wanted]], held[wanted].astype(np.int64)
        by_band = (places < found.of_bands).astype(np.int64)
        met = distinct(held << 33 | found.owners[places].astype(np.int64) << 1 | by_band)
        owners, some, by_band = met >> 33, met >> 1 & 0xFFFFFFFF, met & 1
        shared = shared_marks(found.marks, some, self.marks, owners)
        likely = (by_band == 0) | (shared >= LEAST_SHARED)
        rank = np.where(by_band == 0, _BY_VARIANT + shared, shared)[likely]
        return _likeliest(owners[likely].astype(np.int32), rank, pairs[some[likely]])

    def _lookup(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
