# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a tokenizer did to a text, and why, beside what jieba does, as plain data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from data_builders.errors import UserError

from ..text.dialogue import check_text
from ..text.vocabulary.word_cutter import load_word_cutter
from .search import Lattice, Merge, Path, Symbol, apply_merges, score_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Every decision is weighed against the whole stretch around it: a page would take minutes.
LONGEST_TEXT = 1000
# What the tokenizers library adds to the lowest score for a character without a piece.
_UNKNOWN_PENALTY = -10.0
Span = tuple[int, int]
CutWords = Callable[[str], list[str]]


@dataclass(frozen=True)
class Token:
    """One token: its id, the characters it stands for or is a byte of, its log probability.

    `kind` is ``piece``, ``byte`` or ``special``; only pieces of a Unigram model have a score.
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


@dataclass(frozen=True)
class Difference:
    """A stretch between two cuts that tokenizer and jieba share, which they cut in two ways.

    `missing` are the words that are no piece. A sum of scores is None where something has none.
    `special` tells whether a special token stands there.
    """

    begin: int
    end: int
    pieces: list[str]
    words: list[str]
    missing: list[str]
    words_score: float | None
    pieces_score: float | None
    special: bool


@dataclass
class Explanation:
    """Everything there is to say about one text.

    Attributes:
        text: What was cut.
        model: ``Unigram`` or ``BPE``.
        tokens: The result, without the ``</s>`` that a call appends.
        total: The sum of the scores of the path taken; None for BPE.
        unknown_score: What a character without a token counts in the path; None for BPE.
        decisions: Where another path existed (Unigram).
        merges: What was joined, in that order (BPE).
        merges_known: How many merges the tokenizer has.
        jieba: jieba's words; None if it is not installed.
        differences: Where these are not the tokens.
    """

    text: str
    model: str
    tokens: list[Token] = field(default_factory=list)
    total: float | None = None
    unknown_score: float | None = None
    decisions: list[Decision] = field(default_factory=list)
    merges: list[Merge] = field(default_factory=list)
    merges_known: int = 0
    jieba: list[str] | None = None
    differences: list[Difference] = field(default_factory=list)


class Explainer:
    """Explains texts with one tokenizer, read once.

    Args:
        tokenizer: One that this package trained.
        cut_words: jieba, or None.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, cut_words: CutWords | None) -> None:
        """Read the model out of the tokenizer."""
        pipeline = json.loads(tokenizer.backend_tokenizer.to_str())
        _check_pipeline(pipeline)
        model = pipeline["model"]
        self._tokenizer = tokenizer
        self._cut_words = cut_words
        self.model: str = model["type"]
        self._special = {t["content"]: t["id"] for t in pipeline["added_tokens"]}
        self._scores: dict[str, float] = {}
        self._ranks: dict[tuple[str, str], int] = {}
        if self.model == "Unigram":
            self._ids = {piece: number for number, (piece, _) in enumerate(model["vocab"])}
            self._scores = {p: s for p, s in model["vocab"] if p not in self._special}
            self._unknown_score = min(s for _, s in model["vocab"]) + _UNKNOWN_PENALTY
        else:
            self._ids = model["vocab"]
            self._ranks = {tuple(pair): rank for rank, pair in enumerate(model["merges"])}

    def explain(self, text: str, rivals: int = 1) -> Explanation:
        """Cut a text and say why there.

        Args:
            text: At most `LONGEST_TEXT` characters.
            rivals: How many other paths to show for one place.

        Returns:
            An explanation whose ids are the tokenizer's own.
        """
        check_sentence(text)
        result = Explanation(text, self.model, merges_known=len(self._ranks))
        if self.model == "Unigram":
            result.total, result.unknown_score = 0.0, self._unknown_score
        for part, begin in self._parts(text):
            if part in self._special:
                end = begin + len(part)
                result.tokens.append(Token(part, self._special[part], begin, end, "special"))
            elif self.model == "Unigram":
                self._follow_lattice(part, begin, rivals, result)
            else:
                self._follow_merges(part, begin, result)
        self._check_ids(result)
        if self._cut_words is not None:
            result.jieba = self._cut_words(text)
            vocabulary = self._scores or dict.fromkeys(self._ids)
            result.differences = list(_differences(result, vocabulary))
        return result

    def _parts(self, text: str) -> Iterator[tuple[str, int]]:
        """Split a text at the spellings of special tokens, as the tokenizer does first of all."""
        spellings = sorted(self._special, key=len, reverse=True)
        begin = 0
        for part in re.split(f"({'|'.join(map(re.escape, spellings))})", text):
            if part:
                yield part, begin
            begin += len(part)

    def _follow_lattice(self, part: str, offset: int, rivals: int, result: Explanation) -> None:
        """Add the tokens of one part, and what they won against."""
        lattice = Lattice(part, self._scores, self._unknown_score)
        path = lattice.best_path()
        for begin, end, score, is_piece in path:
            symbol = Symbol(part[begin:end], offset + begin, offset + end)
            if is_piece:
                result.tokens.append(self._token(symbol, "piece", score))
            else:
                spelled = _bytes(symbol.piece, symbol.begin)
                result.tokens += [self._token(one, "byte") for one in spelled]
        result.total = (result.total or 0.0) + score_of(path)
        for chosen, others in lattice.decisions(rivals):
            begin, end = offset + chosen[0].begin, offset + chosen[-1].end
            beaten = [_scored(part, other) for other in others]
            result.decisions.append(Decision(begin, end, _scored(part, chosen), beaten))

    def _follow_merges(self, part: str, offset: int, result: Explanation) -> None:
        """Add the tokens of one part, and the merges that made them."""
        symbols: list[Symbol] = []
        for begin, character in enumerate(part, offset):
            one = [Symbol(character, begin, begin + 1)]
            symbols += one if character in self._ids else _bytes(character, begin)
        symbols, merges = apply_merges(symbols, self._ranks)
        for symbol in symbols:
            is_piece = symbol.piece == result.text[symbol.begin : symbol.end]
            result.tokens.append(self._token(symbol, "piece" if is_piece else "byte"))
        result.merges += merges

    def _token(self, symbol: Symbol, kind: str, score: float | None = None) -> Token:
        """Look up the id of a symbol."""
        piece, begin, end = symbol
        return Token(piece, self._ids[piece], begin, end, kind, score)

    def _check_ids(self, result: Explanation) -> None:
        """Make sure that what is explained is what the tokenizer does."""
        own = self._tokenizer(result.text, add_special_tokens=False, verbose=False)["input_ids"]
        if own != [token.id for token in result.tokens]:
            raise UserError(
                "the tokenizer cuts {cut!r} in a way that cannot be explained here. Please "
                "report it, with the tokenizer.json.",
                cut=result.text,
            )


def _check_pipeline(pipeline: dict[str, Any]) -> None:
    """Refuse tokenizers whose model does not see the text as it is."""
    model = pipeline["model"]
    if pipeline["normalizer"] or pipeline["pre_tokenizer"]:
        found = "it changes or splits the text before its model sees it"
    elif model.get("type") not in ("Unigram", "BPE"):
        found = f"its model is {model.get('type')}"
    elif not model.get("byte_fallback"):
        found = "it does not write unknown characters as bytes"
    else:
        return
    raise UserError(
        "the tokenizer must be one that this version of the package trains (got another kind: "
        "{found}). Make one with `python -m tfchat_hf.text.tokenizer_training`.",
        found=found,
    )


def check_sentence(text: str) -> None:
    """Refuse what no tokenizer takes, and what would take too long."""
    if len(text) > LONGEST_TEXT:
        raise UserError(
            "a text to explain must have at most {LONGEST_TEXT:,} characters (got {size:,}). Give "
            "a sentence of it.",
            LONGEST_TEXT=LONGEST_TEXT,
            size=len(text),
        )
    check_text(text, "a text")


def _bytes(character: str, begin: int) -> list[Symbol]:
    """Spell a character that has no token."""
    return [Symbol(f"<0x{byte:02X}>", begin, begin + 1) for byte in character.encode()]


def _scored(text: str, path: Path) -> ScoredPath:
    """Spell a path through the lattice."""
    pieces = [text[edge.begin : edge.end] for edge in path]
    return ScoredPath(pieces, [edge.score for edge in path], score_of(path))


def load_jieba() -> CutWords | None:
    """Return ``jieba.cut(HMM=False)``, or None where jieba is not installed."""
    return None if find_spec("jieba") is None else load_word_cutter().jieba_words


def spans_of(words: Sequence[str]) -> list[Span]:
    """Place words that follow each other in a text."""
    ends = [0]
    for word in words:
        ends.append(ends[-1] + len(word))
    return list(pairwise(ends))


def _differences(result: Explanation, scores: Mapping[str, float | None]) -> Iterator[Difference]:
    """Yield where jieba's words are not the tokens; bytes count as their character.

    Args:
        result: The tokens and jieba's words.
        scores: The vocabulary; None for each piece of a model without scores.
    """
    tokens = list(dict.fromkeys((token.begin, token.end) for token in result.tokens))
    special = {(token.begin, token.end) for token in result.tokens if token.kind == "special"}
    words = spans_of(result.jieba or ())
    shared = {0} | ({end for _, end in tokens} & {end for _, end in words})
    for begin, end in pairwise(sorted(shared)):
        ours, theirs = (
            [span for span in spans if begin <= span[0] and span[1] <= end]
            for spans in (tokens, words)
        )
        if ours != theirs:
            cut, cut_by_jieba = ([result.text[b:e] for b, e in side] for side in (ours, theirs))
            missing = [word for word in dict.fromkeys(cut_by_jieba) if word not in scores]
            sums = _sum(cut_by_jieba, scores), _sum(cut, scores)
            is_special = not special.isdisjoint(ours)
            yield Difference(begin, end, cut, cut_by_jieba, missing, *sums, is_special)


def _sum(pieces: Sequence[str], scores: Mapping[str, float | None]) -> float | None:
    """Add up scores; None if one has none."""
    found = [scores.get(piece) for piece in pieces]
    return None if None in found else sum(score for score in found if score is not None)
