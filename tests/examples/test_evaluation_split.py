# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The questions of a finished run's held-out splits, made again from its folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data_builders.errors import UserError
from tests.compare.small_run import TEST, TRAIN, VALIDATION, save_data, small_run
from tfchat_hf.examples.evaluation_split import load_evaluation_split, run_settings

NEW = [pair for pair in TEST if pair not in TRAIN]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("run"))


def references(run: Path, **options: object) -> dict[str, list[str]]:
    asked = load_evaluation_split(run, **options).questions
    return {question.context[-1]: question.references for question in asked}


def test_the_test_split_asks_where_there_is_one(run: Path) -> None:
    found = load_evaluation_split(run)
    assert found.split == "test"
    assert {q.context[-1] for q in found.questions} == {ask for ask, _ in NEW}
    assert len(found.examples) == len(NEW) and found.dataset == "data"


def test_the_other_splits_answer_too(run: Path) -> None:
    found = references(run)
    assert sorted(found["question 7 abab"]) == ["from validation", "here is reply number 7"]
    assert found["question 8 ababab"] == ["from training", "here is reply number 8"]
    assert len(found["nobody knows this one"]) == 1


def test_pairs_of_the_training_split_are_not_asked(run: Path) -> None:
    assert set(TEST) & set(TRAIN) and not {ask for ask, _ in set(TEST) & set(TRAIN)} & set(
        references(run)
    )


def test_the_validation_split_asks_if_it_is_named(run: Path) -> None:
    assert references(run, split="validation") == {ask: [re] for ask, re in VALIDATION}


def test_no_test_split_means_the_validation_split(run: Path, tmp_path: Path) -> None:
    data = save_data(tmp_path, test=False)
    assert load_evaluation_split(run, dataset=str(data)).split == "validation"
    with pytest.raises(UserError, match="`split` test has no dialogues .* validation"):
        load_evaluation_split(run, dataset=str(data), split="test")


def test_questions_are_drawn_alike_and_digested(run: Path) -> None:
    some, again, all_of = (load_evaluation_split(run, limit=n) for n in (3, 3, 0))
    assert [q.context for q in some.questions] == [q.context for q in again.questions]
    assert len(some.questions) == 3 and len(all_of.questions) == len(NEW)
    assert some.digest == again.digest != all_of.digest


def test_characters_are_those_of_the_replies(run: Path) -> None:
    assert load_evaluation_split(run).characters() == sum(len(reply) for _, reply in NEW)


def test_keys_that_only_trained_the_tokenizer_may_be_of_another_version(
    run: Path, tmp_path: Path
) -> None:
    old = shutil.copytree(run, tmp_path / "old")
    file = old / "run_config.yaml"
    text = file.read_text().replace("tokenizer_scheme: subword-unigram", "tokenizer_scheme: old")
    file.write_text(text + "a_key_of_long_ago: 3\n")
    assert "tokenizer_scheme: old" in file.read_text()
    assert references(old) == references(run)


def test_a_folder_without_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run_config.yaml.*finished run"):
        run_settings(tmp_path)


def test_data_that_is_gone_is_named(run: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        load_evaluation_split(run, dataset="nowhere/at/all.jsonl")
