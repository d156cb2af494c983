# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What of a text is compared, and what short texts are found by."""

from __future__ import annotations

import pytest

from data_builders.selecting.wording import skeleton, tokens


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Don't go at 10:30!", "do not go at 10∶30"),
        ("请问，二十一位木匠们都在吗？谢谢。", "21 位 木 匠 都 在 吗"),
        ("我们和你们", "我 们 和 你 们"),
        ("有什么不同", "有 啥 异"),
        ("第一座，第二十座", "第 1 座 第 20 座"),
        ("sooo good，yaaay", "so good yay"),
        ("wait for unit A", "wait for unit 𝐀"),
        ("5美元", "5 $"),
    ],
)
def test_a_text_is_folded_into_tokens(text, folded):
    assert tokens(text) == tuple(folded.split())


def test_short_dialogues_that_differ_in_light_words_share_a_skeleton():
    assert skeleton(["香啊", "喷了香水"]) == skeleton(["好香啊", "喷香水了"]) != 0
    assert skeleton(["hi", "what's up?"]) == skeleton(["Hey!", "What up."]) != 0
    assert skeleton(["船来了", "好"]) != skeleton(["车来了", "好"])
    # Nothing is left of the one, and the other is found by its n-grams.
    assert skeleton(["嗯嗯", "好的"]) == skeleton(["花" * 30, "草" * 30]) == 0
