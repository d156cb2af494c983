# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The lattice of a Unigram tokenizer: every place where a piece fits, and paths through it.

Nodes are the places between characters, an edge is a piece. The tokenizer takes the path of the
highest sum of scores (Viterbi); here the paths that lost are found as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

# What the tokenizers library adds to the lowest score for a character without a piece.
UNKNOWN_PENALTY = -10.0


@dataclass(frozen=True)
class Edge:
    """A piece at its place in a text, or a character that has no piece.

    Attributes:
        begin: the node where it begins.
        end: the node where it ends.
        score: its log probability, or the penalty of an unknown character.
        known: whether it is a piece.
    """

    begin: int
    end: int
    score: float
    known: bool = True


Path = tuple[Edge, ...]
Allowed = Callable[[Edge], bool]


@dataclass(frozen=True)
class Choice:
    """One place where the text could have been cut in another way.

    Attributes:
        chosen: the edges taken, from one cut to another.
        rivals: the best other paths between these cuts, the best first.
    """

    chosen: Path
    rivals: list[Path]


def score_of(path: Path) -> float:
    """Sum up the scores of a path.

    Args:
        path: any edges.
    """
    return sum(edge.score for edge in path)


class Lattice:
    """All edges over one text."""

    def __init__(self, text: str, scores: Mapping[str, float], unknown_score: float) -> None:
        """Find the edges.

        Args:
            text: what to cut, without special tokens.
            scores: the pieces with their log probabilities.
            unknown_score: of a character that is no piece.
        """
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
        for edges in self._ending_at:
            edges.sort(key=lambda edge: edge.begin)

    def best_path(self) -> Path:
        """Find the path that the tokenizer takes."""
        return self.best_paths(0, self.length, 1, lambda edge: True)[0]

    def best_paths(self, begin: int, end: int, count: int, allowed: Allowed) -> list[Path]:
        """Find the best paths between two nodes, the best first; fewer if there are fewer.

        Args:
            begin: the first node.
            end: the last node.
            count: how many paths to find.
            allowed: says which edges a path may use.
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

    def choices(self, count: int) -> list[Choice]:
        """List where and against what the best path won.

        Two questions are put to each of its decisions: what would be cut if this piece did not
        exist, and what if there were no cut here? An answer differs around that place only.

        Args:
            count: the most rivals to give for one place.
        """
        rivals: dict[Path, set[Path]] = {}
        for stretch in self._stretches(self.best_path()):
            for allowed in _questions(stretch):
                begin, end = stretch[0].begin, stretch[-1].end
                for answer in self.best_paths(begin, end, count, allowed):
                    chosen, rival = _without_common_ends(stretch, answer)
                    rivals.setdefault(chosen, set()).add(rival)
        places = sorted(rivals, key=lambda chosen: (chosen[0].begin, chosen[-1].end))
        return [Choice(chosen, _best(rivals[chosen], count)) for chosen in places]

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
    """Return for each decision of a path the edges that are left when it is forbidden."""
    for taken in path:
        if taken.end - taken.begin > 1:
            yield lambda edge, taken=taken: edge != taken
    for taken in path[:-1]:
        yield lambda edge, cut=taken.end: cut not in (edge.begin, edge.end)


def _without_common_ends(one: Path, other: Path) -> tuple[Path, Path]:
    """Shorten two different paths to the part where they differ."""
    begin = 0
    while one[begin] == other[begin]:
        begin += 1
    end = 0
    while one[-1 - end] == other[-1 - end]:
        end += 1
    return one[begin : len(one) - end], other[begin : len(other) - end]


def _best(paths: Sequence[Path] | set[Path], count: int) -> list[Path]:
    """Sort paths by falling score, equal ones by their cuts."""
    return sorted(paths, key=lambda path: (-score_of(path), [e.end for e in path]))[:count]
