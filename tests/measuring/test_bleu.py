# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""BLEU against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import sacrebleu

from tfchat_hf.measuring.bleu import MINOR_SHARE, corpus_bleu


def score(replies, references):
    return corpus_bleu(replies, references).score


def test_by_hand():
    # tokens a b c d e against a b c d f: 4/5, 3/4, 2/3, 1/2; same length, so no penalty
    expected = 100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    assert score(["a b c d e"], [["a b c d f"]]) == pytest.approx(expected)


def test_chinese_is_cut_into_characters():
    # the same, with Han for letters: 4/5, 3/4, 2/3, 1/2
    expected = 100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    found = corpus_bleu(["我今天很好"], [["我今天很忙"]])
    assert found.score == pytest.approx(expected)
    assert "tok:zh" in found.signature


def test_brevity_and_clipping():
    # a b c d of a b c d e f: all precisions 1, penalty exp(1 - 6/4)
    assert score(["a b c d"], [["a b c d e f"]]) == pytest.approx(100 * math.exp(-0.5))
    # "a" five times against one: 1/5 for words; the other orders match nothing and are smoothed
    # to 1/2, 1/4 and 1/8 of a match: of 4, 3 and 2 n-grams
    expected = 100 * (1 / 5 * 1 / 8 * 1 / 12 * 1 / 16) ** 0.25
    assert score(["a a a a a"], [["a b c d e"]]) == pytest.approx(expected)
    assert score(["x"], [["a"]]) == 0


def test_takes_the_best_of_several_references_and_pools_the_corpus():
    assert score(["a b c d"], [["x y", "a b c d"]]) == pytest.approx(100)
    # pooled over two replies: 1-grams 5/6, 2-grams 3/4, 3-grams 2/2, 4-grams 1/1
    value = score(["a b c d", "e x"], [["a b c d"], ["e f"]])
    assert value == pytest.approx(100 * (5 / 6 * 3 / 4) ** 0.25)


def test_references_may_vary_in_number():
    found = corpus_bleu(["a b c d", "e x"], [["a b c d"], ["e f", "e x y"]])
    # of the second reply e, x and "e x" stand in one reference or the other: nothing is missing;
    # its length 2 is nearest to that of "e f", so there is no penalty
    assert found.score == pytest.approx(100)
    assert "nrefs:var" in found.signature
    # without the longer reference x is wrong, whatever stands in the other reply's place
    shorter = corpus_bleu(["e x", "a b c d"], [["e f"], ["a b c d", "z"]])
    assert shorter.score == pytest.approx(100 * (5 / 6 * 3 / 4) ** 0.25)


def test_signature_is_sacrebleus_own():
    found = corpus_bleu(["a b"], [["a b", "c"]]).signature
    assert found == f"nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}"


def test_each_language_of_a_mixed_set_is_scored_by_itself():
    english, chinese = (
        (["a b c d e"], [["a b c d f"]]),
        (["我今天很好", "好的好的"],) + ([["我今天很忙"], ["好的好的"]],),
    )
    found = corpus_bleu(english[0] + chinese[0], english[1] + chinese[1])
    parts = {"en": score(*english), "zh": score(*chinese)}
    assert found.by_language == pytest.approx(parts)
    assert found.score == pytest.approx((parts["en"] + 2 * parts["zh"]) / 3)
    assert "en 1 replies: nrefs:1|case:mixed|eff:no|tok:13a" in found.signature
    assert "zh 2 replies: nrefs:1|case:mixed|eff:no|tok:zh" in found.signature


def test_a_few_english_answers_make_no_second_language():
    many = round(1 / MINOR_SHARE) + 1
    found = corpus_bleu(["我很好"] * many + ["OK"], [["我很好"]] * many + [["OK"]])
    assert found.by_language == {} and found.signature.count("tok:") == 1


def test_the_language_is_that_of_the_references():
    # a Chinese reply to an English question must not choose how it is scored
    assert "tok:13a" in corpus_bleu(["我很好"], [["a b c d"]]).signature


def test_nothing_to_score():
    assert corpus_bleu([], []) == (0.0, "", {})
    assert score([""], [["a"]]) == 0
