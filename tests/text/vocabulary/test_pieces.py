# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Counting in bounded memory, the pieces that lose nothing, and the models on them."""

from __future__ import annotations

from collections import Counter

import pytest

from tfchat_hf.text.vocabulary.pieces import (
    BASE_PIECES,
    bpe_tokenizer,
    count_characters,
    count_words,
    covering_characters,
    ranked,
    unigram_tokenizer,
)


def test_rare_characters_are_left_to_the_bytes() -> None:
    counts = {"我": 20000, "们": 990, "a": 5, "稀": 3, "罕": 2, "极": 1}
    assert covering_characters(counts, 9) == ["我", "们"]
    assert covering_characters(counts, 1) == ["我"]
    assert covering_characters({"我": 5, "极": 1}, 9) == ["我"], "one sight is not enough"


@pytest.mark.parametrize("model", ["unigram", "bpe"])
def test_what_is_unknown_becomes_its_bytes(model: str) -> None:
    if model == "unigram":
        tokenizer = unigram_tokenizer(["我"], {"我": -3.0})
    else:
        tokenizer = bpe_tokenizer(["我"], [])
    assert tokenizer.encode("我é~").tokens == ["我", "<0xC3>", "<0xA9>", "~"]
    assert tokenizer.encode("<0xC3>").tokens == list("<0xC3>"), "text is never taken for a byte"
    assert tokenizer.get_vocab_size() == len(BASE_PIECES) + 1
    assert [tokenizer.id_to_token(n) for n in range(len(BASE_PIECES))] == list(BASE_PIECES)


def test_the_best_path_wins() -> None:
    scores = {"我": -2.0, "们": -2.0, "好": -2.0, "我们": -3.0, "们好": -3.5}
    tokenizer = unigram_tokenizer(list(scores), scores)
    assert tokenizer.encode("我们好").tokens == ["我们", "好"]


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
