# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How alike two questions are in what they ask, where they share few letters.

The vector of a question is the sum of those of its parts: its runs of one to three characters and,
of spaced languages, its words and pairs of words (a bag of features; StarSpace, Wu et al., 2018).
They were learned from the small talk, which has several wordings of one intent: a wording has to
find another one of its intent among those of 383 others (in-batch negatives; Henderson et al.,
2017). What is learned there is of use in other corpora of everyday talk too.
"""

from __future__ import annotations

import functools
import os
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save

from data_builders.writing import write_whole

from . import WORDINGS_FILE
from .index import count_ngrams, normalize

LANGUAGES = ("zh", "en")
DIM = 128
# A part that one question alone has teaches nothing about others.
_FEWEST_QUESTIONS = 2
# Numbers of words: those of runs of three characters have 63 bits.
_OF_WORDS = 1 << 63
_STEPS, _BATCH, _LEARNING_RATE, _SCALE, _DROPOUT = 800, 384, 5e-3, 15.0, 0.2


class WordingEncoder:
    """Questions as vectors, near to one another where they ask the same.

    Attributes:
        parts: The known parts, each as one number, sorted, (parts,) uint64.
        vectors: Their vectors, (parts, dim) float32.
    """

    def __init__(self, parts: np.ndarray, vectors: np.ndarray) -> None:
        """Take the arrays."""
        self.parts = parts
        self.vectors = vectors

    def encode(self, questions: Sequence[str]) -> np.ndarray:
        """Return the vectors of questions.

        Args:
            questions: Any texts.

        Returns:
            (questions, dim) float32, of length 1; of length 0 where no part is known.
        """
        places, parts = _parts_of(questions)
        numbers = np.searchsorted(self.parts, parts).clip(max=len(self.parts) - 1)
        is_known = self.parts[numbers] == parts
        places, numbers = places[is_known], numbers[is_known]
        vectors = np.zeros((len(questions), self.vectors.shape[1]), dtype=np.float32)
        if len(places):
            starts = np.flatnonzero(np.diff(places, prepend=-1))
            vectors[places[starts]] = np.add.reduceat(self.vectors[numbers], starts)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-9)

    def similarities(self, asked: str, remembered: Sequence[str]) -> list[float | None]:
        """Return the cosine of a question with others; None where nothing of one is known."""
        vectors = self.encode([asked, *remembered])
        cosines = vectors[1:] @ vectors[0]
        lengths = np.linalg.norm(vectors, axis=1)
        return [
            float(cosine) if length and lengths[0] else None
            for cosine, length in zip(cosines, lengths[1:], strict=True)
        ]

    def save(self, path: str | os.PathLike) -> None:
        """Write the vectors with 8 bits a number and a scale for each."""
        scales = (np.abs(self.vectors).max(axis=1, keepdims=True) / 127).clip(min=1e-9)
        rounded = np.rint(self.vectors / scales).astype(np.int8)
        arrays = {"parts": self.parts, "vectors": rounded, "scales": scales.astype(np.float32)}
        write_whole(Path(path), save(arrays))

    @classmethod
    def load(cls, path: str | os.PathLike) -> WordingEncoder:
        """Read what `save` wrote."""
        arrays = load_file(path)
        return cls(arrays["parts"], arrays["vectors"] * arrays["scales"])


@functools.cache
def wording_encoder() -> WordingEncoder:
    """Return the encoder that comes with this package."""
    return WordingEncoder.load(WORDINGS_FILE)


def wordings_of_small_talk(language: str) -> list[list[str]]:
    """Return the questions of each intent of the training side that is asked in several ways."""
    from data_builders.formats.small_talk import small_talk_rows  # nobody else here needs it

    intents: dict[tuple[str, str], set[str]] = {}
    for row in small_talk_rows(language, "train"):
        if "question" in row:
            intents.setdefault((row["topic"], row["intent"]), set()).add(row["question"])
    return [sorted(wordings) for wordings in intents.values() if len(wordings) > 1]


def train_wordings(
    groups: Sequence[Sequence[Sequence[str]]], steps: int = _STEPS, seed: int = 0
) -> WordingEncoder:
    """Learn which wordings ask the same.

    Args:
        groups: Of each language the intents, each as its wordings, two or more.
        steps: Updates, each of up to 384 intents of one language.
        seed: Of the first vectors and of all that is drawn.
    """
    import torch

    texts = [wording for language in groups for wordings in language for wording in wordings]
    places, parts = _parts_of(texts)
    known, numbers, frequency = np.unique(parts, return_inverse=True, return_counts=True)
    is_kept = frequency >= _FEWEST_QUESTIONS
    new, kept = np.cumsum(is_kept) - 1, is_kept[numbers]
    ends = np.searchsorted(places[kept], np.arange(1, len(texts)))
    bags = np.split(new[numbers[kept]], ends)
    draw = np.random.default_rng(seed)
    first = draw.normal(scale=0.1, size=(int(is_kept.sum()), DIM)).astype(np.float32)
    embeddings = torch.nn.EmbeddingBag.from_pretrained(
        torch.from_numpy(first), freeze=False, mode="sum", sparse=True
    )
    optimizer = torch.optim.SparseAdam(embeddings.parameters(), lr=_LEARNING_RATE)

    def encode(chosen: Sequence[int]) -> torch.Tensor:
        rows = [bags[place][draw.random(len(bags[place])) > _DROPOUT] for place in chosen]
        starts = np.cumsum([0, *map(len, rows[:-1])])
        summed = embeddings(torch.from_numpy(np.concatenate(rows)), torch.from_numpy(starts))
        return torch.nn.functional.normalize(summed, dim=-1)

    languages = list(_places(groups))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = _LEARNING_RATE * (1 - step / steps)
        intents = languages[draw.integers(len(languages))]
        batch = draw.permutation(len(intents))[:_BATCH]
        pairs = [draw.choice(intents[intent], 2, replace=False) for intent in batch]
        one, other = (encode([pair[side] for pair in pairs]) for side in (0, 1))
        loss = torch.nn.functional.cross_entropy(_SCALE * one @ other.T, torch.arange(len(batch)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return WordingEncoder(known[is_kept], embeddings.weight.detach().numpy())


def _places(groups: Sequence[Sequence[Sequence[str]]]) -> Iterator[list[list[int]]]:
    """Yield of each language the places of each intent's wordings among all texts."""
    first = 0
    for language in groups:
        found = []
        for wordings in language:
            found.append(list(range(first, first + len(wordings))))
            first += len(wordings)
        yield found


def _parts_of(questions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct parts of many questions, each as one number.

    Returns:
        The place of the question that each is of, (parts,), in their order, and the part, (parts,)
        uint64.
    """
    texts = [normalize(question) for question in questions]
    places, grams, _ = count_ngrams(texts)
    words = [(place, number) for place, text in enumerate(texts) for number in _words_of(text)]
    of_words = np.array([place for place, _ in words], dtype=places.dtype)
    numbers = np.array([number for _, number in words], dtype=np.uint64)
    places = np.concatenate([places, of_words])
    order = np.argsort(places, kind="stable")
    return places[order], np.concatenate([grams, numbers])[order]


def _words_of(text: str) -> set[int]:
    """Return the numbers of the words and of the pairs of words of a spaced language."""
    words = [word for word in text.split() if word.isascii()]
    pairs = (" ".join(pair) for pair in pairwise(words))
    return {_OF_WORDS | zlib.crc32(word.encode()) for word in (*words, *pairs)}
