# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Words: jieba's for Chinese, letters with their blank, the user's own."""

from __future__ import annotations

from pathlib import Path

import jieba
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfchat_hf.text.vocabulary.word_cutter import WordCutter, load_word_cutter


@pytest.fixture(scope="module")
def cutter() -> WordCutter:
    return load_word_cutter()


MIXED_TEXT = st.text() | st.text(st.sampled_from("T恤AA制我们穿唱 1a,。'tA股"), max_size=30)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MIXED_TEXT)
def test_words_join_to_the_text(cutter: WordCutter, text: str) -> None:
    assert "".join(cutter.cut(text)) == text


@pytest.mark.parametrize(
    "text",
    ["今天我们去公园散步好吗", "他来到了网易杭研大厦", "研究生命的起源", "龘靐我們喜歡聽臺灣話"],
)
def test_chinese_is_cut_as_jieba_cuts_it(cutter: WordCutter, text: str) -> None:
    assert cutter.cut(text) == jieba.lcut(text, HMM=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don't know", ["I", " don", "'t", " know"]),
        ("他穿T恤", ["他", "穿", "T恤"]),
        ("吃饭 AA制，OK？", ["吃饭", " ", "AA制", "，", "OK", "？"]),
        ("用iPhone手机", ["用", "iPhone", "手机"]),
        ("in 2024年", ["in", " 202", "4", "年"]),
        ("好  的", ["好", " ", " ", "的"]),
    ],
)
def test_other_words(cutter: WordCutter, text: str, words: list[str]) -> None:
    assert cutter.cut(text) == words


def test_the_users_words_are_cut_as_words(cutter: WordCutter, tmp_path: Path) -> None:
    text = "云原生数据湖很好"
    assert "云原生" not in cutter.cut(text)
    dictionary = tmp_path / "mine.txt"
    dictionary.write_text("\ufeff云原生 9000 n\n\n数据湖\n", encoding="utf-8")
    mine = load_word_cutter([dictionary])
    assert mine.cut(text) == ["云原生", "数据湖", "很", "好"]
    assert mine.user_words == ["云原生", "数据湖"]
    assert mine.frequencies["云原生"] == 9000
    assert "云原生" not in cutter.cut(text), "another cutter must not learn them"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("好词 5 n\n新词 many things n\n".encode(), "line 2.*many things"),
        (b"\xff\xfe", "UTF-8"),
        (None, "missing.txt"),
    ],
)
def test_bad_dictionaries_are_named(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "missing.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=says):
        load_word_cutter([path])
