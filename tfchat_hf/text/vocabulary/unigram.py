# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The scheme ``subword-unigram``: pieces of words, chosen by likelihood (Kudo 2018).

Training starts with many candidates and drops, round by round, those whose loss costs least, until
the vocabulary has its size. The trainer of `tokenizers` gives other pieces at each run (measured:
three runs on one text, three vocabularies), and a tokenizer must be the same for the same corpus;
this one is arithmetic on arrays, in an order that is fixed.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from .byte_pairs import CHARACTER_SHARE, known_parts
from .pieces import (
    LEARNED_WORDS,
    SMALLEST_VOCABULARY,
    count_characters,
    covering_characters,
    most_frequent,
    ranked,
    unigram_tokenizer,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LONGEST_PIECE = 16
_CANDIDATES_PER_TOKEN = 4
_KEPT_EACH_ROUND = 0.75
# What an unused character counts as, so that its score is finite.
_LEAST_COUNT = 0.1


def train_unigram(words: Counter[str], vocab_size: int) -> Tokenizer:
    """Make the scheme ``subword-unigram``.

    Args:
        words: the words of the corpus with their counts.
        vocab_size: the most tokens to have.
    """
    free = vocab_size - SMALLEST_VOCABULARY
    characters = covering_characters(count_characters(words), int(CHARACTER_SHARE * free))
    alphabet = [*map(chr, range(128)), *characters]
    parts = _parts(words, set(alphabet))
    candidates = _candidates(parts, _CANDIDATES_PER_TOKEN * free)
    pieces, scores = _prune(parts, alphabet, candidates, len(alphabet) + free - len(characters))
    return unigram_tokenizer(
        [piece for piece in pieces if len(piece) > 1 or ord(piece) >= 128],
        dict(zip(pieces, scores.tolist(), strict=True)),
    )


def fit_scores(words: Counter[str], pieces: list[str], rounds: int = 4) -> dict[str, float]:
    """Fit log probabilities of pieces to words by expectation-maximisation.

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
    """Count the parts of words between unknown characters, the most frequent first."""
    parts: Counter[str] = Counter()
    for word, count in words.items():
        for part in known_parts(word, known):
            if part:
                parts[part] += count
    return most_frequent(parts, LEARNED_WORDS)


def _candidates(parts: dict[str, int], most: int) -> list[str]:
    """Collect the substrings that cover most characters of the corpus."""
    counts: Counter[str] = Counter()
    for part, count in parts.items():
        length = len(part)
        for begin in range(length - 1):
            for end in range(begin + 2, min(length, begin + LONGEST_PIECE) + 1):
                counts[part[begin:end]] += count
    covered = {piece: n * len(piece) for piece, n in counts.items() if n > 1}
    return ranked(covered)[:most]


def _prune(
    parts: dict[str, int], alphabet: list[str], candidates: list[str], target: int
) -> tuple[list[str], Floats]:
    """Drop pieces until `target` are left; return them and their log probabilities.

    Args:
        parts: the words.
        alphabet: single characters, never dropped.
        candidates: pieces to choose from.
        target: how many pieces to keep, the alphabet among them.
    """
    pieces = [*alphabet, *candidates]
    weights = np.fromiter(parts.values(), np.float64, len(parts))
    lattices = Lattices(list(parts), {piece: n for n, piece in enumerate(pieces)})
    alternatives = Lattices(pieces, {piece: n for n, piece in enumerate(pieces)}, whole=False)
    single = np.arange(len(pieces)) < len(alphabet)
    is_kept = np.ones(len(pieces), bool)
    scores = np.full(len(pieces), -np.log(len(pieces)))
    while True:
        for _ in range(2):
            counts = lattices.expected_counts(scores, weights)
            scores = np.where(is_kept, _log_shares(counts), -np.inf)
        if is_kept.sum() <= target:
            return [p for p, k in zip(pieces, is_kept, strict=True) if k], scores[is_kept]
        losses = np.where(single, np.inf, -np.inf)
        droppable = is_kept & ~single
        gap = scores[droppable] - alternatives.best_scores(scores)[droppable]
        losses[droppable] = counts[droppable] * gap
        size = max(target, int(_KEPT_EACH_ROUND * is_kept.sum()))
        # Stable: of equal losses the earlier candidate, which covers more text, stays.
        is_kept = np.zeros(len(pieces), bool)
        is_kept[np.argsort(-losses, kind="stable")[:size]] = True
        lattices.keep(is_kept)
        alternatives.keep(is_kept)


def _log_shares(counts: Floats) -> Floats:
    """Turn counts into log probabilities (the M of EM)."""
    counts = np.maximum(counts, _LEAST_COUNT)
    return np.log(counts) - np.log(counts.sum())


@dataclass
class _Column:
    """The edges that end (or begin) at one distance from the beginning of their words.

    Attributes:
        edges: their numbers, sorted by node.
        firsts: where in `edges` each node's run begins.
        nodes: the nodes, one a run.
    """

    edges: Integers
    firsts: Integers
    nodes: Integers


class Lattices:
    """The lattices of many words: an edge for each place where a piece fits.

    Nodes are the places between characters, those of all words numbered through; a word of n
    characters has n + 1.
    """

    def __init__(self, words: Sequence[str], pieces: dict[str, int], whole: bool = True) -> None:
        """Find all edges.

        Args:
            words: what to cut.
            pieces: the number of each piece.
            whole: whether a piece may be the whole word.
        """
        lengths = np.fromiter((len(word) for word in words), np.int64, len(words))
        self.starts: Integers = np.cumsum(lengths + 1) - lengths - 1
        self.ends: Integers = self.starts + lengths
        # Flat, for tuples of Python numbers took a gigabyte for 200,000 words.
        found = array("q")
        for word, base in zip(words, self.starts.tolist(), strict=True):
            for edge in _edges_of(word, base, pieces, whole):
                found.extend(edge)
        edges = np.frombuffer(found, np.int64).reshape(-1, 3)
        self._set_edges(*np.ascontiguousarray(edges.T))

    def _set_edges(self, begin: Integers, end: Integers, piece: Integers) -> None:
        """Sort the edges into the columns in which paths are summed up."""
        self.begin, self.end, self.piece = begin, end, piece
        nodes = int(self.ends[-1]) + 1 if len(self.ends) else 0
        depth = np.arange(nodes) - np.repeat(self.starts, self.ends - self.starts + 1)
        self._node_count = nodes
        self._by_end = _columns(depth, end)
        self._by_begin = _columns(depth, begin)[::-1]

    def keep(self, is_kept: NDArray[np.bool_]) -> None:
        """Keep the edges of some pieces.

        Args:
            is_kept: for each piece, whether it stays.
        """
        chosen = is_kept[self.piece]
        self._set_edges(self.begin[chosen], self.end[chosen], self.piece[chosen])

    def expected_counts(self, scores: Floats, weights: Floats) -> Floats:
        """Count each piece over all cuts, each weighed by its probability (the E of EM).

        Args:
            scores: log probabilities of the pieces.
            weights: how often each word occurs.
        """
        edge_scores = scores[self.piece]
        alpha = self._sums(self._by_end, self.starts, self.begin, edge_scores, np.logaddexp)
        beta = self._sums(self._by_begin, self.ends, self.end, edge_scores, np.logaddexp)
        of_word = np.repeat(np.arange(len(self.starts)), self.ends - self.starts + 1)
        word = of_word[self.begin]
        path = alpha[self.begin] + edge_scores + beta[self.end] - alpha[self.ends][word]
        shares = np.exp(path) * weights[word]
        return np.bincount(self.piece, shares, len(scores)).astype(np.float64, copy=False)

    def best_scores(self, scores: Floats) -> Floats:
        """Return the score of each word's best cut; minus infinity where there is none.

        Args:
            scores: log probabilities of the pieces.
        """
        edge_scores = scores[self.piece]
        best = self._sums(self._by_end, self.starts, self.begin, edge_scores, np.maximum)
        return best[self.ends]

    def _sums(
        self,
        columns: list[_Column],
        origins: Integers,
        behind: Integers,
        edge_scores: Floats,
        add: np.ufunc,
    ) -> Floats:
        """Sum (or maximises) over all paths from the origins to each node."""
        values = np.full(self._node_count, -np.inf)
        values[origins] = 0.0
        for column in columns:
            along = values[behind[column.edges]] + edge_scores[column.edges]
            values[column.nodes] = add.reduceat(along, column.firsts)
        return values


def _edges_of(
    word: str, base: int, pieces: dict[str, int], whole: bool
) -> list[tuple[int, int, int]]:
    """List the places of a word where a piece fits."""
    length = len(word)
    longest = LONGEST_PIECE if whole else min(LONGEST_PIECE, length - 1)
    found = []
    for begin in range(length):
        for end in range(begin + 1, min(length, begin + longest) + 1):
            number = pieces.get(word[begin:end])
            if number is not None:
                found.append((base + begin, base + end, number))
    return found


def _columns(depth: Integers, node: Integers) -> list[_Column]:
    """Group edges by the depth of one of their nodes, and then by the node."""
    order = np.lexsort((node, depth[node])) if len(node) else np.array([], np.int64)
    bounds = np.flatnonzero(np.diff(depth[node[order]])) + 1
    columns = []
    for edges in np.split(order, bounds) if len(order) else []:
        nodes, firsts = np.unique(node[edges], return_index=True)
        columns.append(_Column(edges, firsts, nodes))
    return columns
