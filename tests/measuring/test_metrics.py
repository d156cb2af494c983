# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Metrics against numbers worked out by hand."""

from __future__ import annotations

import json
import math

import pytest

from tfchat_hf.measuring import metrics


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


def test_perplexity_is_e_to_the_loss_and_survives_a_diverged_model():
    assert metrics.perplexity(math.log(50)) == pytest.approx(50)
    assert math.isfinite(metrics.perplexity(1e9))


def test_bits_per_character_do_not_depend_on_the_cut_into_tokens():
    # 8 characters at 4 bits each: as 8 tokens of 4 bits, or as 2 tokens of 16 bits
    fine = metrics.bits_per_character(4 * math.log(2), tokens=8, characters=8)
    coarse = metrics.bits_per_character(16 * math.log(2), tokens=2, characters=8)
    assert fine == pytest.approx(4) and coarse == pytest.approx(4)


@pytest.mark.parametrize(
    ("reply", "references", "expected"),
    [
        ("a b c", ["a b d"], 2 * 2 / 6),
        ("a b c", ["x", "a b c d e", "a b d"], 2 * 3 / 8),  # the best of several
        ("A b!", ["a b."], 1.0),  # neither case nor punctuation counts
        ("a a a", ["a b"], 2 * 1 / 5),  # a word counts as often as both have it
        ("我很好", ["我不好"], 2 * 2 / 6),
        ("...", ["..."], 1.0),
        ("...", ["a"], 0.0),
        ("", ["a"], 0.0),
    ],
)
def test_f1_by_hand(reply, references, expected):
    assert metrics.token_f1(reply, references) == pytest.approx(expected)


def test_f1_of_a_set_is_the_mean():
    assert metrics.mean_f1(["a", "b"], [["a"], ["c"]]) == 0.5
    assert metrics.mean_f1([], []) == 0


def test_distinct_looks_at_a_fixed_number_of_replies():
    varied = [f"w{i} x{i}" for i in range(metrics.DISTINCT_REPLIES)]
    references = [["a"]] * 3 * len(varied)
    row = metrics.describe_replies(varied + ["w0 x0"] * 2 * len(varied), references)
    assert row["distinct_replies"] == metrics.DISTINCT_REPLIES
    assert row["distinct_2"] == 1  # 1/3 over all of them
    assert row["replies"] == 3 * metrics.DISTINCT_REPLIES
    few = metrics.describe_replies(["a b", "a b"], [["a"]] * 2)
    assert (few["distinct_2"], few["distinct_replies"]) == (0.5, 2)


def test_questions_without_a_right_answer_are_left_out_of_likeness_only():
    row = metrics.describe_replies(["a b c d", "x y"], [["a b c d"], []])
    assert (row["replies"], row["scored_replies"]) == (2, 1)
    assert row["exact_match"] == 1 and row["f1"] == 1 and row["bleu"] == pytest.approx(100)
    assert row["mean_length"] == 3
    none = metrics.describe_replies(["a b"], [[]])
    assert none["scored_replies"] == 0
    assert not {"exact_match", "bleu", "bleu_signature", "f1"} & set(none)


def test_describe_is_plain_json():
    row = metrics.describe_replies(["a b", "c"], [["a b"], ["d"]])
    assert row["exact_match"] == 0.5
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert "tok:13a" in row["bleu_signature"]


def test_both_languages_are_reported_where_there_are_two():
    row = metrics.describe_replies(["a b c d", "我很不好"], [["a b c d"], ["我很不好"]])
    assert row["bleu_en"] == pytest.approx(100) and row["bleu_zh"] == pytest.approx(100)
    assert "bleu_en" not in metrics.describe_replies(["a"], [["a"]])
