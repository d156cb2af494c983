# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The merges of a BPE tokenizer, applied one by one as the tokenizer does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Symbol:
    """A piece of the text on its way to a token."""

    piece: str
    begin: int
    end: int


@dataclass(frozen=True)
class AppliedMerge:
    """Two neighbours that became one.

    Attributes:
        rank: the merge's number; the lower, the earlier it was learned.
        left: the first neighbour.
        right: the second.
        begin: where the result begins in the text.
    """

    rank: int
    left: str
    right: str
    begin: int


def apply_merges(
    symbols: list[Symbol], ranks: Mapping[tuple[str, str], int]
) -> tuple[list[Symbol], list[AppliedMerge]]:
    """Join neighbours until no merge fits: the lowest rank first, then the leftmost place.

    Args:
        symbols: the characters, or the bytes of one that has no token.
        ranks: the merges.

    Returns:
        The tokens, and the merges in the order they were applied.
    """
    symbols = list(symbols)
    applied: list[AppliedMerge] = []
    while True:
        fitting = [
            (ranks[pair], place)
            for place, neighbours in enumerate(zip(symbols, symbols[1:], strict=False))
            if (pair := (neighbours[0].piece, neighbours[1].piece)) in ranks
        ]
        if not fitting:
            return symbols, applied
        rank, place = min(fitting)
        left, right = symbols[place : place + 2]
        applied.append(AppliedMerge(rank, left.piece, right.piece, left.begin))
        symbols[place : place + 2] = [Symbol(left.piece + right.piece, left.begin, right.end)]
