# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Questions with all their answers, compared with a search in the plainest words."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from datasets import Dataset, concatenate_datasets
from transformers import PreTrainedTokenizerBase

from tfchat_hf.examples import questions as questions_file
from tfchat_hf.examples.preparing import PreparedData, prepare_data
from tfchat_hf.examples.questions import (
    Question,
    collect_questions,
    decode_reply,
    most_frequent_reply,
    random_replies,
)
from tfchat_hf.settings.arguments import DataArguments
from tfchat_hf.text.tokenizer_training import train_tokenizer

WORDS = ["hi", "你好", "good day", "why?", "because", "嗯", "Hi ", "so what"]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return train_tokenizer(WORDS, "char", 300, 64)


def dialogues(count: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    return Dataset.from_list(
        [
            {
                # The copies of a weight give rows that differ in nothing else.
                "id": "a" * 16 + f"-{i % 3 + 1}",
                "turns": [WORDS[j] for j in rng.integers(0, 8, 4)],
                "roles": [],
                "lang": "mixed",
                "source": "t",
            }
            for i in range(count)
        ]
    )


@pytest.fixture(scope="module")
def data(tokenizer: PreTrainedTokenizerBase) -> PreparedData:
    splits = {"train": dialogues(60, seed=0), "validation": dialogues(60, seed=1)}
    return prepare_data(splits, tokenizer, DataArguments(max_context_turns=2))


def one_by_one(
    examples: Dataset,
    corpus: list[Dataset],
    tokenizer: PreTrainedTokenizerBase,
    limit: int = 0,
    seed: int = 0,
) -> list[Question]:
    """Looks at each row of the corpus in turn."""
    asked: dict[tuple[int, ...], Question] = {}
    for row in examples:
        asked.setdefault(tuple(row["input_ids"]), Question(row["context"], row["input_ids"]))
    if limit and limit < len(asked):
        keys = random.Random(seed).sample(list(asked), limit)
        asked = {key: asked[key] for key in keys}
    for row in (row for split in corpus for row in split):
        question = asked.get(tuple(row["input_ids"]))
        text = decode_reply(tokenizer, row["labels"])
        if question is not None and text not in question.references:
            question.references.append(text)
    return list(asked.values())


@pytest.mark.parametrize(("limit", "seed"), [(0, 0), (7, 0), (7, 3), (10_000, 0)])
def test_questions_are_those_of_a_search_row_by_row(
    data: PreparedData, tokenizer: PreTrainedTokenizerBase, limit: int, seed: int
) -> None:
    corpus = [data.train, data.validation]
    for split in corpus:
        found = collect_questions(split, corpus, tokenizer, limit, seed)
        assert found == one_by_one(split, corpus, tokenizer, limit, seed)
        assert max(len(question.references) for question in found) > 1


def test_questions_do_not_depend_on_how_rows_lie(
    data: PreparedData,
    tokenizer: PreTrainedTokenizerBase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = data.train
    parts = concatenate_datasets([rows.select(range(0, 20)), rows.select(range(20, len(rows)))])
    mixed = rows.shuffle(seed=0)
    monkeypatch.setattr(questions_file, "ROWS_AT_ONCE", 3)
    expected = one_by_one(rows, [rows], tokenizer, limit=9)
    assert collect_questions(parts, [parts], tokenizer, limit=9) == expected
    assert collect_questions(mixed, [mixed], tokenizer) == one_by_one(mixed, [mixed], tokenizer)


def test_a_question_of_the_same_key_but_other_ids_gets_no_answer(
    data: PreparedData, tokenizer: PreTrainedTokenizerBase
) -> None:
    same_key = data.validation.remove_columns("context_key").add_column(
        "context_key", [data.train[0]["context_key"]] * len(data.validation)
    )
    (question,) = collect_questions(data.train.select([0]), [data.train, same_key], tokenizer)
    expected = one_by_one(data.train.select([0]), [data.train, data.validation], tokenizer)
    assert [question] == expected


def test_an_empty_split_asks_nothing_and_answers_nothing(
    data: PreparedData, tokenizer: PreTrainedTokenizerBase
) -> None:
    nothing = data.train.select([])
    assert collect_questions(nothing, [data.train], tokenizer) == []
    silent = collect_questions(data.train, [nothing], tokenizer, limit=2)
    assert [question.references for question in silent] == [[], []]


def test_most_frequent_reply_is_the_earlier_of_two(data: PreparedData) -> None:
    assert most_frequent_reply(data.train) == Counter(data.train["reply"]).most_common(1)[0]
    once_each = data.train.select([list(data.train["reply"]).index(text) for text in WORDS])
    assert most_frequent_reply(once_each) == (WORDS[0], 1)


def test_random_replies_are_drawn_like_random_choice(data: PreparedData) -> None:
    rng = random.Random(4)
    texts = list(data.train["reply"])
    assert random_replies(data.train, 50, seed=4) == [rng.choice(texts) for _ in range(50)]
    assert random_replies(data.train, 0, seed=4) == []
