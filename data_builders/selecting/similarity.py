# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What may be a near copy, found by hashes over whole batches at once.

Two searches, both on text folded by `splits.normalize_question`; `copies` looks closely at what
they find.

* Short texts: those that become equal after at most one character, and no digit, is taken from
  each. Found without loss through the hashes of all texts with one character deleted (the deletion
  neighbourhood of Bocek, Hunt and Stiller, "Fast similarity search in large dictionaries", 2007).
* All texts: those that share many of their character n-grams. They agree in one of the bands into
  which MinHash signatures are cut (Broder 1997; Leskovec et al., "Mining of Massive Datasets",
  section 3.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

MINIMUM_SHORT, MAXIMUM_SHORT = 5, 64
# 10 bands of 3 find 0.91 of the pairs that share 0.6 of their n-grams, and 0.15 of 0.25.
BANDS, BAND_ROWS = 10, 3
MINIMUM_BANDS = 4
# Texts that share fewer of their `marks` have nothing in common but a phrase. Of 222 pairs that a
# person and `copies` call copies, 2 share fewer than 9 and 7 fewer than 12.
LEAST_SHARED = 9
# Where phrases are put together anew, each text meets many that share one of them alone: there a
# copy must be more alike to be looked at, or nothing else is done any more.
_SHARED_IN_A_CROWD = 15
# Two characters of Chinese say as much as four letters.
_EAST, _PADDING = 0x2E80, 3
_AT_ONCE = 100_000

_BASE = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
_LENGTH_SALT = np.uint64(0xD6E8FEB86659FD93)


class Codes(NamedTuple):
    """Many texts as one array of code points.

    Attributes:
        points: Code points of all texts, one after the other, three zeros behind each, uint64.
        starts: Where each text begins, int64.
        lengths: Characters of each text, int64.
    """

    points: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray


def encode(texts: Sequence[str]) -> Codes:
    """Lay texts end to end as code points.

    Args:
        texts: Any texts without lone surrogates.

    Returns:
        Their code points and bounds.
    """
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    joined = "".join(text + "\0" * _PADDING for text in texts).encode("utf-32-le")
    points = np.frombuffer(joined, dtype=np.uint32).astype(np.uint64)
    padded = lengths + _PADDING
    return Codes(points, np.cumsum(padded) - padded, lengths)


def mix(values: np.ndarray) -> np.ndarray:
    """Scatter 64-bit values so that every bit depends on every bit (splitmix64).

    Args:
        values: uint64 of any shape.

    Returns:
        The scattered values.
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def least_shared(crowded: np.ndarray) -> np.ndarray:
    """Say how many marks a text must share with another one to be compared with it.

    Args:
        crowded: Whether each met many others.

    Returns:
        As many numbers.
    """
    return np.where(crowded, _SHARED_IN_A_CROWD, LEAST_SHARED)


def distinct(values: np.ndarray) -> np.ndarray:
    """Sort values and leave each once.

    numpy 2.4's `unique` hashes integers, which took 46 times as long for 300,000 that are distinct.

    Args:
        values: One-dimensional.

    Returns:
        The distinct values, rising.
    """
    ordered = np.sort(values)
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    return ordered[fresh]


class Variants(NamedTuple):
    """Hashes of short texts, whole and with one character deleted.

    Attributes:
        hashes: uint64; two texts share one only if they are near copies or equal.
        owners: Which text each hash is of, int64.
        whole: So many of the hashes are of whole texts; they come first.
    """

    hashes: np.ndarray
    owners: np.ndarray
    whole: int


def deletion_variants(codes: Codes) -> Variants:
    """Hash every short text, and every text that is one character shorter.

    A polynomial hash lets a character be taken out of the middle without reading the rest again.

    Args:
        codes: The texts; those outside these bounds get no hash.

    Returns:
        The hashes and their owners.
    """
    fits = (codes.lengths >= MINIMUM_SHORT) & (codes.lengths <= MAXIMUM_SHORT)
    chosen = np.flatnonzero(fits)
    owner = np.repeat(chosen, codes.lengths[chosen])
    place = _ranges(codes.lengths[chosen])
    points = codes.points[codes.starts[owner] + place]
    terms = mix(points + np.uint64(1)) * _powers()[place]
    before = np.cumsum(terms) - terms
    ends = np.cumsum(codes.lengths[chosen])
    firsts = ends - codes.lengths[chosen]
    start = before[firsts] if len(chosen) else before
    total = (before + terms)[ends - 1] - start if len(chosen) else before
    lengths = codes.lengths[chosen].astype(np.uint64)
    spread = np.repeat(np.arange(len(chosen)), codes.lengths[chosen])
    left = before - start[spread]
    right = total[spread] - left - terms
    shorter = mix((left + right * _INVERSE) ^ ((lengths[spread] - np.uint64(1)) * _LENGTH_SALT))
    whole = mix(total ^ (lengths * _LENGTH_SALT))
    # "Chapter 3" and "chapter 4" are two questions: digits are never taken out.
    free = (points < ord("0")) | (points > ord("9"))
    hashes = np.concatenate([whole, shorter[free]])
    return Variants(hashes, np.concatenate([chosen, owner[free]]), len(chosen))


class Signatures(NamedTuple):
    """What texts are known by: MinHash, in bands and in short.

    Attributes:
        bands: Similar texts agree in at least one, uint64, (texts, BANDS).
        marks: The share in which two texts agree is about that of the n-grams they share, uint8,
            (texts, BANDS * BAND_ROWS).
    """

    bands: np.ndarray
    marks: np.ndarray


def signatures(codes: Codes) -> Signatures:
    """Sign texts.

    Args:
        codes: The texts; those below `MINIMUM_BANDS` get zeros.

    Returns:
        Their signatures.
    """
    bands = np.zeros((len(codes.lengths), BANDS), dtype=np.uint64)
    marks = np.zeros((len(codes.lengths), BANDS * BAND_ROWS), dtype=np.uint8)
    chosen = np.flatnonzero(codes.lengths >= MINIMUM_BANDS)
    if not len(chosen):
        return Signatures(bands, marks)
    counts = codes.lengths[chosen]
    grams = _ngrams(codes.points, np.repeat(codes.starts[chosen], counts) + _ranges(counts))
    starts = np.cumsum(counts) - counts
    # Texts with other numbers are no copies: they need not meet, and in a template all would.
    digits = _digits(codes, chosen, starts, counts)
    for band in range(BANDS):
        value = digits + np.uint64(band)
        for row in range(BAND_ROWS):
            number = band * BAND_ROWS + row
            multiplier, offset = _permutations()[number]
            least = np.minimum.reduceat(grams * multiplier + offset >> np.uint64(32), starts)
            value = mix(value * _BASE + least)
            marks[chosen, number] = least & np.uint64(0xFF)
        bands[chosen, band] = value | np.uint64(1)
    return Signatures(bands, marks)


def shared_marks(
    marks: np.ndarray, one: np.ndarray, others: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Count in how many marks texts agree.

    Args:
        marks: Those of some texts.
        one: Places in it.
        others: Marks of the same or other texts.
        other: As many places in it.

    Returns:
        uint8 of the same length.
    """
    shared = np.zeros(len(one), dtype=np.uint8)
    for begin in range(0, len(one), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        shared[part] = (marks[one[part]] == others[other[part]]).sum(axis=1)
    return shared


def _digits(codes: Codes, chosen: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    points = codes.points[np.repeat(codes.starts[chosen], counts) + _ranges(counts)]
    is_digit = (points >= ord("0")) & (points <= ord("9"))
    return mix(np.add.reduceat(np.where(is_digit, mix(points), np.uint64(0)), starts))


def _ngrams(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    two = points[at] * _BASE + points[at + 1]
    four = (two * _BASE + points[at + 2]) * _BASE + points[at + 3]
    return mix(np.where(points[at] >= _EAST, two, four))


def _ranges(counts: np.ndarray) -> np.ndarray:
    """Give 0 .. count-1 for each count, end to end."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)


@cache
def _powers() -> np.ndarray:
    return np.cumprod(np.full(MAXIMUM_SHORT, _BASE, dtype=np.uint64))


@cache
def _permutations() -> list[tuple[np.uint64, np.uint64]]:
    seeds = mix(np.arange(1, 2 * BANDS * BAND_ROWS + 1, dtype=np.uint64) * _BASE)
    return list(zip(seeds[::2] | np.uint64(1), seeds[1::2], strict=True))
