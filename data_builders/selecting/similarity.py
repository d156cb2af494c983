# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Near copies of texts, found by hashes over whole batches at once.

Two tests, both on text folded by `splits.normalize_question`:

* Short texts: two are near copies when they become equal after at most one character, and no
  digit, is taken from each. Found without loss through the hashes of all texts with one character
  deleted (the deletion neighbourhood of Bocek, Hunt and Stiller, "Fast similarity search in large
  dictionaries", 2007).
* Long texts: the Jaccard similarity of their character n-grams is at least a threshold. Candidates
  come from MinHash signatures cut into bands (Broder 1997; Leskovec et al., "Mining of Massive
  Datasets", section 3.4) and are then measured exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

# Below: "喜欢吃鱼" and "喜欢吃肉" are two questions, not a copy with an error.
MINIMUM_TO_SUBSTITUTE = 8
MINIMUM_TO_INSERT = 5
MAXIMUM_SHORT = 64
MINIMUM_LONG = 24
NGRAM = 4
# 8 bands of 4: finds 0.98 of the pairs of similarity 0.8, and 0.03 of those of 0.25.
BANDS, BAND_ROWS = 8, 4
SIMILAR = 0.8

_BASE = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
_LENGTH_SALT = np.uint64(0xD6E8FEB86659FD93)


class Codes(NamedTuple):
    """Many texts as one array of code points.

    Attributes:
        points: Code points of all texts, one after the other, uint64.
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
    points = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    return Codes(points, np.cumsum(lengths) - lengths, lengths)


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
        codes: The texts; those outside `MINIMUM_TO_INSERT` .. `MAXIMUM_SHORT` get no hash.

    Returns:
        The hashes and their owners.
    """
    fits = (codes.lengths >= MINIMUM_TO_INSERT) & (codes.lengths <= MAXIMUM_SHORT)
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


def band_hashes(codes: Codes, minimum: int = MINIMUM_LONG) -> np.ndarray:
    """Hash long texts so that similar ones agree in at least one band.

    Args:
        codes: The texts.
        minimum: Shorter ones get zeros.

    Returns:
        uint64, (texts, BANDS).
    """
    bands = np.zeros((len(codes.lengths), BANDS), dtype=np.uint64)
    chosen = np.flatnonzero(codes.lengths >= max(minimum, NGRAM))
    if not len(chosen):
        return bands
    grams, counts = _ngrams(codes, chosen)
    starts = np.cumsum(counts) - counts
    for band in range(BANDS):
        value = np.full(len(chosen), band, dtype=np.uint64)
        for row in range(BAND_ROWS):
            multiplier, offset = _permutations()[band * BAND_ROWS + row]
            least = np.minimum.reduceat(grams * multiplier + offset >> np.uint64(32), starts)
            value = mix(value * _BASE + least)
        bands[chosen, band] = value | np.uint64(1)
    return bands


def jaccard(first: str, second: str) -> float:
    """Measure how alike two texts are.

    Args:
        first: A folded text of at least `NGRAM` characters.
        second: Another.

    Returns:
        Size of the intersection of their sets of character n-grams over that of the union.
    """
    one, other = _gram_set(first), _gram_set(second)
    return len(one & other) / len(one | other)


def _gram_set(text: str) -> set[str]:
    return {text[i : i + NGRAM] for i in range(max(1, len(text) - NGRAM + 1))}


def _ngrams(codes: Codes, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts = codes.lengths[chosen] - NGRAM + 1
    at = np.repeat(codes.starts[chosen], counts) + _ranges(counts)
    grams = np.zeros(len(at), dtype=np.uint64)
    for step in range(NGRAM):
        grams = grams * _BASE + codes.points[at + step]
    return mix(grams), counts


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
