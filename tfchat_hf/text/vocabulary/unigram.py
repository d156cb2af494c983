# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The scheme ``subword-unigram``: pieces of words, chosen by likelihood (Kudo 2018).

One starts with many pieces and drops, round by round, those whose loss costs least, until the
vocabulary has its size.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from tokenizers import Tokenizer

from .byte_pairs import CHARACTER_SHARE, known_parts
from .likelihood import LONGEST_PIECE, Floats, Lattices
from .pieces import SMALLEST_VOCABULARY, covering_characters, unigram_tokenizer
from .word_counts import LEARNED_WORDS, count_characters, most_frequent, ranked

_SEEDS_PER_TOKEN = 4
_KEPT_EACH_ROUND = 0.75
# What an unused character counts as, so that its score is finite.
_LEAST_COUNT = 0.1


def train_unigram(words: Counter[str], vocab_size: int) -> Tokenizer:
    """Makes the scheme ``subword-unigram``.

    Args:
        words: the words of the corpus with their counts.
        vocab_size: the most tokens to have.
    """
    free = vocab_size - SMALLEST_VOCABULARY
    characters = covering_characters(count_characters(words), int(CHARACTER_SHARE * free))
    alphabet = [*map(chr, range(128)), *characters]
    parts = _parts(words, set(alphabet))
    seeds = _seeds(parts, _SEEDS_PER_TOKEN * free)
    pieces, scores = _prune(parts, alphabet, seeds, len(alphabet) + free - len(characters))
    return unigram_tokenizer(
        [piece for piece in pieces if len(piece) > 1 or ord(piece) >= 128],
        dict(zip(pieces, scores.tolist(), strict=True)),
    )


def fit_scores(words: Counter[str], pieces: list[str], rounds: int = 4) -> dict[str, float]:
    """Fits log probabilities of pieces to words by expectation-maximisation.

    Args:
        words: words with their counts; characters without a piece split them.
        pieces: every character needed must be among them.
        rounds: steps of the algorithm.
    """
    parts = _parts(words, {piece for piece in pieces if len(piece) == 1})
    scores = np.full(len(pieces), -np.log(max(1, len(pieces))))
    if parts:
        weights = np.fromiter(parts.values(), np.float64, len(parts))
        numbers = {piece: number for number, piece in enumerate(pieces)}
        lattices = Lattices(list(parts), numbers)
        for _ in range(rounds):
            scores = _log_shares(lattices.expected_counts(scores, weights))
    return dict(zip(pieces, scores.tolist(), strict=True))


def _parts(words: Counter[str], known: set[str]) -> Counter[str]:
    """Counts the parts of words between unknown characters, the most frequent first."""
    parts: Counter[str] = Counter()
    for word, count in words.items():
        for part in known_parts(word, known):
            if part:
                parts[part] += count
    return most_frequent(parts, LEARNED_WORDS)


def _seeds(parts: dict[str, int], most: int) -> list[str]:
    """Collects the substrings that cover most characters of the corpus."""
    counts: Counter[str] = Counter()
    for part, count in parts.items():
        length = len(part)
        for begin in range(length - 1):
            for end in range(begin + 2, min(length, begin + LONGEST_PIECE) + 1):
                counts[part[begin:end]] += count
    covered = {piece: n * len(piece) for piece, n in counts.items() if n > 1}
    return ranked(covered)[:most]


def _prune(
    parts: dict[str, int], alphabet: list[str], seeds: list[str], target: int
) -> tuple[list[str], Floats]:
    """Drops pieces until `target` are left; gives them and their log probabilities.

    Args:
        parts: the words.
        alphabet: single characters, never dropped.
        seeds: pieces to choose from.
        target: how many pieces to keep, the alphabet among them.
    """
    pieces = [*alphabet, *seeds]
    weights = np.fromiter(parts.values(), np.float64, len(parts))
    lattices = Lattices(list(parts), {piece: n for n, piece in enumerate(pieces)})
    alternatives = Lattices(pieces, {piece: n for n, piece in enumerate(pieces)}, whole=False)
    single = np.arange(len(pieces)) < len(alphabet)
    kept = np.ones(len(pieces), bool)
    scores = np.full(len(pieces), -np.log(len(pieces)))
    while True:
        for _ in range(2):
            counts = lattices.expected_counts(scores, weights)
            scores = np.where(kept, _log_shares(counts), -np.inf)
        if kept.sum() <= target:
            return [p for p, k in zip(pieces, kept, strict=True) if k], scores[kept]
        losses = np.where(single, np.inf, -np.inf)
        droppable = kept & ~single
        gap = scores[droppable] - alternatives.best_scores(scores)[droppable]
        losses[droppable] = counts[droppable] * gap
        size = max(target, int(_KEPT_EACH_ROUND * kept.sum()))
        # Stable: of equal losses the earlier seed, which covers more text, stays.
        kept = np.zeros(len(pieces), bool)
        kept[np.argsort(-losses, kind="stable")[:size]] = True
        lattices.keep(kept)
        alternatives.keep(kept)


def _log_shares(counts: Floats) -> Floats:
    """Turns counts into log probabilities (the M of EM)."""
    counts = np.maximum(counts, _LEAST_COUNT)
    return np.log(counts) - np.log(counts.sum())
