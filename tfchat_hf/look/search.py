# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The searches of a tokenizer, done again where one can look: the Unigram lattice and BPE merges.

The nodes of a lattice are the places between characters, an edge is a piece. The tokenizer takes
the path of the highest sum of scores (Viterbi); here the paths that lost are found as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import ne
from typing import NamedTuple


class Edge(NamedTuple):
    """A piece between two nodes of a lattice, or a character that is no piece."""

    begin: int
    end: int
    score: float
    is_piece: bool = True


Path = tuple[Edge, ...]
Allowed = Callable[[Edge], bool]


def score_of(path: Path) -> float:
    """Return the sum of the scores of a path."""
    return sum(edge.score for edge in path)


class Lattice:
    """All edges over one text.

    Args:
        text: What to cut, without special tokens.
        scores: The pieces with their log probabilities.
        unknown_score: Of a character that is no piece.
    """

    def __init__(self, text: str, scores: Mapping[str, float], unknown_score: float) -> None:
        """Find the edges."""
        self.length = len(text)
        longest = max(map(len, scores), default=1)
        # By the node where they end, the longest first: of equal paths the tokenizer keeps the
        # one whose last piece is longest.
        self._ending_at: list[list[Edge]] = [[] for _ in range(self.length + 1)]
        for begin in range(self.length):
            if text[begin] not in scores:
                self._ending_at[begin + 1].append(Edge(begin, begin + 1, unknown_score, False))
            for end in range(begin + 1, min(self.length, begin + longest) + 1):
                if (score := scores.get(text[begin:end])) is not None:
                    self._ending_at[end].append(Edge(begin, end, score))

    def best_path(self) -> Path:
        """Return the path that the tokenizer takes."""
        return self.best_paths(0, self.length, 1, lambda edge: True)[0]

    def best_paths(self, begin: int, end: int, count: int, allowed: Allowed) -> list[Path]:
        """Return the best paths between two nodes, the best first; fewer if there are fewer.

        Args:
            begin: The first node.
            end: The last node.
            count: How many paths to find.
            allowed: Tells which edges a path may use.
        """
        best: dict[int, list[tuple[float, Path]]] = {begin: [(0.0, ())]}
        for node in range(begin + 1, end + 1):
            found = [
                (score + edge.score, path, edge)
                for edge in self._ending_at[node]
                if allowed(edge)
                for score, path in best.get(edge.begin, ())
            ]
            found.sort(key=lambda candidate: -candidate[0])
            best[node] = [(score, (*path, edge)) for score, path, edge in found[:count]]
        return [path for _, path in best[end]]

    def decisions(self, count: int) -> list[tuple[Path, list[Path]]]:
        """Return where the best path won: its part there, and the best other paths.

        Two questions are put to each of its decisions: what would be cut if this piece did not
        exist, and what if there were no cut here? An answer differs around that place only.

        Args:
            count: The most other paths for one place.
        """
        rivals: dict[Path, set[Path]] = {}
        for stretch in self._stretches(self.best_path()):
            for allowed in _questions(stretch):
                begin, end = stretch[0].begin, stretch[-1].end
                for answer in self.best_paths(begin, end, count, allowed):
                    chosen, rival = _without_common_ends(stretch, answer)
                    rivals.setdefault(chosen, set()).add(rival)
        places = sorted(rivals, key=lambda chosen: (chosen[0].begin, chosen[-1].end))
        return [(chosen, sorted(rivals[chosen], key=_rank)[:count]) for chosen in places]

    def _stretches(self, path: Path) -> Iterator[Path]:
        """Split a path at the nodes that no edge crosses: each part can be judged alone."""
        crossed = {
            node
            for edges in self._ending_at
            for edge in edges
            for node in range(edge.begin + 1, edge.end)
        }
        stretch: list[Edge] = []
        for edge in path:
            stretch.append(edge)
            if edge.end not in crossed:
                yield tuple(stretch)
                stretch = []


def _questions(path: Path) -> Iterator[Allowed]:
    """Yield for each decision of a path the edges that are left when it is forbidden."""
    for taken in path:
        if taken.end - taken.begin > 1:
            yield partial(ne, taken)
    for taken in path[:-1]:
        yield partial(_keeps_whole, taken.end)


def _keeps_whole(cut: int, edge: Edge) -> bool:
    return cut not in (edge.begin, edge.end)


def _without_common_ends(one: Path, other: Path) -> tuple[Path, Path]:
    """Shorten two different paths to the part where they differ."""
    begin = end = 0
    while one[begin] == other[begin]:
        begin += 1
    while one[-1 - end] == other[-1 - end]:
        end += 1
    return one[begin : len(one) - end], other[begin : len(other) - end]


def _rank(path: Path) -> tuple[float, list[int]]:
    """Sort by falling score, equal paths by their cuts."""
    return -score_of(path), [edge.end for edge in path]


class Symbol(NamedTuple):
    """A piece of the text on its way to a token."""

    piece: str
    begin: int
    end: int


@dataclass(frozen=True)
class Merge:
    """Two neighbours that became one; the lower the rank, the earlier it was learned."""

    rank: int
    left: str
    right: str
    begin: int


def apply_merges(
    symbols: list[Symbol], ranks: Mapping[tuple[str, str], int]
) -> tuple[list[Symbol], list[Merge]]:
    """Join neighbours until no merge fits: the lowest rank first, then the leftmost place.

    Args:
        symbols: The characters, or the bytes of one that has no token.
        ranks: The merges.

    Returns:
        The tokens, and the merges in the order they were applied.
    """
    symbols = list(symbols)
    applied: list[Merge] = []
    while True:
        pairs = [(a.piece, b.piece) for a, b in zip(symbols, symbols[1:], strict=False)]
        fitting = [(ranks[pair], place) for place, pair in enumerate(pairs) if pair in ranks]
        if not fitting:
            return symbols, applied
        rank, place = min(fitting)
        left, right = symbols[place : place + 2]
        applied.append(Merge(rank, left.piece, right.piece, left.begin))
        symbols[place : place + 2] = [Symbol(left.piece + right.piece, left.begin, right.end)]
