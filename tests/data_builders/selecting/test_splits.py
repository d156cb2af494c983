# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Sides and folded questions, against slow code that takes the definitions word by word."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.selecting.splits import (
    SPLITS,
    check_fractions,
    first_question,
    normalize_question,
    question_key,
    reply_places,
    sides_of,
    split_of,
)

# Any character, and often those that folding is about.
texts = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from(
            "aAbBßİ１２Ａｂ天气。，！？?!. \t\u3000_-…～~^+=$<>|½ﬁ㎏é\u0301\u200b、（）@#"
        ),
    ),
    max_size=12,
)
key_lists = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20)


@given(texts)
@example("1 + 1 = ？")
@example("_")
def test_a_folded_text_has_words_or_signs_alone(text):
    folded = normalize_question(text)
    kinds = {unicodedata.category(c)[0] for c in folded}
    assert bool(folded) == bool(text.strip()) and (not kinds & set("ZC") or folded == text.strip())
    assert normalize_question(text.strip() + " ") == folded


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("add 1.5 litres", "add 15 litres"), ("meet at 10:30", "meet at 1030"),
        ("it is -5 outside", "it is 5 outside"), ("气温-5度", "气温5度"),
        ("learn C", "learn C#"), ("learn C#", "learn C++"), ("路易XII世", "路易XIII世"),
        ("3/4", "34"), ("$1.50", "$150"), ("1234 + x", "1234 - x"), ("x²", "x2"), ("①", "1"),
        ("a!=b", "a=b"), ("a≠b", "a=b"), ("3*4", "34"), ("50%", "50"), ("order 2 3", "order 23"),
        ("好😀", "好😡"), ("好", "好😡"), ("2020-01", "202001"), (".5", "5"),
        ("learn .NET", "learn NET"), ("plot f(x)", "plot f x"),
    ],
)  # fmt: skip
def test_marks_that_mean_something_keep_questions_apart(one, other):
    assert normalize_question(one) != normalize_question(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,000", "1000"), ("10：30", "10:30"), ("1，2", "1, 2"), ("COVID-19", "covid 19"),
        ("x²", "x^2"), ("a ≠ b", "a!=b"), ("it's", "its"), ("1. tea", "1 tea"), ("hiii", "hiiiii"),
        ("Ⅻ", "XII"), ("talk #5", "talk 5"), ("- 5", "5"),
    ],
)  # fmt: skip
def test_marks_that_mean_nothing_do_not(one, other):
    assert normalize_question(one) == normalize_question(other)


@given(st.lists(st.sampled_from(["how", "ARE", "你", "好", "c++"]), min_size=1))
def test_blanks_case_width_and_punctuation_change_nothing(words):
    wide = {32: 0x3000} | {code: code + 0xFEE0 for code in range(33, 127)}
    plain = normalize_question("".join(words))
    assert normalize_question(" ".join(words).upper() + " ?!") == plain
    assert normalize_question("“" + ", ".join(words).translate(wide) + "”……") == plain


def test_what_means_something_else_stays_apart():
    apart = [
        "c",
        "c++",
        "c#1",
        "1+1",
        "11",
        "12",
        "resume",
        "résumé",
        "2000",
        "200",
        "!",
        "?",
        "😀",
        "😂",
    ]
    assert len({normalize_question(text) for text in apart}) == len(apart)


def test_emoji_and_tildes_change_no_question_of_words():
    spellings = ["你好", "你好~", "你好～～", "你好😀", "👋🏽 你好 ❤️", "你好☆"]
    assert {normalize_question(text) for text in spellings} == {"你好"}


def test_long_repetitions_are_two():
    assert normalize_question("哈哈哈哈！") == normalize_question("哈哈哈") == "哈哈"
    assert normalize_question("10000 x 11") == "10000x11"
    assert normalize_question("哈") == "哈" and normalize_question("noooo") == "noo"


# --- sides ----------------------------------------------------------------------------------


@given(key_lists, st.floats(0, 0.49), st.floats(0, 0.49))
@example([2**64 - 1, 0], 0.05, 0.0)
@example([2**64 - 1, 0], 0.0, 0.05)
@example([2**64 - 1, 0], 0.0, 0.0)
def test_validation_has_the_lowest_keys_and_test_the_highest(keys, validation, test):
    sides = sides_of(np.array(keys, dtype=np.uint64), validation, test).tolist()
    for key, side in zip(keys, sides, strict=True):
        # A key counts as far as a float tells it: 53 bits of the 64.
        share = float(key) / 2**64
        allowed = {"validation"} if share < validation else {"train"}
        if test and share >= 1 - test:
            allowed = {"test"}
        assert SPLITS[side] in allowed


@given(key_lists)
def test_a_fraction_of_nothing_puts_nothing_there(keys):
    array = np.array([*keys, 0, 2**64 - 1], dtype=np.uint64)
    assert not sides_of(array, 0.0, 0.0).any()
    assert "test" not in {SPLITS[side] for side in sides_of(array, 0.3, 0.0)}
    assert "validation" not in {SPLITS[side] for side in sides_of(array, 0.0, 0.3)}


@given(key_lists, st.floats(0, 0.4), st.floats(0, 0.4), st.floats(0, 0.09))
def test_a_larger_fraction_takes_from_train_alone(keys, validation, test, more):
    array = np.array(keys, dtype=np.uint64)
    before = sides_of(array, validation, test)
    for after in (
        sides_of(array, validation + more, test),
        sides_of(array, validation, test + more),
    ):
        assert set(before[before != after].tolist()) <= {SPLITS.index("train")}


@given(texts)
def test_one_question_has_one_side_however_it_is_written(text):
    assert split_of(text, 0.3, 0.3) == split_of(f" {text} ", 0.3, 0.3)
    key = np.array([question_key(normalize_question(text))], dtype=np.uint64)
    assert split_of(text, 0.3, 0.3) == SPLITS[sides_of(key, 0.3, 0.3)[0]]


@pytest.mark.parametrize(
    "validation, test, name",
    [
        (-0.01, 0.0, "validation_fraction"),
        (1.0, 0.0, "validation_fraction"),
        (0.0, 1.0, "test_fraction"),
        (0.0, float("nan"), "test_fraction"),
        (0.6, 0.4, "validation_fraction` and `test_fraction"),
    ],
)
def test_fractions_that_leave_nothing_to_train_on(validation, test, name):
    with pytest.raises(UserError, match=name):
        check_fractions(validation, test)


def test_fractions_that_do():
    check_fractions(0.0, 0.0)
    check_fractions(0.5, 0.49)


# --- replies and first questions ------------------------------------------------------------

U, A, S = "user", "assistant", "system"


@pytest.mark.parametrize(
    "roles, places, first",
    [
        ((), [1, 2, 3], "a"),
        ((U, A, U, A), [1, 3], "a"),
        ((S, U, A), [2], "b"),
        # A greeting is no reply, and does not decide the side.
        ((S, A, U, A), [3], "c"),
        ((A, U, A), [2], "b"),
        ((U, A, S, A), [1], "a"),
        # Nothing else to learn from: then the prompt is the question.
        ((S, A), [1], "a"),
        ((A, U), [], "a"),
    ],
)
def test_replies_and_the_question_that_decides(roles, places, first):
    turns = "abcd"[: len(roles) or 4]
    assert reply_places(turns, roles) == places
    assert first_question(turns, roles) == first
