# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How often each word and each character occurs in a corpus, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

# The table of so many words takes some 120 MB.
MOST_WORDS = 1_000_000
# Pieces are learned from the most frequent words only: the rest changes next to nothing that is
# kept, and costs time.
LEARNED_WORDS = 200_000


def count_words(
    texts: Iterable[str], cut: Callable[[str], list[str]], most_words: int = MOST_WORDS
) -> Counter[str]:
    """Counts the words of all texts.

    When there are too many different ones, the rarest are forgotten, as often as needed: memory
    depends on `most_words` and not on the corpus. The same texts in the same order always give
    the same counts.

    Args:
        texts: the corpus.
        cut: cuts a text into words.
        most_words: how many different words to remember.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(cut(text))
        if len(counts) > most_words:
            counts = _without_the_rarest(counts, most_words // 2)
    return counts


def _without_the_rarest(counts: Counter[str], keep: int) -> Counter[str]:
    """Keeps the most frequent words and all single characters."""
    least = sorted(counts.values(), reverse=True)[keep]
    return Counter({word: n for word, n in counts.items() if n > least or len(word) == 1})


def count_characters(words: Counter[str]) -> Counter[str]:
    """Counts the characters inside counted words.

    Args:
        words: words with their counts.
    """
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    return characters


def ranked(counts: dict[str, int]) -> list[str]:
    """Sorts by falling count, then by code point: the order of the texts does not matter.

    Args:
        counts: what to sort.
    """
    return sorted(counts, key=lambda key: (-counts[key], key))


def most_frequent(counts: dict[str, int], most: int) -> Counter[str]:
    """Keeps the most frequent, in their order.

    Args:
        counts: what to choose from.
        most: how many to keep.
    """
    return Counter({key: counts[key] for key in ranked(counts)[:most]})
