# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""jieba's own cut of a text, and where a tokenizer cuts otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ..text.errors import UserError
from ..text.vocabulary.word_cutter import open_word_cutter

Span = tuple[int, int]
CutWords = Callable[[str], list[str]]


@dataclass(frozen=True)
class Difference:
    """A stretch between two cuts that both have, cut in two ways.

    Attributes:
        begin: where it begins in the text.
        end: where it ends.
        pieces: what the tokenizer makes of it.
        words: what jieba makes of it.
        missing: the words that are no piece.
        words_score: what the words would sum up to; None if some are missing or there are no
            scores.
        pieces_score: what the pieces sum up to.
        special: whether a special token stands in it.
    """

    begin: int
    end: int
    pieces: list[str]
    words: list[str]
    missing: list[str]
    words_score: float | None
    pieces_score: float | None
    special: bool


@contextmanager
def open_jieba() -> Iterator[CutWords | None]:
    """Lend ``jieba.cut(HMM=False)``, or None where jieba is not installed."""
    with ExitStack() as stack:
        try:
            cutter = stack.enter_context(open_word_cutter())
        except UserError:
            yield None
        else:
            yield cutter.jieba_words


def spans_of(words: Sequence[str]) -> list[Span]:
    """Place words that follow each other in a text.

    Args:
        words: in their order, nothing between them.
    """
    spans, begin = [], 0
    for word in words:
        spans.append((begin, begin + len(word)))
        begin += len(word)
    return spans


def differing_spans(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    """Find the stretches between common cuts that are cut in two ways.

    Args:
        one: spans that cover a text.
        other: other spans of the same text.
    """
    shared = sorted({0} | ({end for _, end in one} & {end for _, end in other}))
    stretches = zip(shared, shared[1:], strict=False)
    return [
        (begin, end)
        for begin, end in stretches
        if inside(one, begin, end) != inside(other, begin, end)
    ]


def inside(spans: Sequence[Span], begin: int, end: int) -> list[Span]:
    """Pick the spans of one stretch.

    Args:
        spans: all of them.
        begin: of the stretch.
        end: of the stretch.
    """
    return [span for span in spans if begin <= span[0] and span[1] <= end]


def find_differences(
    text: str,
    pieces: Sequence[Span],
    words: Sequence[str],
    scores: Mapping[str, float | None],
    special: set[Span],
) -> list[Difference]:
    """Say where jieba's words are not the tokenizer's pieces.

    Args:
        text: what was cut.
        pieces: the tokenizer's cut; the bytes of a character count as that character.
        words: jieba's cut.
        scores: the vocabulary; None for each piece if there are no scores.
        special: which pieces are special tokens.
    """
    differences = []
    for begin, end in differing_spans(pieces, spans_of(words)):
        ours = inside(pieces, begin, end)
        our_pieces = [text[slice(*span)] for span in ours]
        theirs = [text[slice(*span)] for span in inside(spans_of(words), begin, end)]
        missing = [word for word in dict.fromkeys(theirs) if word not in scores]
        differences.append(
            Difference(
                begin,
                end,
                our_pieces,
                theirs,
                missing,
                None if missing else _sum(theirs, scores),
                _sum(our_pieces, scores),
                not special.isdisjoint(ours),
            )
        )
    return differences


def _sum(pieces: Sequence[str], scores: Mapping[str, float | None]) -> float | None:
    """Add up scores, None if one has none."""
    found = [scores.get(piece) for piece in pieces]
    return None if None in found else sum(score for score in found if score is not None)
