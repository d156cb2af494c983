# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The scheme ``word``: jieba's words as one lattice, pieces of letters beside them.

jieba without its hidden Markov model takes the path of the highest sum of log(frequency / total)
through the words of its dictionary, which is what a Unigram model computes. With the dictionary's
own scores the cuts are jieba's; with fewer words they are finer cuts of the same words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from tokenizers import Tokenizer

from .byte_pairs import learn_merges, tokens_saved
from .pieces import (
    BASE_PIECES,
    LEARNED_WORDS,
    SMALLEST_VOCABULARY,
    count_characters,
    covering_characters,
    most_frequent,
    ranked,
    unigram_tokenizer,
)
from .unigram import fit_scores
from .word_cutter import HAN, WordCutter

# What jieba cuts within: it gives such a character frequency 1 if the dictionary lacks it.
_JIEBA_HAN = range(0x4E00, 0x9FD6)


def train_words(
    words: Counter[str], vocab_size: int, cutter: WordCutter, whole_dictionary: bool = False
) -> Tokenizer:
    """Make the scheme ``word``.

    Args:
        words: the words of the corpus with their counts.
        vocab_size: the most tokens to have.
        cutter: what cut them.
        whole_dictionary: have every word of the dictionary as well, beyond `vocab_size`.
    """
    han = Counter({word: n for word, n in words.items() if HAN.search(word)})
    others = {word: n for word, n in words.items() if word not in han}
    latin = most_frequent(others, LEARNED_WORDS)
    room = vocab_size - SMALLEST_VOCABULARY
    saved, latin_pieces = _tokens_saved(words, han, latin, room, cutter)
    pieces = _choose(saved, cutter.user_words, room)
    if whole_dictionary:
        pieces = list(dict.fromkeys([*pieces, *_dictionary(cutter)]))
    alphabet = [p for p in pieces if len(p) == 1 and not HAN.match(p)]
    chosen_latin = [p for p in pieces if p in latin_pieces]
    of_letters = fit_scores(latin, [*map(chr, range(128)), *alphabet, *chosen_latin])
    scores = _dictionary_scores(pieces, cutter, of_letters) | of_letters
    return unigram_tokenizer(pieces, scores)


def _tokens_saved(
    words: Counter[str], han: Counter[str], latin: Counter[str], room: int, cutter: WordCutter
) -> tuple[dict[str, int], set[str]]:
    """Count what each possible piece saves; return these counts and the pieces of letters.

    A character saves its other bytes, a Chinese word the parts it would fall into, a piece of
    letters the merges that make it: one measure by which two languages share a vocabulary.
    """
    counts = count_characters(words)
    characters = covering_characters(counts, room)
    known = {*characters, *map(chr, range(128))}
    saved = {c: (len(c.encode()) - 1) * counts[c] for c in characters}
    for word, count in han.items():
        if count > 1 and len(word) > 1 and known.issuperset(word):
            saved[word] = (_parts_without(word, han, cutter) - 1) * count
    merges = learn_merges(latin, [c for c in characters if not HAN.match(c)], room)
    of_letters = tokens_saved(latin, merges)
    saved.update(of_letters)
    return saved, set(of_letters)


def _parts_without(word: str, counts: Counter[str], cutter: WordCutter) -> int:
    """Count the parts that a word is cut into without itself, by more frequent words."""
    best = [(0.0, 0)]
    for end in range(1, len(word) + 1):
        paths = []
        for begin in range(end):
            part = word[begin:end]
            if part != word and (len(part) == 1 or counts.get(part, 0) >= counts[word]):
                score, parts = best[begin]
                paths.append((score + cutter.log_probability(part), parts + 1))
        best.append(max(paths))
    return best[-1][1]


def _choose(saved: dict[str, int], required: Iterable[str], room: int) -> list[str]:
    """Take the pieces that save most, none without its characters.

    Args:
        saved: the tokens that each piece saves.
        required: pieces to take whatever they save: the user's own words.
        room: the most pieces to take.
    """
    chosen: dict[str, None] = {}
    base = set(BASE_PIECES)  # a user's dictionary may hold a single letter
    for piece in [*required, *ranked(saved)]:
        needed = [c for c in piece if ord(c) >= 128 and c not in chosen]
        fresh = dict.fromkeys([*needed, piece])
        if piece not in base and piece not in chosen and len(chosen) + len(fresh) <= room:
            chosen.update(fresh)
    return list(chosen)


def _dictionary(cutter: WordCutter) -> Iterable[str]:
    """List all that jieba can cut: its words, and each Han character it knows of."""
    words = {word: n for word, n in cutter.frequencies.items() if n and len(word) > 1}
    yield from map(chr, _JIEBA_HAN)
    yield from sorted({c for word in words for c in word if ord(c) >= 128})
    yield from ranked(words)


def _dictionary_scores(
    pieces: Iterable[str], cutter: WordCutter, of_letters: Mapping[str, float]
) -> dict[str, float]:
    """Return the pieces jieba's log probabilities.

    In words like T恤 each letter counts as much as it does alone: letters have scores of
    their own here, far above jieba's, and would win against the word.
    """
    unknown = cutter.log_probability("\0")
    scores = {}
    for piece in pieces:
        letters = [c for c in piece if c.isascii()] if len(piece) > 1 else []
        gained = sum(of_letters[letter] - unknown for letter in letters)
        scores[piece] = cutter.log_probability(piece) + gained
    return scores
