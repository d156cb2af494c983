# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""All ways of cutting words into pieces at once: expected counts, best paths (Kudo 2018).

The trainer of `tokenizers` gives other pieces at each run (measured: three runs on one text,
three vocabularies), and a tokenizer must be the same for the same corpus. This one is arithmetic
on arrays, in an order that is fixed.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LONGEST_PIECE = 16


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
        """Finds all edges.

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
        """Sorts the edges into the columns in which paths are summed up."""
        self.begin, self.end, self.piece = begin, end, piece
        nodes = int(self.ends[-1]) + 1 if len(self.ends) else 0
        depth = np.arange(nodes) - np.repeat(self.starts, self.ends - self.starts + 1)
        self._node_count = nodes
        self._by_end = _columns(depth, end)
        self._by_begin = _columns(depth, begin)[::-1]

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Drops the edges of pieces that are no longer wanted.

        Args:
            kept: for each piece, whether it stays.
        """
        chosen = kept[self.piece]
        self._set_edges(self.begin[chosen], self.end[chosen], self.piece[chosen])

    def expected_counts(self, scores: Floats, weights: Floats) -> Floats:
        """Counts each piece over all cuts, each weighed by its probability (the E of EM).

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
        return np.bincount(self.piece, shares, len(scores))

    def best_scores(self, scores: Floats) -> Floats:
        """Gives the score of each word's best cut; minus infinity where there is none.

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
        """Sums (or maximises) over all paths from the origins to each node."""
        values = np.full(self._node_count, -np.inf)
        values[origins] = 0.0
        for column in columns:
            along = values[behind[column.edges]] + edge_scores[column.edges]
            values[column.nodes] = add.reduceat(along, column.firsts)
        return values


def _edges_of(
    word: str, base: int, pieces: dict[str, int], whole: bool
) -> list[tuple[int, int, int]]:
    """Lists the places of a word where a piece fits."""
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
    """Groups edges by the depth of one of their nodes, and then by the node."""
    order = np.lexsort((node, depth[node])) if len(node) else np.array([], np.int64)
    bounds = np.flatnonzero(np.diff(depth[node[order]])) + 1
    columns = []
    for edges in np.split(order, bounds) if len(order) else []:
        nodes, firsts = np.unique(node[edges], return_index=True)
        columns.append(_Column(edges, firsts, nodes))
    return columns
