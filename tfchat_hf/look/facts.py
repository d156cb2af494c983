# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What can be said about the cut of one text, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from .jieba_cut import Difference
from .merges import AppliedMerge


@dataclass(frozen=True)
class Token:
    """One token of the text.

    Attributes:
        token: as the vocabulary spells it.
        id: its number.
        begin: where the characters begin that it stands for, or that it is a byte of.
        end: where they end.
        kind: ``piece``, ``byte`` or ``special``.
        score: its log probability, if the tokenizer has any and it is a piece.
    """

    token: str
    id: int
    begin: int
    end: int
    kind: str
    score: float | None = None


@dataclass(frozen=True)
class ScoredPath:
    """Some pieces of the text in a row, with their scores."""

    pieces: list[str]
    scores: list[float]
    total: float


@dataclass(frozen=True)
class Decision:
    """A stretch of the text that could have been cut otherwise."""

    begin: int
    end: int
    chosen: ScoredPath
    rivals: list[ScoredPath]


@dataclass
class Explanation:
    """Everything there is to say about one text.

    Attributes:
        text: what was cut.
        model: ``Unigram`` or ``BPE``.
        tokens: the result, without the ``</s>`` that a call appends.
        total: the sum of the scores of the path taken; None for BPE.
        unknown_score: what a character without a token counts in the path; None for BPE.
        decisions: where another path existed (Unigram).
        merges: what was joined, in that order (BPE).
        merges_known: how many merges the tokenizer has.
        jieba: jieba's words; None if it is not installed.
        differences: where these are not the tokens.
    """

    text: str
    model: str
    tokens: list[Token] = field(default_factory=list)
    total: float | None = None
    unknown_score: float | None = None
    decisions: list[Decision] = field(default_factory=list)
    merges: list[AppliedMerge] = field(default_factory=list)
    merges_known: int = 0
    jieba: list[str] | None = None
    differences: list[Difference] = field(default_factory=list)
