# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The scheme word: jieba's cuts in a plain tokenizer.json."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import jieba
import pytest
from tokenizers import Tokenizer

from tfchat_hf.text.tokenizer_training import train_tokenizer
from tfchat_hf.text.vocabulary.dictionary_words import train_words
from tfchat_hf.text.vocabulary.pieces import SMALLEST_VOCABULARY, count_words
from tfchat_hf.text.vocabulary.word_cutter import load_word_cutter

TEXTS = [
    "今天天气很好，我们去公园散步。",
    "你会说英语吗？我只会说一点点。",
    "研究生命的起源是很有意思的工作！",
    "他买了一件T恤，吃饭AA制。",
    "乒乓球拍卖完了，明天再来吧。",
    "憂鬱的烏龜喜歡聽臺灣話",
    "南京市长江大桥",
    "中国人民银行行长在北京大学生活动中心讲话",
]


@pytest.fixture(scope="module")
def whole() -> Tokenizer:
    cutter = load_word_cutter()
    return train_words(count_words(TEXTS * 2, cutter.cut), 2000, cutter, whole_dictionary=True)


@pytest.mark.parametrize("text", TEXTS)
def test_the_whole_dictionary_gives_jiebas_words(whole: Tokenizer, text: str) -> None:
    words = [word for word in jieba.cut(text, HMM=False) if not word.isascii()]
    assert [word for word in whole.encode(text).tokens if not word.isascii()] == words


def test_a_small_vocabulary_cuts_the_same_words_finer() -> None:
    tokenizer = train_tokenizer(TEXTS * 3, "word", SMALLEST_VOCABULARY + 120).backend_tokenizer
    for text in TEXTS:
        cuts = {end for _, end in tokenizer.encode(text, add_special_tokens=False).offsets}
        place = 0
        for word in jieba.cut(text, HMM=False):
            place += len(word)
            assert place in cuts or re.search("[A-Za-z]", word)


def test_no_word_without_its_characters() -> None:
    vocabulary = set(train_tokenizer(TEXTS * 3, "word", SMALLEST_VOCABULARY + 60).get_vocab())
    words = [piece for piece in vocabulary if len(piece) > 1 and not piece.isascii()]
    assert words and all(set(word) <= vocabulary for word in words)


def test_what_saves_most_is_taken_first() -> None:
    texts = ["散步"] * 9 + ["公园"] * 5 + ["天气"] * 2 + [" tea"] * 40
    vocabulary = train_tokenizer(texts, "word", SMALLEST_VOCABULARY + 3 + 4 + 2).get_vocab()
    assert {" tea", "散步", "公园"} <= set(vocabulary) and "天气" not in vocabulary


def test_the_users_words_are_always_there(tmp_path: Path) -> None:
    dictionary = tmp_path / "mine.txt"
    dictionary.write_text("云原生 9000\n", encoding="utf-8")
    for user_dictionaries, tokens in (([], ["云", "原生"]), ([dictionary], ["云原生"])):
        tokenizer = train_tokenizer(
            [*TEXTS, "云", "云", "原生", "原生"], "word", 400, user_dictionaries=user_dictionaries
        )
        assert tokenizer.tokenize("云原生") == tokens


def test_a_users_word_of_one_letter_has_its_token_already(tmp_path: Path) -> None:
    dictionary = tmp_path / "mine.txt"
    dictionary.write_text("A 5\n好 5\n云原生 9\n", encoding="utf-8")
    tokenizer = train_tokenizer(TEXTS * 2, "word", 400, user_dictionaries=[dictionary])
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))
    assert tokenizer.decode(tokenizer("A好云原生")["input_ids"], True) == "A好云原生"
    assert tokenizer.convert_tokens_to_ids("A") < SMALLEST_VOCABULARY


def test_pieces_of_letters_share_the_vocabulary() -> None:
    cutter = load_word_cutter()
    words = Counter({" the": 50, " then": 20, "我们": 40, "我": 9})
    tokenizer = train_words(words, SMALLEST_VOCABULARY + 8, cutter)
    assert tokenizer.encode(" then我们 the").tokens == [" then", "我们", " the"]
