# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From dialogues to examples and batches: what is kept, what is dropped, in which order."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from transformers import DataCollatorForSeq2Seq

from tfchat_hf.arguments import DataArguments, SettingsError
from tfchat_hf.data import (
    LengthGroupedSampler,
    example_lengths,
    load_or_train_tokenizer,
    prepare_data,
)
from tfchat_hf.evaluation import collect_questions

TRAIN = [
    ["你好", "嗨", "最近如何?"],
    ["你好", "嗨"],  # the first pair once more
    ["你好", "您好"],  # another reply to the same question
    ["tell me a story", "once upon a time " * 20],
    ["good morning", "good morning to you"],
]
VALIDATION = [["你好", "您好"], ["good night", "sleep well"]]


def as_dataset(dialogues):
    return Dataset.from_list(
        [
            {"id": str(i), "turns": turns, "roles": [], "lang": "mixed", "source": "test"}
            for i, turns in enumerate(dialogues)
        ]
    )


@pytest.fixture(scope="module")
def dialogues():
    return DatasetDict(train=as_dataset(TRAIN), validation=as_dataset(VALIDATION))


@pytest.fixture(scope="module")
def tokenizer(dialogues):
    settings = DataArguments(tokenizer_scheme="char", vocab_size=400)
    return load_or_train_tokenizer(dialogues["train"], settings, 64)


def prepare(dialogues, tokenizer, **settings):
    defaults = {"max_source_length": 64, "max_target_length": 24}
    return prepare_data(dialogues, tokenizer, DataArguments(**{**defaults, **settings}))


def test_counts_and_what_is_kept(dialogues, tokenizer):
    data = prepare(dialogues, tokenizer)
    pairs = [(row["context"], row["reply"]) for row in data.train]
    assert pairs == [
        (["你好"], "嗨"),
        (["嗨"], "最近如何?"),
        (["你好"], "您好"),
        (["good morning"], "good morning to you"),
    ]
    counts = data.train_counts
    assert (counts.dialogues, counts.pairs) == (5, 4)
    assert (counts.duplicates_dropped, counts.long_replies_dropped) == (1, 1)
    # The first validation pair stands in the training split.
    assert [row["reply"] for row in data.validation] == ["sleep well"]
    assert data.validation_counts.also_in_train_dropped == 1


def test_labels_end_and_are_never_cut(dialogues, tokenizer):
    for row in prepare(dialogues, tokenizer).train:
        assert row["labels"][-1] == tokenizer.eos_token_id
        assert tokenizer.decode(row["labels"], skip_special_tokens=True) == row["reply"]


def test_contexts_of_several_turns_and_their_shortening(dialogues, tokenizer):
    data = prepare(dialogues, tokenizer, max_context_turns=3, max_source_length=4)
    row = data.train[1]
    assert row["context"] == ["你好", "嗨"]
    assert data.train_counts.contexts_with_dropped_turns == 1  # 你好 <sep> 嗨 </s> is five tokens
    assert data.train_counts.contexts_truncated == 1  # good morning
    assert max(len(ids) for ids in data.train["input_ids"]) == 4


def test_nothing_left_to_train_on_is_explained(dialogues, tokenizer):
    with pytest.raises(SettingsError, match="max_target_length"):
        prepare(dialogues, tokenizer, max_target_length=1, dataset="mine.jsonl")


def test_an_empty_validation_split_is_fine(dialogues, tokenizer):
    splits = DatasetDict(train=dialogues["train"], validation=dialogues["validation"].select([]))
    data = prepare(splits, tokenizer)
    assert len(data.validation) == 0
    assert collect_questions(data.validation, [data.train], tokenizer) == []


def test_digest_follows_the_examples(dialogues, tokenizer):
    digest = prepare(dialogues, tokenizer).report()["train_digest"]
    assert digest == prepare(dialogues, tokenizer).report()["train_digest"]
    assert digest != prepare(dialogues, tokenizer, max_context_turns=2).report()["train_digest"]


def test_collator_pads_to_the_longest_and_labels_with_minus_100(dialogues, tokenizer):
    data = prepare(dialogues, tokenizer).train.select_columns(["input_ids", "labels"])
    batch = DataCollatorForSeq2Seq(tokenizer)([data[0], data[3]])
    assert batch["input_ids"].shape == (2, max(len(data[i]["input_ids"]) for i in (0, 3)))
    assert batch["labels"].shape == (2, max(len(data[i]["labels"]) for i in (0, 3)))
    short = len(data[0]["labels"])
    assert (batch["labels"][0, short:] == -100).all() and (batch["labels"][0, :short] >= 0).all()
    assert batch["attention_mask"][0].sum() == len(data[0]["input_ids"])


def test_questions_gather_every_reply_of_the_corpus(dialogues, tokenizer):
    data = prepare(dialogues, tokenizer)
    questions = collect_questions(data.train, [data.train, data.validation], tokenizer)
    known = {question.context[-1]: question.references for question in questions}
    assert known["你好"] == ["嗨", "您好"]
    assert len(questions) == 3
    some = collect_questions(data.train, [data.train], tokenizer, limit=2, seed=1)
    again = collect_questions(data.train, [data.train], tokenizer, limit=2, seed=1)
    assert len(some) == 2 and some == again


def test_a_tokenizer_folder_is_used(dialogues, tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = load_or_train_tokenizer(dialogues["train"], DataArguments(tokenizer=str(tmp_path)), 64)
    assert loaded.get_vocab() == tokenizer.get_vocab()
    with pytest.raises(SettingsError, match="tokenizer"):
        load_or_train_tokenizer(dialogues["train"], DataArguments(tokenizer="nowhere"), 64)


def test_lengths_are_the_longer_side(dialogues, tokenizer):
    data = prepare(dialogues, tokenizer).train
    expected = [max(len(row["input_ids"]), len(row["labels"])) for row in data]
    assert example_lengths(data) == expected
    assert example_lengths(data.select([2, 0])) == [expected[2], expected[0]]


def test_sampler_visits_each_example_once_in_an_order_of_seed_and_epoch():
    lengths = list(np.random.default_rng(0).integers(1, 60, 203))
    sampler = LengthGroupedSampler(lengths, 8, seed=5)
    first = list(sampler)
    assert sorted(first) == list(range(203)) == list(range(len(sampler)))
    assert first == list(sampler)
    sampler.set_epoch(1)
    assert first != list(sampler)
    again = LengthGroupedSampler(lengths, 8, seed=5)
    again.set_epoch(1)
    assert list(again) == list(sampler)
    assert list(LengthGroupedSampler(lengths, 8, seed=6)) != first


def test_sampler_groups_like_lengths():
    lengths = np.random.default_rng(0).integers(1, 100, 1600)
    order = np.array(list(LengthGroupedSampler(lengths, 16, seed=0)))
    padded = lengths[order].reshape(-1, 16).max(1).sum() * 16
    assert padded < 1.1 * lengths.sum()  # shuffled without grouping it is 1.9


def test_sampler_copes_with_fewer_examples_than_a_group():
    assert sorted(LengthGroupedSampler([3, 1, 2], 8, seed=0)) == [0, 1, 2]


def test_copies_that_a_weight_made_are_kept_and_other_repetitions_dropped(tokenizer):
    rows = [("a" * 16, "hi"), ("a" * 16 + "-2", "hi"), ("b" * 16, "hi"), ("my-2", "hi")]
    train = Dataset.from_list(
        [
            {"id": name, "turns": [text, "hello"], "roles": [], "lang": "en", "source": "t"}
            for name, text in rows
        ]
    )
    data = prepare(DatasetDict(train=train), tokenizer)
    assert [row["copy"] for row in data.train] == [1, 2]
    assert data.train_counts.duplicates_dropped == 2
