# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Folders of datasets that are saved already."""

from __future__ import annotations

import datasets
import pytest

from data_builders import build_dialogues, save_result
from data_builders.errors import UserError
from tests.data_builders.row_files import build, good, write


def test_saved_result_comes_back_the_same(tmp_path):
    result = build(write(tmp_path / "a.jsonl", good(40)), validation_fraction=0.3)
    save_result(result, tmp_path / "out")
    again = build_dialogues(str(tmp_path / "out"), validation_fraction=0.9)
    for name in ("train", "validation"):
        assert again.dataset[name].to_list() == result.dataset[name].to_list()
    assert again.report.splits == result.report.splits


def test_empty_validation_split_can_be_saved_and_loaded(tmp_path):
    result = build(write(tmp_path / "a.jsonl", good(3)), validation_fraction=0.0)
    save_result(result, tmp_path / "out")
    assert len(build_dialogues(str(tmp_path / "out")).dataset["validation"]) == 0
    assert any("validation split is empty" in line for line in result.report.lines())


def test_saved_plain_dataset_is_split_like_a_file(tmp_path):
    result = build(write(tmp_path / "a.jsonl", good(40)), validation_fraction=0.3)
    whole = datasets.concatenate_datasets(list(result.dataset.values()))
    whole.save_to_disk(tmp_path / "whole")
    before = sorted(tmp_path.joinpath("whole").iterdir())
    again = build_dialogues(str(tmp_path / "whole"), validation_fraction=0.3)
    for name in ("train", "validation"):
        assert set(again.dataset[name]["id"]) == set(result.dataset[name]["id"])
    assert sorted(tmp_path.joinpath("whole").iterdir()) == before


def test_no_row_is_lost_where_test_is_there_and_validation_is_not(tmp_path):
    result = build(write(tmp_path / "a.jsonl", good(400)), test_fraction=0.1)
    splits = result.dataset
    splits["train"] = datasets.concatenate_datasets([splits["train"], splits.pop("validation")])
    splits.save_to_disk(tmp_path / "whole")
    again = build_dialogues(str(tmp_path / "whole"))
    assert again.dataset["test"]["id"][:] == splits["test"]["id"][:]
    ids = [*again.dataset["train"]["id"], *again.dataset["validation"]["id"]]
    assert sorted(ids) == sorted(splits["train"]["id"]) and len(again.dataset["validation"])


def test_columns_of_ones_own_are_left_out_of_the_copy_too(tmp_path):
    splits = build(write(tmp_path / "a.jsonl", good(400))).dataset
    for name in splits:
        splits[name] = splits[name].add_column("mood", ["fine"] * len(splits[name]))
    splits.save_to_disk(tmp_path / "mine")
    result = build_dialogues(str(tmp_path / "mine"))
    save_result(result, tmp_path / "copy")
    assert datasets.load_from_disk(str(tmp_path / "copy"))["train"].to_list() == list(
        result.dataset["train"]
    )


def test_saved_folder_with_a_missing_column_says_which(tmp_path):
    result = build(write(tmp_path / "a.jsonl", good(3)), validation_fraction=0.0)
    result.dataset["train"].remove_columns(["roles", "lang"]).save_to_disk(tmp_path / "bad")
    with pytest.raises(UserError, match="no column `roles`, `lang` .*it has id, turns, source"):
        build_dialogues(str(tmp_path / "bad"))


def test_saved_folder_with_a_wrong_type_says_which(tmp_path):
    row = {"id": ["1"], "turns": ["a b"], "roles": [[""]], "lang": ["en"], "source": ["s"]}
    datasets.Dataset.from_dict(row).save_to_disk(tmp_path / "bad")
    with pytest.raises(UserError, match="`turns` must be List"):
        build_dialogues(str(tmp_path / "bad"))


def test_saved_folder_of_something_else(tmp_path):
    with pytest.raises(UserError, match="holds no file"):
        build_dialogues(str(tmp_path))
