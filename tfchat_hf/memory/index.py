# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The nearest questions of a corpus: cosine of TF-IDF weights of character n-grams, in numpy.

Measured against scikit-learn, bm25s and tantivy by `benchmarks/memory_index.py`. One file of
plain arrays, nothing that is executed when it is read.
"""

from __future__ import annotations

import functools
import math
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save

from data_builders.errors import UserError
from data_builders.selecting.splits import normalize_question
from data_builders.writing import write_whole

INDEX_FILE = "index.safetensors"
# N-grams that stand in a larger share of the questions are left out, as words like "the" are:
# in the small talk the nearest question has the same intent no more seldom (zh 15.4 % without,
# 14.9 % with them; en 15.3 and 15.0 %), and the common ones are most of the work.
COMMON_SHARE = 0.05
_COMMON_AT_LEAST = 50  # in a small corpus nothing is common
_QUESTIONS_AT_ONCE = 50_000
_ARRAYS = ("grams", "starts", "places", "counts")
# An n-gram is one number, in which there is room for three characters.
_LONGEST_NGRAM = 3

# Written without blanks between words: Han and kana.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_PIECE = re.compile(rf"([{_UNSPACED}]+)|([^\W_{_UNSPACED}]+)")
_APOSTROPHE = re.compile("(?<=[a-z])['\u2019](?=[a-z])")
# Not of digits: 1000 is not 100.
_REPEATED = re.compile(r"(\D)\1{2,}")
_CHARACTER_BITS = 21


class QuestionIndex:
    """Questions, to be found by what they share with another one.

    An n-gram weighs (1 + ln count) (1 + ln((n + 1) / (df + 1))) in a question, where n
    is the number of questions and df in how many of them it stands. A question without any but
    common n-grams keeps them. What is asked may hold some that no question has: they share nothing,
    but lengthen it, so that a question that answers to a part only is less similar.

    Attributes:
        grams: The n-grams, sorted, (grams,) uint64.
        frequency: In how many questions each stands, (grams,) int32.
        starts: Where the postings of each begin, (grams + 1,) uint32.
        places: The questions that hold it, (postings,) int32.
        counts: How often each of these holds it, (postings,) uint8.
        weights: Its weight there; each question has length 1, (postings,) float32.
        size: How many questions there are.
    """

    def __init__(
        self,
        grams: np.ndarray,
        frequency: np.ndarray,
        starts: np.ndarray,
        places: np.ndarray,
        counts: np.ndarray,
        size: int,
    ) -> None:
        """Take the arrays that `build` makes or `load` reads, and weigh them."""
        self.grams = grams
        self.frequency = frequency
        self.starts = starts
        self.places = places
        self.counts = counts
        self.size = size
        weights = _weight(counts, np.repeat(frequency, np.diff(starts)), size)
        lengths = np.sqrt(np.bincount(places, weights * weights, minlength=size))
        self.weights = (weights / lengths[places]).astype(np.float32)

    def __len__(self) -> int:
        """Return the number of questions."""
        return self.size

    @classmethod
    def build(cls, questions: Sequence[str]) -> QuestionIndex:
        """Index questions; their places in the list are their names from now on.

        Args:
            questions: The questions; the same one may stand there several times.
        """
        size = len(questions)
        chunks = list(_counted_in_chunks(questions))
        places, grams, counts = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
        del chunks
        known, numbers, frequency = np.unique(grams, return_inverse=True, return_counts=True)
        del grams
        is_used = ~_is_common(frequency, size)[numbers]
        has_rare = np.bincount(places[is_used], minlength=size) > 0
        is_used |= ~has_rare[places]
        order = np.flatnonzero(is_used)[np.argsort(numbers[is_used], kind="stable")]
        starts = np.zeros(len(known) + 1, dtype=np.uint32)
        np.cumsum(np.bincount(numbers[is_used], minlength=len(known)), out=starts[1:])
        frequency = frequency.astype(np.int32)
        return cls(known, frequency, starts, places[order], counts[order], size)

    def nearest(self, question: str, k: int = 1) -> list[tuple[int, float]]:
        """Find the most similar questions.

        Args:
            question: What is asked.
            k: How many to return at most.

        Returns:
            Places and cosines, the best first and equal ones by place; only those that share
            something.
        """
        scores = self.scores(question)
        # Among all of them, most of which are 0, partition would be slower by a factor of ten.
        found = np.flatnonzero(scores)
        if 0 < k < len(found):
            least = np.partition(scores[found], len(found) - k)[len(found) - k]
            found = found[scores[found] >= least]
        best = found[np.argsort(-scores[found], kind="stable")][: max(k, 0)]
        return [(int(place), min(float(scores[place]), 1.0)) for place in best]

    def scores(self, question: str) -> np.ndarray:
        """Return the cosine of what is asked with each question, (questions,) float32."""
        scores = np.zeros(self.size, dtype=np.float32)
        _, grams, counts = count_ngrams([normalize(question)])
        if not len(grams) or not len(self.grams):
            return scores
        numbers = np.searchsorted(self.grams, grams).clip(max=len(self.grams) - 1)
        is_known = self.grams[numbers] == grams
        frequency = np.where(is_known, self.frequency[numbers], 0)
        rare = ~_is_common(frequency, self.size)
        if not rare.any():
            rare[:] = True
        weights = _weight(counts, frequency, self.size)
        weights /= math.sqrt((weights[rare] ** 2).sum())
        for number, weight in zip(numbers[rare & is_known], weights[rare & is_known], strict=True):
            part = slice(self.starts[number], self.starts[number + 1])
            scores[self.places[part]] += self.weights[part] * np.float32(weight)
        return scores

    def carried(self, asked: str, remembered: str, reply: str) -> float:
        """Weigh what a reply takes from its own question and the question asked lacks.

        It is what makes a reply to a neighbour odd: another dish, another person. Measured by the
        square root of the sum of the squared weights of these n-grams, over 10.

        Args:
            asked: What is asked.
            remembered: The question that the reply answers.
            reply: The reply.
        """
        others, own, said = map(_ngrams, (asked, remembered, reply))
        if not (names := (said & own) - others) or not len(self.grams):
            return 0.0
        taken = np.array(sorted(map(_as_number, names)), dtype=np.uint64)
        numbers = np.searchsorted(self.grams, taken).clip(max=len(self.grams) - 1)
        weights = _weight(np.ones(len(taken)), self.frequency[numbers], self.size)
        return float(np.sqrt((weights**2).sum())) / 10

    def save(self, folder: str | os.PathLike) -> None:
        """Write the index into a folder, whole or not at all.

        Args:
            folder: The folder; made if it is missing.
        """
        path = Path(folder, INDEX_FILE)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        # That of the others is the number of their postings.
        common = np.flatnonzero(self.frequency != np.diff(self.starts))
        arrays |= {"common": common, "common_frequency": self.frequency[common]}
        # Not by `save_file`, whose files nobody but their owner may read.
        write_whole(path, save(arrays | {"size": np.array([self.size])}))

    @classmethod
    def load(cls, folder: str | os.PathLike) -> QuestionIndex:
        """Read an index that `save` wrote.

        Args:
            folder: The folder.

        Raises:
            UserError: Arrays are missing from the file.
        """
        path = Path(folder, INDEX_FILE)
        arrays = load_file(path)
        needed = (*_ARRAYS, "common", "common_frequency", "size")
        if missing := [name for name in needed if name not in arrays]:
            raise UserError(
                "{path} holds no `{missing}`: it is no index. Build it anew.",
                path=path,
                missing=missing[0],
            )
        grams, starts, places, counts = (arrays[name] for name in _ARRAYS)
        frequency = np.diff(starts).astype(np.int32)
        frequency[arrays["common"]] = arrays["common_frequency"]
        return cls(grams, frequency, starts, places, counts, int(arrays["size"][0]))


def normalize(question: str) -> str:
    """Level width, case, punctuation and repetition, and put a blank at both ends of each word.

    The blanks tell "art" from the middle of "party"; Chinese has none. What holds neither
    letters nor digits keeps its signs.

    Args:
        question: Any text.

    Returns:
        The normalized text, empty only where nothing is asked.
    """
    text = _APOSTROPHE.sub("", unicodedata.normalize("NFKC", question).casefold())
    pieces = (unspaced or f" {word} " for unspaced, word in _PIECE.findall(text))
    text = "".join(pieces).replace("  ", " ")
    return _REPEATED.sub(r"\1\1", text) or normalize_question(question)


def encode_ngrams(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the n-grams of one to three characters of many texts, each as one number.

    Args:
        texts: What `normalize` returned.

    Returns:
        The place of the text that each n-gram is of, (grams,), and the n-gram, (grams,)
        uint64. A blank alone is none.
    """
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    owners = np.repeat(np.arange(len(texts), dtype=np.int32), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(codes))
    ngrams = np.zeros(len(codes), dtype=np.uint64)
    places, grams = [], []
    for size in range(1, _LONGEST_NGRAM + 1):
        shift = np.uint64(_CHARACTER_BITS * (size - 1))
        ngrams[: len(codes) - size + 1] |= codes[size - 1 :] << shift
        whole = left >= size if size > 1 else codes != ord(" ")
        places.append(owners[whole])
        grams.append(ngrams[whole])
    return np.concatenate(places), np.concatenate(grams)


@functools.lru_cache(maxsize=8)  # one question is compared with fifty
def _ngrams(text: str) -> set[str]:
    """Collect what `encode_ngrams` encodes: of one short text that is several times as fast."""
    text, sizes = normalize(text), range(1, _LONGEST_NGRAM + 1)
    return {text[i : i + size] for size in sizes for i in range(len(text) - size + 1)} - {" "}


def _as_number(ngram: str) -> int:
    return sum(ord(one) << _CHARACTER_BITS * place for place, one in enumerate(ngram))


def count_ngrams(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the n-grams of many texts.

    Args:
        texts: What `normalize` returned.

    Returns:
        Three arrays (distinct n-grams of all texts,): the place of the text, the n-gram, and how
        often it stands there; in the order of the texts.
    """
    places, grams = encode_ngrams(texts)
    order = np.lexsort((grams, places))
    places, grams = places[order], grams[order]
    new = np.ones(len(places), dtype=bool)
    new[1:] = (places[1:] != places[:-1]) | (grams[1:] != grams[:-1])
    starts = np.flatnonzero(new)
    counts = np.diff(np.append(starts, len(places)))
    return places[starts], grams[starts], counts


def _counted_in_chunks(
    questions: Sequence[str],
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield places, n-grams and counts, some questions at a time: sorting all takes much memory."""
    for first in range(0, max(len(questions), 1), _QUESTIONS_AT_ONCE):
        part = questions[first : first + _QUESTIONS_AT_ONCE]
        places, grams, counts = count_ngrams([normalize(question) for question in part])
        yield places + np.int32(first), grams, counts.clip(max=255).astype(np.uint8)


def _is_common(frequency: np.ndarray, size: int) -> np.ndarray:
    return frequency > max(COMMON_SHARE * size, _COMMON_AT_LEAST)


def _weight(counts: np.ndarray, frequency: np.ndarray, size: int) -> np.ndarray:
    return (1 + np.log(counts, dtype=np.float64)) * (1 + np.log((size + 1) / (frequency + 1)))
