# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Questions as the runs of characters by which they are compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from data_builders.selecting.splits import normalize_question

# Runs of one to this many characters; the packing below has room for three.
LONGEST_GRAM = 3

# Written without blanks between words: Han and kana.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_PIECE = re.compile(rf"([{_UNSPACED}]+)|([^\W_{_UNSPACED}]+)")
_APOSTROPHE = re.compile("(?<=[a-z])['\u2019](?=[a-z])")
# Not of digits: 1000 is not 100.
_REPEATED = re.compile(r"(\D)\1{2,}")
_CODE_BITS = 21  # of a Unicode character


def fold(question: str) -> str:
    """Fold width, case, punctuation and repetition, and put a blank at both ends of each word.

    The blanks tell "art" from the middle of "party"; Chinese has none. What holds neither
    letters nor digits keeps its signs.

    Args:
        question: Any text.

    Returns:
        The folded text, empty only where nothing is asked.
    """
    text = _APOSTROPHE.sub("", unicodedata.normalize("NFKC", question).casefold())
    pieces = (unspaced or f" {word} " for unspaced, word in _PIECE.findall(text))
    folded = "".join(pieces).replace("  ", " ")
    return _REPEATED.sub(r"\1\1", folded) or normalize_question(question)


def packed_grams(folded: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Give the runs of one to three characters of many texts, each packed into one number.

    Args:
        folded: Texts after `fold`.

    Returns:
        The place of the text that each run is of, (grams,), and the run, (grams,) uint64. A
        blank alone is no run.
    """
    lengths = np.array([len(text) for text in folded], dtype=np.int64)
    codes = np.frombuffer("".join(folded).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    owners = np.repeat(np.arange(len(folded), dtype=np.int32), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(codes))
    runs = np.zeros(len(codes), dtype=np.uint64)
    places, grams = [], []
    for size in range(1, LONGEST_GRAM + 1):
        shift = np.uint64(_CODE_BITS * (size - 1))
        runs[: len(codes) - size + 1] |= codes[size - 1 :] << shift
        whole = left >= size if size > 1 else codes != ord(" ")
        places.append(owners[whole])
        grams.append(runs[whole])
    return np.concatenate(places), np.concatenate(grams)


def counted_grams(folded: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the runs of characters of many texts.

    Args:
        folded: Texts after `fold`.

    Returns:
        Three arrays (distinct runs of all texts,): the place of the text, the run, and how often
        it stands there; in the order of the texts.
    """
    places, grams = packed_grams(folded)
    order = np.lexsort((grams, places))
    places, grams = places[order], grams[order]
    new = np.ones(len(places), dtype=bool)
    new[1:] = (places[1:] != places[:-1]) | (grams[1:] != grams[:-1])
    starts = np.flatnonzero(new)
    counts = np.diff(np.append(starts, len(places)))
    return places[starts], grams[starts], counts
