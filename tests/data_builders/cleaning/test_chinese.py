# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The steps on Chinese: blanks that split it, the width of its marks, its script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.cleaning.chinese import (
    join_segmented,
    load_simplifier,
    looks_segmented,
    unify_punctuation,
)


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("我 用 iPhone 12 手机 听 Taylor Swift 。", "我用iPhone 12手机听Taylor Swift。"),
        ("早 上 好 ~ ~ ~ 新 年 快 乐 ！ ！", "早上好~~~新年快乐！！"),
        ("这个 价格 涨 了 2 . 5 倍 , 真的 ?", "这个价格涨了2.5倍,真的?"),
        ("他 说 hello , my friend ! 对 吧", "他说hello, my friend!对吧"),
        ("O K 啦 1 8 岁", "OK啦18岁"),
        ("iPhone ( 新 的 ) 好", "iPhone (新的)好"),
        ("It is fine , really .", "It is fine , really ."),
        ("He said “yes” “no” and left", "He said “yes” “no” and left"),
        ("It cost “ten” … “twelve” pounds", "It cost “ten” … “twelve” pounds"),
        ("他 说 He said “yes” “no” and left 。", "他说He said “yes” “no” and left。"),
        ("他 说 “ 好 的 ” ， 走 了", "他说“好的”，走了"),
        ("今天  天气 好", "今天天气好"),
    ],
)
def test_segmented_chinese_is_joined_and_english_spacing_kept(text: str, joined: str) -> None:
    assert join_segmented(text) == joined


@given(words=st.lists(st.text("天地人山水火木金", min_size=1, max_size=3), min_size=2, max_size=12))
def test_joining_undoes_segmentation_by_words_and_characters(words: list[str]) -> None:
    text = "".join(words)
    assert join_segmented(" ".join(words)) == text
    assert join_segmented(" ".join(text)) == text


@pytest.mark.parametrize(
    ("texts", "segmented"),
    [
        (["我 们 走 吧", "好 的 ， 等 我 一 下"], True),
        (["我们 今天 去 公园 ， 好 吗", "好的", "下午 三点 见"], True),
        (["選 A 還 是 選 B", "台 北 好 玩 嗎 -"], True),
        (["爸爸  你吃饭了没有", "我早就吃过了 谢谢你", "那就好"], False),
        (["第一季 第二集", "他们在岛上找到了一架飞机"], False),
        (["How are you ?", "Fine , thanks ."], False),
        ([], False),
    ],
)
def test_segmentation_is_told_from_pauses(texts: list[str], segmented: bool) -> None:
    assert looks_segmented(texts) is segmented


@pytest.mark.parametrize(
    ("text", "unified"),
    [
        ("在吗?在的,好!是;不:对", "在吗？在的，好！是；不：对"),
        ("你好, 你呢. 我很好.", "你好，你呢。我很好。"),
        ("那...好吧..", "那……好吧……"),
        ("...你说呢?!", "……你说呢？！"),
        ("我有3.5米,他有1,000米", "我有3.5米，他有1,000米"),
        ("约翰.史密斯上了百度.com,对吧", "约翰.史密斯上了百度.com，对吧"),
        ("八点半到11:30,好吗", "八点半到11:30，好吗"),
        ("网址是http://a.example/?a=1,b;c 好吗?", "网址是http://a.example/?a=1,b;c 好吗？"),
        ("你会说English?我用iPhone,很好", "你会说English？我用iPhone，很好"),
        ("好(笑)吧（啊) f(好) (-皿-) (John)", "好（笑）吧（啊） f(好) (-皿-) (John)"),
        ("开心:D 难过:( 眨眼;)", "开心:D 难过:( 眨眼;)"),
        ("好。?", "好。？"),
        ("写成```print(你好,吗)```", "写成```print(你好,吗)```"),
        ("Yes！I am， really。", "Yes! I am, really."),
        ("A（b）c：1，000 at 12：30", "A (b) c: 1,000 at 12:30"),
        ("The word 好, they say， is good", "The word 好, they say， is good"),
        ("3?", "3?"),
        ("そうですか?はい,元気です", "そうですか?はい,元気です"),
    ],
)
def test_marks_have_the_width_of_their_language(text: str, unified: str) -> None:
    assert unify_punctuation(text) == unified


@given(text=st.text("你好ab1 ?!,.:;()？，。（）…'\"", max_size=16))
def test_unified_marks_stay_unified(text: str) -> None:
    once = unify_punctuation(text)
    assert unify_punctuation(once) == once


def test_traditional_becomes_simplified_and_simplified_stays() -> None:
    pytest.importorskip("opencc")
    simplify = load_simplifier()
    assert simplify("我看著妳的頭髮，這本著作很顯著") == "我看着你的头发，这本著作很显著"
    assert simplify("这是什么？显著的著作。") == "这是什么？显著的著作。"
