# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Merges learned inside words: the scheme ``subword-bpe``, and the ranking of Latin pieces."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from tokenizers import Tokenizer, models, trainers

from .pieces import (
    LEARNED_WORDS,
    SMALLEST_VOCABULARY,
    bpe_tokenizer,
    count_characters,
    covering_characters,
    most_frequent,
    ranked,
)

Merge = tuple[str, str]
# The trainer takes words one by one: very large counts are scaled down to so many in all.
_MOST_REPEATS = 20_000_000
# Characters take at most this share of the tokens, so that a small vocabulary has words too.
CHARACTER_SHARE = 0.8


def train_byte_pairs(words: Counter[str], vocab_size: int) -> Tokenizer:
    """Make the scheme ``subword-bpe``.

    Args:
        words: the words of the corpus with their counts.
        vocab_size: the most tokens to have.
    """
    free = vocab_size - SMALLEST_VOCABULARY
    characters = covering_characters(count_characters(words), int(CHARACTER_SHARE * free))
    learned = most_frequent(words, LEARNED_WORDS)
    merges = learn_merges(learned, characters, free - len(characters))
    # Two merges may give one piece: (a, bc) and (ab, c).
    pieces = dict.fromkeys([*characters, *(left + right for left, right in merges)])
    return bpe_tokenizer(list(pieces), merges)


def learn_merges(words: Mapping[str, int], characters: list[str], most: int) -> list[Merge]:
    """Learn byte-pair merges inside words, the most frequent pair first.

    Args:
        words: words with their counts.
        characters: the characters outside ASCII that have a token.
        most: how many merges to learn.
    """
    if most <= 0:
        return []
    known = {*characters, *map(chr, range(128))}
    tokenizer = Tokenizer(models.BPE())
    alphabet = sorted(known)
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + most,
        min_frequency=2,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        max_token_length=16,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_repeated(words, known), trainer)
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def _repeated(words: Mapping[str, int], known: set[str]) -> Iterator[list[str]]:
    """Yield each word as often as it counts, in pieces without unknown characters."""
    divisor = -(-sum(words.values()) // _MOST_REPEATS)
    for word in ranked(dict(words)):
        count = words[word] // divisor
        if count and len(word) > 1:
            yield [part for part in known_parts(word, known) if len(part) > 1] * count


def known_parts(word: str, known: set[str]) -> list[str]:
    """Split a word at characters that have no token; those are left out.

    Args:
        word: any word.
        known: the characters with a token.
    """
    if all(character in known for character in word):
        return [word]
    return "".join(c if c in known else "\0\0" for c in word).split("\0\0")


def tokens_saved(words: Mapping[str, int], merges: list[Merge]) -> Counter[str]:
    """Count how many tokens each merged piece saves on the corpus, by applying the merges.

    Args:
        words: words with their counts.
        merges: what to apply, in their order.
    """
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    saved: Counter[str] = Counter()
    for word, count in words.items():
        for piece in _merged_pieces(list(word), ranks):
            saved[piece] += count
    return saved


def _merged_pieces(symbols: list[str], ranks: dict[Merge, int]) -> Iterator[str]:
    """Apply merges to one word and yields each piece as it is formed."""
    never = len(ranks)
    while len(symbols) > 1:
        pairs = zip(symbols, symbols[1:], strict=False)
        best, place = min((ranks.get(pair, never), i) for i, pair in enumerate(pairs))
        if best == never:
            return
        symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]
        yield symbols[place]
