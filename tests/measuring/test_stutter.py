# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What is a stutter and what is how people talk, in both languages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import data_builders
from tfchat_hf.measuring.stutter import has_stutter, stutter_share

STUTTERS = [
    "跑跑好跑跑跑",
    "我不知道我也不知道我不知道",
    "那就就去公园",
    "你你可以买",
    "我在在门上",
    "这是你的的书",
    "看看看看看书吧看看看",
    "好吃好吃好",
    "我想去那里我想去那里",
    "我想去那里了我想去那里",
    "我怎么怎么么办",
    "把把门关上",
    "算好好好好好算好",
    "I think the the dog is here",
    "I want to I want to go",
    "do you like it so do you like it",
    "it is it is",
]
ORDINARY = [
    "哈哈哈哈，谢谢，看看吧",
    "呵呵",
    "嘻嘻嘻",
    "试试看，慢慢来",
    "天天等等妈妈",
    "高高兴兴，开开心心，明明白白",
    "咱们研究研究，休息休息",
    "看一看，试一试，好不好，是不是",
    "好好好，对对对，不不不",
    "我现在在家，实在受不了了",
    "懒洋洋的，亮晶晶的",
    "想吃什么就吃什么",
    "爱看什么看什么",
    "一步一步，一小步一小步来",
    "对不起，对不起",
    "好的，好的，好的",
    "么么哒",
    "very very good, bye bye",
    "no no, ha ha, so so",
    "I know that that is 5 5 5",
    "Thank you thank you",
    "No, no! Well... well.",
    "day by day, step by step, more and more",
    "",
    "！！！。。。",
]


@pytest.mark.parametrize("reply", STUTTERS)
def test_a_stutter_is_found(reply: str) -> None:
    assert has_stutter(reply)
    assert has_stutter(f"今天天气好，{reply}。再见")


@pytest.mark.parametrize("reply", ORDINARY)
def test_ordinary_doubling_is_none(reply: str) -> None:
    assert not has_stutter(reply)


def test_of_the_small_talk_that_people_wrote_less_than_half_a_percent_stutters() -> None:
    folder = Path(data_builders.__file__).parent / "corpora" / "small_talk"
    texts = set()
    for path in folder.glob("*/[a-s]*.jsonl"):
        rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        texts.update(row["reply"] for row in rows if isinstance(row.get("reply"), str))
    assert len(texts) > 5000
    assert stutter_share(sorted(texts)) < 0.005


def test_the_share_is_over_all_replies() -> None:
    assert stutter_share(["我我们走吧", "好", "the the", "ok"]) == 0.5
    assert stutter_share([]) == 0.0
