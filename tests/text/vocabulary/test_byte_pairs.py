# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Merges, against a loop that counts every pair anew."""

from __future__ import annotations

from collections import Counter

from tfchat_hf.text.vocabulary.byte_pairs import (
    known_parts,
    learn_merges,
    tokens_saved,
    train_byte_pairs,
)
from tfchat_hf.text.vocabulary.pieces import SMALLEST_VOCABULARY

WORDS = Counter({" low": 50, " lower": 23, " newest": 67, " widest": 31, "最新": 19, "最低": 10})


def pair_counts(cuts: dict[str, list[str]]) -> Counter[tuple[str, str]]:
    pairs: Counter[tuple[str, str]] = Counter()
    for word, symbols in cuts.items():
        for pair in zip(symbols, symbols[1:], strict=False):
            pairs[pair] += WORDS[word]
    return pairs


def test_each_merge_is_of_a_most_frequent_pair() -> None:
    cuts = {word: list(word) for word in WORDS}
    merges = learn_merges(WORDS, ["最", "新", "低"], 12)
    assert len(merges) == 12
    for pair in merges:
        pairs = pair_counts(cuts)
        assert pairs[pair] == max(pairs.values())
        for symbols in cuts.values():
            i = 0
            while i < len(symbols) - 1:
                if (symbols[i], symbols[i + 1]) == pair:
                    symbols[i : i + 2] = ["".join(pair)]
                i += 1


def test_saved_tokens_are_the_difference() -> None:
    merges = learn_merges(WORDS, ["最", "新", "低"], 12)
    tokenizer = train_byte_pairs(WORDS, SMALLEST_VOCABULARY + 3 + 12)
    without = sum(count * len(word) for word, count in WORDS.items())
    with_merges = sum(count * len(tokenizer.encode(word).ids) for word, count in WORDS.items())
    assert sum(tokens_saved(WORDS, merges).values()) == without - with_merges > 0


def test_an_unknown_character_splits_a_word() -> None:
    assert known_parts("ab龘cd", set("abcd")) == ["ab", "cd"]
    assert all("龘" not in left + right for left, right in learn_merges({"ab龘cd": 9}, [], 9))


def test_nothing_to_learn() -> None:
    assert learn_merges(WORDS, [], 0) == []
    assert train_byte_pairs(Counter({"a": 5}), 300).get_vocab_size() == SMALLEST_VOCABULARY
