# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What stands for something that is missing, and what only looks like it."""

from __future__ import annotations

import pytest

from data_builders.placeholders import (
    find_placeholder,
    is_missing_turn,
    is_placeholder,
    placeholder_filler,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("%robotname%很好", "%robotname%"),
        ("告诉XXX吧", "XXX"),
        ("比如xx呢", "xx"),
        ("Dear {first_name}, hi", "{first_name}"),
        ("你好@[wname]", "@[wname]"),
        ("我是******", "******"),
        ("是Ḉ，你认识吗", "Ḉ"),
        ("有`號", "`"),
        ("XXL的衣服打5%到10%折", ""),
        ("**bold** {br} f(xx) ooxx", ""),
        ("Việt Nam在哪，pinyin是ǹ", ""),
    ],
)
def test_placeholders_are_told_from_words(text: str, found: str) -> None:
    assert find_placeholder(text) == found


MISSING = (
    "#N/A|#REF!|#NAME?|NULL|null|nan|NaN|N/A|[deleted]|[removed]|<image>|&lt;image&gt;|[图片]|"
    "<noinput>|<Media omitted>|=VLOOKUP(A2,B:C,2,0)|=A1+B1|=-B2|如题|RT|同上"
)

WORDS = "Nan|Removed|deleted it|图片|image|=_=|= 3|=)|=D|N|5/10|题|nanny|#1|A1"


@pytest.mark.parametrize("text", MISSING.split("|"))
def test_what_stands_for_nothing_is_known_as_a_cell_and_as_a_turn(text: str) -> None:
    assert is_placeholder(text) and is_missing_turn(text) and is_missing_turn(text, ("怎么办",))


@pytest.mark.parametrize("text", "|无|没有|None|暂无|无输入|-|nil|\\N| ".split("|"))
def test_what_fills_a_field_may_answer_a_question(text: str) -> None:
    assert is_placeholder(text)
    assert not is_missing_turn(text)


@pytest.mark.parametrize("text", WORDS.split("|"))
def test_words_are_no_placeholders(text: str) -> None:
    assert not is_placeholder(text)
    assert not is_missing_turn(text)


@pytest.mark.parametrize("asked", ["Write an Excel formula.", "求和的公式怎么写？"])
def test_a_formula_that_was_asked_for_is_a_reply(asked: str) -> None:
    assert not is_missing_turn("=SUM(A1:A9)", (asked,))
    assert is_missing_turn("=SUM(A1:A9)", (asked, "And then?"))


def test_longer_placeholders_are_filled_first() -> None:
    fill = placeholder_filler({"XX": "某人", "XX先生": "老王"})
    assert fill("XX先生和XX") == "老王和某人"
    assert fill("XXL") == "XXL"
