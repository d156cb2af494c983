# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Metrics against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from tfchat_hf import metrics


def test_tokens_are_chinese_characters_and_words():
    tokens = metrics.metric_tokens("我不能。I can't, 2 times Café 3月")
    assert tokens == ["我", "不", "能", "。", "I", "can't", ",", "2", "times", "Café", "3", "月"]


def test_distinct_counts_over_all_replies():
    # unigrams a b a b c: 3 of 5; bigrams (a b) (a b) (b c): 2 of 3
    assert metrics.distinct(["a b", "a b c"], 1) == pytest.approx(3 / 5)
    assert metrics.distinct(["a b", "a b c"], 2) == pytest.approx(2 / 3)
    assert metrics.distinct([], 1) == 0
    assert metrics.distinct(["a"], 2) == 0


@pytest.mark.parametrize(
    ("reply", "loops"),
    [
        ("哈哈哈哈", False),  # four laughs are chat
        ("哈哈哈哈哈", True),
        ("no no", False),
        ("no no no", True),
        ("好的好的", False),
        ("他说好的好的好的呢", True),
        ("I am I am I am here", True),
        ("I am here, I am there, I am", False),
        ("what!!!!", False),
        ("what!!!!!", True),
        ("ab ab cd cd ab", False),
        ("", False),
    ],
)
def test_repetition(reply, loops):
    assert metrics.has_repetition(reply) is loops


def test_shares_and_lengths():
    assert metrics.repetition_share(["no no no", "yes"]) == 0.5
    assert metrics.top_reply_share(["a", "b", "a", "c"]) == 0.5
    assert metrics.mean_length(["我好", "a b c d"]) == 3
    assert metrics.exact_match(["a", "x"], [["b", "a"], ["b"]]) == 0.5
    assert metrics.describe_replies([], [])["replies"] == 0


def test_bleu_by_hand():
    # tokens a b c d e against a b c d f: 4/5, 3/4, 2/3, 1/2; same length, so no penalty
    expected = 100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    assert metrics.corpus_bleu(["a b c d e"], [["a b c d f"]]) == pytest.approx(expected)


def test_bleu_brevity_and_clipping():
    # a b c d of a b c d e f: all precisions 1, penalty exp(1 - 6/4)
    assert metrics.corpus_bleu(["a b c d"], [["a b c d e f"]]) == pytest.approx(
        100 * math.exp(-0.5)
    )
    # "a" five times against one: the unigram counts once, and no bigram matches at all
    assert metrics.corpus_bleu(["a a a a a"], [["a b c d e"]]) == 0


def test_bleu_takes_the_best_of_several_references_and_pools_the_corpus():
    assert metrics.corpus_bleu(["a b c d"], [["x y", "a b c d"]]) == pytest.approx(100)
    # pooled over two replies: 1-grams 5/6, 2-grams 3/4, 3-grams 2/2, 4-grams 1/1
    value = metrics.corpus_bleu(["a b c d", "e x"], [["a b c d"], ["e f"]])
    assert value == pytest.approx(100 * (5 / 6 * 3 / 4) ** 0.25)


def test_describe_is_plain_json_numbers():
    row = metrics.describe_replies(["a b", "c"], [["a b"], ["d"]])
    assert row["exact_match"] == 0.5
    assert set(map(type, row.values())) <= {int, float}
