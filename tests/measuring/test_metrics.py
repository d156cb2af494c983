# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Metrics against numbers worked out by hand."""

from __future__ import annotations

import json
import math

import pytest
import sacrebleu

from tfchat_hf.examples.questions import Question
from tfchat_hf.measuring import metrics
from tfchat_hf.measuring.metrics import (
    MINOR_SHARE,
    copy_rate,
    corpus_bleu,
    describe_answers,
    describe_replies,
    dull_share,
    echo_share,
    language_mismatch,
)


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


# --------------------------------------------------------------------------------------------- BLEU


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


# ------------------------------------------------------------------------------------------- faults


def test_a_reply_is_dull_whatever_its_punctuation_and_case() -> None:
    replies = ["我不知道。", "I DON'T know!!", "我不知道他在哪里", "Noodles, I think", "哈哈！"]
    assert dull_share(replies) == 3 / 5


def test_a_reply_that_training_has_most_often_is_dull_too() -> None:
    assert dull_share(["吃面吧", "吃饭吧！"], frequent=["吃饭吧"]) == 0.5
    assert dull_share([]) == 0.0


def test_the_wrong_language_counts_and_mixed_texts_do_not() -> None:
    questions = ["你叫什么名字", "What is your name?", "你好吗", "How are you", "6"]
    replies = ["My name is Bob", "我叫小明", "我喜欢 iPhone", ":)", "seven"]
    assert language_mismatch(replies, questions) == 2 / 5


def test_all_figures_of_one_set_of_replies_stand_together() -> None:
    questions = [Question(["早", "你吃了吗"], [1], ["吃了"]), Question(["你好"], [2], ["你好"])]
    found = describe_answers(["吃吃了了", "Hello there"], questions)
    assert found["stutter"] == 0.5 and found["language_mismatch"] == 0.5 and found["dull"] == 0
    plain = describe_replies(["吃吃了了", "Hello there"], [["吃了"], ["你好"]])
    assert {name: found[name] for name in plain} == plain


# --------------------------------------------------------------------------- copies of the question


@pytest.mark.parametrize(
    ("reply", "turns", "rate"),
    [
        ("I like red shoes", ["do you like red shoes"], 3 / 4),
        ("I like red", ["like red"], 0),  # two words are no copy
        ("LIKE, red: shoes!", ["like red shoes?"], 1),  # case and punctuation do not matter
        ("你喜欢", ["你喜欢什么"], 0),  # three characters are no copy
        ("你喜欢什么呢", ["你喜欢什么"], 5 / 6),
        ("看NBA吗", ["你看NBA吗"], 1),  # three words, of which one is not Chinese
        ("a b c", ["a b", "b c"], 0),  # nobody said all of it
        ("a b c", ["x", "a b c", "y"], 1),  # an older turn counts too
        ("a b c d a b c", ["a b c"], 6 / 7),  # twice copied counts twice
        ("", ["a b c"], 0),
        ("a b c", [], 0),
    ],
)
def test_copied_words_by_hand(reply: str, turns: list[str], rate: float) -> None:
    assert copy_rate([reply], [turns]) == pytest.approx(rate)


def test_the_rate_is_of_all_words_not_of_all_replies() -> None:
    replies = ["a b c", "d e f g h i j"]
    assert copy_rate(replies, [["a b c"], ["x"]]) == pytest.approx(3 / 10)


def test_an_echo_is_the_newest_turn_again() -> None:
    replies = ["你好！", "first", "Yes.", ""]
    contexts = [["你好"], ["first", "second"], ["no", "yes?"], ["..."]]
    assert echo_share(replies, contexts) == 2 / 4


def test_nothing_is_copied_by_nobody() -> None:
    assert copy_rate([], []) == echo_share([], []) == 0
