# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Counting in bounded memory."""

from __future__ import annotations

from collections import Counter

from tfchat_hf.text.vocabulary.word_counts import count_characters, count_words, ranked


def test_words_and_characters_are_counted() -> None:
    words = count_words(["a b a", "b c", ""], str.split)
    assert words == Counter(a=2, b=2, c=1)
    assert count_characters(Counter({"我们": 3, "我": 2})) == Counter({"我": 5, "们": 3})


def test_the_rarest_are_forgotten_when_there_are_too_many() -> None:
    once = (f"rare{n} often x" for n in range(1000))
    words = count_words(once, str.split, most_words=100)
    assert len(words) <= 101
    assert words["often"] == words["x"] == 1000


def test_single_characters_are_never_forgotten() -> None:
    texts = ["龘", *(f"rare{n}" for n in range(1000))]
    assert count_words(texts, str.split, most_words=100)["龘"] == 1


def test_ranking_does_not_depend_on_the_order() -> None:
    counts = {"b": 2, "a": 2, "c": 3}
    assert ranked(counts) == ranked(dict(reversed(counts.items()))) == ["c", "a", "b"]
