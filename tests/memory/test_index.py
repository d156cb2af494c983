# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The nearest question is the nearest by the cosine, as one works it out on paper."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from safetensors import safe_open

from tfchat_hf.memory.index import INDEX_FILE, QuestionIndex, normalize

QUESTIONS = ["好", "好吗", "what time is it", "今天天气怎么样"]


def test_the_cosine_is_the_one_worked_out_by_hand() -> None:
    index = QuestionIndex.build(["好", "好吗"])
    # 好 stands in both questions: 1 + ln(3/3) = 1; 吗 and 好吗 in one: 1 + ln(3/2) = 1.405465.
    length = math.sqrt(1 + 2 * 1.405465**2)
    assert dict(index.nearest("好", 2)) == pytest.approx({0: 1.0, 1: 1 / length}, abs=1e-5)


def test_what_no_question_has_makes_every_question_less_similar() -> None:
    index = QuestionIndex.build(["好", "好吗"])
    # 啊 and 好啊 stand nowhere: 1 + ln 3 = 2.098612 each.
    asked = math.sqrt(1 + 2 * 2.098612**2)
    assert index.nearest("好啊", 1) == [(0, pytest.approx(1 / asked, abs=1e-5))]


def test_equal_questions_come_in_the_order_of_their_places() -> None:
    index = QuestionIndex.build(["晚安", "再见", "再见。", "再见！"])
    assert [place for place, _ in index.nearest("再见", 9)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("question", "normalized"),
    [
        ("I don't KNOW!", " i dont know "),
        ("你好，你是谁？", "你好你是谁"),
        ("我用ｉＰｈｏｎｅ手机", "我用 iphone 手机"),
        ("哈哈哈哈哈", "哈哈"),
        ("1000", " 1000 "),
        ("……", "……"),
        ("", ""),
    ],
)
def test_what_does_not_change_a_question_is_levelled(question: str, normalized: str) -> None:
    assert normalize(question) == normalized


def test_nothing_is_near_where_nothing_is_shared() -> None:
    index = QuestionIndex.build(QUESTIONS)
    assert index.nearest("zzz", 3) == []
    assert index.nearest("", 3) == []
    assert QuestionIndex.build([]).nearest("好", 3) == []


def test_a_question_of_nothing_but_common_runs_is_found() -> None:
    # 我 stands in every question, so it counts only where there is nothing else.
    index = QuestionIndex.build(["我", *(f"我{chr(0x5000 + i)}" for i in range(300))])
    assert index.nearest("我", 5) == [(0, pytest.approx(1.0))]


def test_the_parts_of_a_long_list_know_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = QuestionIndex.build(QUESTIONS)
    monkeypatch.setattr("tfchat_hf.memory.index._QUESTIONS_AT_ONCE", 1)
    one_by_one = QuestionIndex.build(QUESTIONS)
    for question in QUESTIONS:
        assert one_by_one.nearest(question, 4) == at_once.nearest(question, 4)


def test_what_was_saved_finds_the_same_and_holds_arrays_only(tmp_path: Path) -> None:
    index = QuestionIndex.build(QUESTIONS)
    index.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [INDEX_FILE]
    loaded = QuestionIndex.load(tmp_path)
    assert len(loaded) == len(QUESTIONS)
    for question in ("今天怎么样", "what is it", "好"):
        assert loaded.nearest(question, 4) == index.nearest(question, 4)
    with safe_open(tmp_path / INDEX_FILE, "numpy") as file:
        assert {"grams", "places", "counts"} <= set(file.keys())


def test_a_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    index = QuestionIndex.build(QUESTIONS)
    save_file({"grams": index.grams}, tmp_path / INDEX_FILE)
    with pytest.raises(ValueError, match="no `starts`"):
        QuestionIndex.load(tmp_path)
