# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Figures of marked sheets, against numbers worked out by hand or printed in textbooks."""

from __future__ import annotations

import pytest

from tfchat_hf.judging.scores import (
    Case,
    Group,
    agreement_of,
    agreements,
    difference_of,
    group_cases,
    shares_of,
    sign_test,
    wilson,
)
from tfchat_hf.judging.sheet import make_key


def cases(*marks: int) -> list[Case]:
    """One judge's."""
    return [Case(float(mark > 0), float(mark == 2), True, (mark,)) for mark in marks]


def test_wilsons_interval_is_the_one_of_the_textbook() -> None:
    # 10 of 100 (Brown, Cai and DasGupta, 2001).
    assert wilson(0.1, 100) == pytest.approx((0.0552, 0.1744), abs=5e-5)
    assert wilson(0, 20).low == 0 and wilson(1, 20).high == pytest.approx(1)


def test_the_sign_test_is_that_of_a_fair_coin() -> None:
    # Two sides of 12 throws with at most 2 heads: 2 (1 + 12 + 66) / 4096.
    assert sign_test(10, 2) == sign_test(2, 10) == pytest.approx(158 / 4096)
    assert sign_test(1, 0) == sign_test(3, 3) == sign_test(0, 0) == 1


def test_a_paired_difference_by_hand() -> None:
    # 20 questions: 5 won, 1 lost. Half a question more in each cell: 5.5/22 and 1.5/22, so the
    # variance is (0.25 + 0.06818 - 0.18182^2) / 22 = 0.11384^2.
    one = cases(*[2] * 5, 0, *[1] * 14)
    other = cases(*[0] * 5, 1, *[2] * 14)
    found = difference_of(one, other)
    assert (found.value, found.better, found.worse) == (pytest.approx(0.2), 5, 1)
    assert found.interval == pytest.approx((-0.0413, 0.4050), abs=5e-5)
    assert found.p == pytest.approx(2 * 7 / 64)


def test_systems_that_do_alike_may_still_differ_by_something() -> None:
    found = difference_of(cases(*[0] * 20), cases(*[0] * 20))
    assert found.value == 0 and found.p == 1
    assert found.interval == pytest.approx((-1.96 / 22, 1.96 / 22), abs=1e-3)


def test_kappa_is_the_one_of_the_textbook() -> None:
    # 20 times both yes, 15 times both no, 5 and 10 times one of them: 0.7 seen, 0.5 by chance.
    one = [1] * 20 + [0] * 15 + [1] * 5 + [0] * 10
    other = [1] * 20 + [0] * 15 + [0] * 5 + [1] * 10
    found = agreement_of(one, other)
    assert found.replies == 50 and found.acceptable == pytest.approx(0.7)
    assert found.acceptable_kappa == pytest.approx(0.4)
    assert (found.marks, found.marks_kappa) == (found.acceptable, found.acceptable_kappa)


def test_kappa_of_three_marks_by_hand() -> None:
    # Alike in 3 of 4; by chance 1/4 1/4 (zero) + 2/4 1/4 (one) + 1/4 2/4 (two) = 5/16.
    found = agreement_of([0, 1, 1, 2], [0, 1, 2, 2])
    assert found.marks == pytest.approx(3 / 4)
    assert found.marks_kappa == pytest.approx((3 / 4 - 5 / 16) / (1 - 5 / 16))
    assert found.acceptable == found.acceptable_kappa == 1


def test_there_is_no_kappa_where_nothing_but_one_mark_was_given() -> None:
    found = agreement_of([1, 1], [1, 2])
    assert found.acceptable == 1 and found.acceptable_kappa is None
    assert found.marks == 0.5 and found.marks_kappa == 0


def test_each_two_of_three_judges_are_compared() -> None:
    found = agreements({"a": [0], "b": [1], "c": [1]})
    assert {pair: agreement.marks for pair, agreement in found.items()} == {
        ("a", "b"): 0,
        ("a", "c"): 0,
        ("b", "c"): 1,
    }


def test_a_reply_counts_by_the_mean_of_the_judges() -> None:
    found = shares_of([Case(0.5, 0.0, True, (0, 1)), Case(1.0, 0.5, False, (1, 2))])
    assert (found.asked, found.acceptable, found.good) == (2, 0.75, 0.25)
    assert found.language_kept == 0.5 and found.interval == wilson(0.75, 2)
    assert found.by_judge == [(0.5, 0.0), (1.0, 0.5)]


def test_questions_are_grouped_by_language_and_turns_and_a_shared_reply_counts_for_both() -> None:
    questions = [["你好"], ["hi", "Hello!", "why?"]]
    replies = {"a": ["你好呀", "为什么"], "b": ["你好呀", "because"]}
    key = make_key(questions, replies, seed=1)
    marks = {"你好呀": 2, "为什么": 0, "because": 1}

    def guess(turns) -> str:
        return "en" if turns[0].isascii() else "zh"

    found = group_cases(key, [[marks[row.reply] for row in key.rows]], guess)
    one, several = Group("zh", "one turn"), Group("en", "several turns")
    assert list(found) == [several, one]
    assert found[one]["a"] == found[one]["b"] == [Case(1, 1, True, (2,))]
    assert found[several] == {"a": [Case(0, 0, False, (0,))], "b": [Case(1, 0, True, (1,))]}
