# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From dialogues to examples and batches: what is kept, what is dropped, in which order."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import datasets
import numpy as np
import pytest
from datasets import Dataset, DatasetDict, load_from_disk
from transformers import DataCollatorForSeq2Seq

from data_builders.errors import UserError
from tfchat_hf.examples import cache
from tfchat_hf.examples.preparing import load_or_train_tokenizer, prepare_data
from tfchat_hf.examples.questions import collect_questions
from tfchat_hf.settings.arguments import DataArguments
from tfchat_hf.text.dialogue import encode_context, encode_reply, examples_from_dialogue

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
    with pytest.raises(UserError, match="max_target_length"):
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


def test_a_tokenizer_folder_is_used(dialogues, tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = load_or_train_tokenizer(dialogues["train"], DataArguments(tokenizer=str(tmp_path)), 64)
    assert loaded.get_vocab() == tokenizer.get_vocab()
    with pytest.raises(UserError, match="tokenizer"):
        load_or_train_tokenizer(dialogues["train"], DataArguments(tokenizer="nowhere"), 64)


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


@pytest.fixture
def saved(dialogues, tmp_path):
    dialogues.save_to_disk(tmp_path / "dialogues")
    return load_from_disk(str(tmp_path / "dialogues"))


def prepare_saved(saved, tokenizer, tmp_path, **settings):
    return prepare(saved, tokenizer, dataset_cache_dir=str(tmp_path / "cache"), **settings)


def entries(tmp_path, kind="tfchat_examples"):
    return sorted(path.name for path in (tmp_path / "cache" / kind).iterdir())


def examples_one_by_one(dialogues, tokenizer, turns, max_source, max_target):
    """The rules of `prepare_data` in the plainest words: the truth to compare with."""
    seen, kept = set(), []
    for row in dialogues:
        for context, reply in examples_from_dialogue(row["turns"], (), turns):
            labels = encode_reply(tokenizer, reply)
            if len(labels) > max_target or (context, reply) in seen:
                continue
            seen.add((context, reply))
            kept.append((encode_context(tokenizer, context, max_source).input_ids, labels))
    return kept


def many_dialogues(count, seed):
    """Dialogues of few words, so that many pairs come twice."""
    rng = np.random.default_rng(seed)
    words = ["hi", "你好", "ok", "why?", "<sep>", "", "a long answer", "Hi "]
    picked = [[words[i] for i in rng.integers(0, 8, rng.integers(1, 6))] for _ in range(count)]
    return as_dataset(picked)


def test_examples_and_their_order_are_those_of_the_plain_rules(tokenizer):
    train = many_dialogues(300, seed=0)
    validation = many_dialogues(80, seed=1)
    splits = {"train": train, "validation": validation}
    data = prepare(
        splits, tokenizer, max_context_turns=2, max_source_length=6, max_target_length=10
    )
    expected = examples_one_by_one(train, tokenizer, 2, 6, 10)
    assert [(row["input_ids"], row["labels"]) for row in data.train] == expected
    # Every distinct pair of the validation split is kept, or stands in the training split.
    alone = prepare({"train": validation}, tokenizer, max_context_turns=2, max_target_length=10)
    twins = {(tuple(row["context"]), row["reply"]) for row in data.train}
    fresh = [row for row in alone.train if (tuple(row["context"]), row["reply"]) not in twins]
    assert [row["reply"] for row in data.validation] == [row["reply"] for row in fresh]
    for counts, split in ((data.train_counts, train), (data.validation_counts, validation)):
        dropped = counts.duplicates_dropped + counts.also_in_train_dropped
        pairs = sum(max(0, len(turns) - 1) for turns in split["turns"])
        assert counts.pairs + dropped + counts.long_replies_dropped == pairs


def test_several_processes_give_the_same_examples(tokenizer):
    splits = {"train": many_dialogues(50, seed=0)}
    one = prepare(splits, tokenizer)
    two = prepare(splits, tokenizer, preprocessing_num_proc=2)
    assert one.report() == two.report()


def test_a_second_start_reads_the_cache(saved, tokenizer, tmp_path):
    first = prepare_saved(saved, tokenizer, tmp_path)
    file = Path(first.train.cache_files[0]["filename"])
    written = file.stat().st_mtime_ns
    again = load_from_disk(str(tmp_path / "dialogues"))
    second = prepare_saved(again, tokenizer, tmp_path, preprocessing_num_proc=2)
    assert second.train.cache_files[0]["filename"] == str(file)
    assert file.stat().st_mtime_ns == written
    assert second.report() == first.report() and second.train[:] == first.train[:]
    # Neither half-made folders nor the file before rows were dropped stay behind.
    assert len(entries(tmp_path)) == 1
    assert len(list((tmp_path / "cache").rglob("*.arrow"))) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"max_source_length": 32},
        {"max_context_turns": 2},
        {"add_lowercase_questions": True},
        {"swap_sides": True},
    ],
)
def test_other_settings_are_another_cache_entry(saved, tokenizer, tmp_path, change):
    prepare_saved(saved, tokenizer, tmp_path)
    prepare_saved(saved, tokenizer, tmp_path, **change)
    assert len(entries(tmp_path)) == 2


def test_other_dialogues_and_another_tokenizer_are_other_cache_entries(saved, tokenizer, tmp_path):
    prepare_saved(saved, tokenizer, tmp_path)
    fewer = DatasetDict(train=saved["train"].select([0, 2]), validation=saved["validation"])
    assert prepare_saved(fewer, tokenizer, tmp_path).train_counts.dialogues == 2
    settings = DataArguments(tokenizer_scheme="char", vocab_size=265)
    other = load_or_train_tokenizer(as_dataset(TRAIN), settings, 64)
    prepare_saved(saved, other, tmp_path)
    assert len(entries(tmp_path)) == 3


@pytest.mark.parametrize("name", ["train.arrow", "entry.json"])
def test_a_damaged_cache_entry_is_made_anew(saved, tokenizer, tmp_path, name):
    first = prepare_saved(saved, tokenizer, tmp_path)
    report, rows = first.report(), first.train[:]
    path = tmp_path / "cache" / "tfchat_examples" / entries(tmp_path)[0] / name
    size = path.stat().st_size
    content = path.read_bytes()
    path.unlink()  # the file is mapped into memory: its content must not change in place
    path.write_bytes(content[:-20])
    again = prepare_saved(saved, tokenizer, tmp_path)
    assert again.report() == report and again.train[:] == rows
    assert path.stat().st_size == size


def test_a_file_that_is_whole_but_not_the_one_written_is_noticed(saved, tokenizer, tmp_path):
    report = prepare_saved(saved, tokenizer, tmp_path).report()
    folder = tmp_path / "cache" / "tfchat_examples" / entries(tmp_path)[0]
    (folder / "train.arrow").rename(folder / "aside")
    (folder / "validation.arrow").rename(folder / "train.arrow")
    (folder / "aside").rename(folder / "validation.arrow")
    assert prepare_saved(saved, tokenizer, tmp_path).report() == report


def test_data_without_training_pairs_leaves_no_cache_entry(saved, tokenizer, tmp_path):
    with pytest.raises(UserError, match="max_target_length"):
        prepare_saved(saved, tokenizer, tmp_path, max_target_length=1)
    assert entries(tmp_path) == []


def test_languages_and_characters_of_the_replies(dialogues, tokenizer):
    data = prepare(dialogues, tokenizer)
    assert data.languages() == ["mixed"]
    assert data.validation_characters() == len("sleep well")
    nothing = dataclasses.replace(data, validation=data.validation.select([]))
    assert nothing.validation_characters() == 0
    some = dataclasses.replace(data, validation=data.train.select([2, 0]))
    assert some.validation_characters() == len("您好") + len("嗨")


def test_a_language_of_a_handful_of_questions_is_not_that_of_the_model(dialogues, tokenizer):
    data = prepare(dialogues, tokenizer)
    for few, known in ((5, ["zh"]), (6, ["en", "zh"])):
        train = Dataset.from_dict({"lang": ["zh"] * (100 - few) + ["en"] * few})
        assert dataclasses.replace(data, train=train).languages() == known


def test_it_is_noticed_whether_a_context_holds_a_system_message(tokenizer):
    turns, roles = ["要友好。", "你好", "嗨"], ["system", "user", "assistant"]
    for given, limit, swapped, read in (
        (roles, 2, False, True),
        (roles, 1, False, False),  # the window ends before it
        (roles, 1, True, False),
        ([], 2, False, False),
        (["user", "user", "assistant"], 2, False, False),
    ):
        rows = [{"id": "0", "turns": turns, "roles": given, "lang": "zh", "source": "test"}]
        train = Dataset.from_list(rows)
        data = prepare(
            DatasetDict(train=train), tokenizer, max_context_turns=limit, swap_sides=swapped
        )
        assert data.train_counts.reads_system is read
        assert data.report()["train"]["reads_system"] is read


def test_a_trained_tokenizer_is_trained_once(saved, tmp_path, monkeypatch):
    settings = DataArguments(
        tokenizer_scheme="char", vocab_size=300, dataset_cache_dir=str(tmp_path / "cache")
    )
    first = load_or_train_tokenizer(saved["train"], settings, 64)

    def fail(*_):
        raise AssertionError("trained again")

    with monkeypatch.context() as patch:
        patch.setattr(cache, "train_tokenizer", fail)
        second = load_or_train_tokenizer(saved["train"], settings, 64)
        for other in (
            {"vocab_size": 301},
            {"tokenizer_scheme": "subword-bpe"},
        ):
            changed = dataclasses.replace(settings, **other)
            with pytest.raises(AssertionError, match="trained again"):
                load_or_train_tokenizer(saved["train"], changed, 64)
        with pytest.raises(AssertionError, match="trained again"):
            load_or_train_tokenizer(saved["validation"], settings, 64)
    assert second.backend_tokenizer.to_str() == first.backend_tokenizer.to_str()
    uncached = cache.train_tokenizer([turn for turns in TRAIN for turn in turns], "char", 300, 64)
    for name in ("loaded", "trained"):
        (tmp_path / name).mkdir()
    second.save_pretrained(tmp_path / "loaded")
    uncached.save_pretrained(tmp_path / "trained")
    for path in sorted((tmp_path / "trained").iterdir()):
        assert path.read_bytes() == (tmp_path / "loaded" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("name", ["tokenizer.json", "entry.json"])
def test_a_damaged_cached_tokenizer_is_made_anew(saved, tmp_path, name):
    settings = DataArguments(
        tokenizer_scheme="char", vocab_size=300, dataset_cache_dir=str(tmp_path / "cache")
    )
    first = load_or_train_tokenizer(saved["train"], settings, 64)
    (folder,) = (tmp_path / "cache" / "tfchat_tokenizers").iterdir()
    (folder / name).write_text("{")
    again = load_or_train_tokenizer(saved["train"], settings, 64)
    assert again.get_vocab() == first.get_vocab()
    assert (folder / name).stat().st_size > 10


def test_cache_files_replaced_by_hand_are_noticed(saved, tokenizer, tmp_path):
    before = prepare_saved(saved, tokenizer, tmp_path)
    other = DatasetDict(train=as_dataset(TRAIN[::-1]), validation=as_dataset(VALIDATION))
    other.save_to_disk(tmp_path / "other")
    kept = json.loads((tmp_path / "dialogues" / "train" / "state.json").read_text())
    state_file = tmp_path / "other" / "train" / "state.json"
    state = json.loads(state_file.read_text())
    state_file.write_text(json.dumps({**state, "_fingerprint": kept["_fingerprint"]}))
    loaded = load_from_disk(str(tmp_path / "other"))
    assert loaded["train"]._fingerprint == saved["train"]._fingerprint
    after = prepare_saved(loaded, tokenizer, tmp_path)
    assert after.train_digest != before.train_digest


def test_without_a_cache_folder_the_cache_of_datasets_is_used(
    saved, tokenizer, tmp_path, monkeypatch
):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "theirs")
    prepare(saved, tokenizer)
    assert len(list((tmp_path / "theirs" / "tfchat_examples").iterdir())) == 1


def test_swapped_sides_learn_the_turn_that_each_reply_answers(saved, tokenizer, tmp_path):
    room = {"max_source_length": 400, "max_target_length": 400}  # nothing is dropped or cut
    straight = prepare_saved(saved, tokenizer, tmp_path, **room).train
    swapped = prepare_saved(saved, tokenizer, tmp_path, swap_sides=True, **room).train
    pairs = {(row["context"][-1], row["reply"]) for row in straight}
    assert {(row["reply"], row["context"][0]) for row in swapped} == pairs
    for row in swapped:
        assert len(row["context"]) == 1
        assert row["input_ids"] == list(encode_context(tokenizer, row["context"], 400).input_ids)
        assert row["labels"] == encode_reply(tokenizer, row["reply"])
