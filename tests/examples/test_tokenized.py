# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Questions in casual spelling: what is added to the training examples and what is not."""

from __future__ import annotations

import pytest
from datasets import Dataset

from tfchat_hf.examples.preparing import PreparedData, prepare_data
from tfchat_hf.examples.tokenized import ids_key, lowercase_without_end_mark
from tfchat_hf.settings.arguments import DataArguments
from tfchat_hf.text.dialogue import encode_context
from tfchat_hf.text.tokenizer_training import train_tokenizer

PAIRS = [
    ("What is AI?", "A field."),
    ("hello", "Hi"),
    ("Hello!", "Good day"),
    ("你好吗？", "还不错。"),
    ("天气", "很好。"),
]


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("What is AI?", "what is ai"),
        ("你好吗？", "你好吗"),
        ("U.S.A. ...", "u.s.a"),
        ("???", "???"),
        ("C++ is hard", "c++ is hard"),
    ],
)
def test_capitals_and_the_mark_at_the_end_go(text: str, typed: str) -> None:
    assert lowercase_without_end_mark(text) == typed


def prepared(add_lowercase_questions: bool) -> PreparedData:
    rows = [
        {"id": str(i), "turns": list(pair), "roles": [], "lang": "en", "source": "t"}
        for i, pair in enumerate(PAIRS)
    ]
    tokenizer = train_tokenizer([text for pair in PAIRS for text in pair], "char", 300, 64)
    dialogues = {"train": Dataset.from_list(rows), "validation": Dataset.from_list(rows[:0])}
    settings = DataArguments(add_lowercase_questions=add_lowercase_questions)
    data = prepare_data(dialogues, tokenizer, settings)
    for row in data.train_augmented:
        assert row["input_ids"] == encode_context(tokenizer, row["context"], 64).input_ids
        assert row["context_key"] == ids_key(row["input_ids"])
    return data


def test_only_new_spellings_are_added_with_their_replies() -> None:
    data = prepared(True)
    added = data.train_augmented.select(range(len(PAIRS), len(data.train_augmented)))
    # "Hello!" is not added as "hello": the corpus answers that otherwise.
    assert list(added["context"]) == [["what is ai"], ["你好吗"]]
    assert list(added["reply"]) == ["A field.", "还不错。"]
    assert len(data.train) == len(PAIRS)  # what recall is measured on stays the corpus


def test_without_the_setting_nothing_is_added() -> None:
    data = prepared(False)
    assert len(data.train_augmented) == len(data.train) == len(PAIRS)
