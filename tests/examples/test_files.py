# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which rows stay, and the files that hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, Features, Value

from tfchat_hf.examples import files as example_files
from tfchat_hf.examples.files import choose_rows, first_occurrences, number_column, write_rows


def pairs(*rows: tuple[int, int]) -> np.ndarray:
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def test_first_occurrences_look_at_all_columns() -> None:
    keys = pairs((5, 1), (5, 2), (-3, 1), (5, 1), (-3, 1), (5, 2))
    assert first_occurrences(keys).tolist() == [0, 1, 2, 0, 2, 1]
    assert first_occurrences(pairs()).tolist() == []


def test_first_occurrences_agree_with_a_dictionary() -> None:
    keys = np.random.default_rng(0).integers(-3, 3, (2000, 2))
    seen: dict[tuple[int, ...], int] = {}
    expected = [seen.setdefault(tuple(key), i) for i, key in enumerate(keys.tolist())]
    assert first_occurrences(keys).tolist() == expected


def test_choice_of_rows_counts_each_reason() -> None:
    keys = pairs((1, 1), (2, 2), (1, 1), (3, 3), (9, 9), (9, 9), (2, 2))
    # The first (2, 2) is too long, so the second one is not a repetition.
    fits = np.array([True, False, True, True, True, True, True])
    choice = choose_rows(fits, keys, forbidden=pairs((9, 9), (8, 8)))
    assert choice.keep.tolist() == [True, False, False, True, False, False, True]
    assert (choice.long, choice.duplicates, choice.forbidden) == (1, 1, 2)


def test_files_hold_the_chosen_rows_in_few_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example_files, "BLOCK_ROWS", 20)
    features = Features({"number": Value("int64"), "text": Value("string")})
    rows = Dataset.from_dict({"text": [str(i) for i in range(100)], "number": range(100)})
    source = rows.map(
        lambda batch: batch,
        batched=True,
        batch_size=3,
        cache_file_name=str(tmp_path / "source.arrow"),
    )
    assert source.data.column("number").num_chunks > 30
    write_rows(source, np.arange(100) % 2 == 1, features, tmp_path / "odd.arrow")
    read = Dataset.from_file(str(tmp_path / "odd.arrow"))
    assert read.features == features
    assert list(read["number"]) == list(range(1, 100, 2))
    assert list(read["text"]) == [str(i) for i in range(1, 100, 2)]
    assert read.data.column("number").num_chunks <= 3


def test_a_file_of_no_rows_keeps_its_columns(tmp_path: Path) -> None:
    features = Features({"number": Value("int64")})
    write_rows(
        Dataset.from_dict({"number": [1, 2]}), np.zeros(2, bool), features, tmp_path / "none.arrow"
    )
    read = Dataset.from_file(str(tmp_path / "none.arrow"))
    assert len(read) == 0 and read.features == features


def test_number_columns_follow_the_order_of_the_dataset() -> None:
    rows = Dataset.from_dict({"number": [4, 5, 6]}).select([2, 0])
    assert number_column(rows, "number").tolist() == [6, 4]
