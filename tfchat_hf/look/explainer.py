# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a tokenizer did to a text, and why: its own search, done again where one can look."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from transformers import PreTrainedTokenizerBase

from ..text.errors import UserError
from .facts import Decision, Explanation, ScoredPath, Token
from .jieba_cut import CutWords, find_differences
from .lattice import UNKNOWN_PENALTY, Edge, Lattice, Path, score_of
from .merges import Symbol, apply_merges

# Every decision is weighed against the whole stretch around it: a page would take minutes.
LONGEST_TEXT = 1000


class Explainer:
    """Explains texts with one tokenizer, read once."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, cut_words: CutWords | None) -> None:
        """Read the model out of the tokenizer.

        Args:
            tokenizer: one that this package trained.
            cut_words: jieba, or None.
        """
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
            self._unknown_score = min(s for _, s in model["vocab"]) + UNKNOWN_PENALTY
        else:
            self._ids = model["vocab"]
            self._ranks = {tuple(pair): rank for rank, pair in enumerate(model["merges"])}

    def explain(self, text: str, rivals: int = 1) -> Explanation:
        """Cut a text and says why.

        Args:
            text: at most `LONGEST_TEXT` characters.
            rivals: how many other paths to show for one place.

        Returns:
            The facts; the ids among them are the tokenizer's own.
        """
        _check_text(text)
        result = Explanation(text, self.model, merges_known=len(self._ranks))
        if self.model == "Unigram":
            result.total, result.unknown_score = 0.0, self._unknown_score
        for part, begin in self._parts(text):
            if part in self._special:
                token = Token(part, self._special[part], begin, begin + len(part), "special")
                result.tokens.append(token)
            elif self.model == "Unigram":
                self._follow_lattice(part, begin, rivals, result)
            else:
                self._follow_merges(part, begin, result)
        self._check_ids(result)
        self._compare_with_jieba(result)
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
        for edge in path:
            piece, begin = part[edge.begin : edge.end], offset + edge.begin
            if edge.known:
                token = Token(
                    piece, self._ids[piece], begin, offset + edge.end, "piece", edge.score
                )
                result.tokens.append(token)
            else:
                result.tokens += [self._byte(symbol) for symbol in _bytes(piece, begin)]
        result.total = (result.total or 0.0) + score_of(path)
        for choice in lattice.choices(rivals):
            begin, end = choice.chosen[0].begin, choice.chosen[-1].end
            others = [_scored(part, rival) for rival in choice.rivals]
            chosen = _scored(part, choice.chosen)
            result.decisions.append(Decision(offset + begin, offset + end, chosen, others))

    def _follow_merges(self, part: str, offset: int, result: Explanation) -> None:
        """Add the tokens of one part, and the merges that made them."""
        symbols: list[Symbol] = []
        for begin, character in enumerate(part, offset):
            known = character in self._ids
            one = [Symbol(character, begin, begin + 1)]
            symbols += one if known else _bytes(character, begin)
        symbols, merges = apply_merges(symbols, self._ranks)
        for symbol in symbols:
            if symbol.piece == result.text[symbol.begin : symbol.end]:
                number = self._ids[symbol.piece]
                token = Token(symbol.piece, number, symbol.begin, symbol.end, "piece")
                result.tokens.append(token)
            else:
                result.tokens.append(self._byte(symbol))
        result.merges += merges

    def _byte(self, symbol: Symbol) -> Token:
        """Make the token of one byte of a character."""
        return Token(symbol.piece, self._ids[symbol.piece], symbol.begin, symbol.end, "byte")

    def _check_ids(self, result: Explanation) -> None:
        """Make sure that what is explained is what the tokenizer does."""
        own = self._tokenizer(result.text, add_special_tokens=False, verbose=False)["input_ids"]
        if own != [token.id for token in result.tokens]:
            raise UserError(
                f"the tokenizer cuts {result.text!r} in a way that cannot be explained here. "
                "Please report it, with the tokenizer.json."
            )

    def _compare_with_jieba(self, result: Explanation) -> None:
        """Add jieba's words and the differences."""
        if self._cut_words is None:
            return
        result.jieba = self._cut_words(result.text)
        spans = list(dict.fromkeys((token.begin, token.end) for token in result.tokens))
        special = {(t.begin, t.end) for t in result.tokens if t.kind == "special"}
        vocabulary = self._scores or dict.fromkeys(self._ids)
        result.differences = find_differences(result.text, spans, result.jieba, vocabulary, special)


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
        "the tokenizer must be one that this version of the package trains "
        f"(got another kind: {found}). Make one with `python -m tfchat_hf.text.tokenizer_training`."
    )


def _check_text(text: str) -> None:
    """Refuse what no tokenizer takes, and what would take too long."""
    if len(text) > LONGEST_TEXT:
        raise UserError(
            f"a text to explain must have at most {LONGEST_TEXT:,} characters (got "
            f"{len(text):,}). Give a sentence of it."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"a text must be valid Unicode (got {text[error.start]!a} at character "
            f"{error.start}). Give it in UTF-8."
        ) from None


def _bytes(character: str, begin: int) -> list[Symbol]:
    """Spell a character that has no token."""
    return [Symbol(f"<0x{byte:02X}>", begin, begin + 1) for byte in character.encode()]


def _scored(text: str, path: Path) -> ScoredPath:
    """Write a path with the pieces themselves."""

    def piece(edge: Edge) -> str:
        return text[edge.begin : edge.end]

    return ScoredPath([piece(e) for e in path], [e.score for e in path], score_of(path))
