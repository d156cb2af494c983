# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Rows read from Arrow's buffers, which of them stay, and the files that hold them."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, Features, List, Value, concatenate_datasets, load_from_disk
from torch.utils.data import DataLoader

from tfchat_hf.examples import rows as rows_module
from tfchat_hf.examples.rows import (
    ExampleRows,
    first_occurrences,
    number_column,
    select_rows,
    write_rows,
)

INT32 = Features({"input_ids": List(Value("int32")), "labels": List(Value("int32"))})


def in_memory(count: int = 40, seed: int = 0, features: Features | None = INT32) -> Dataset:
    rng = np.random.default_rng(seed)
    columns = {
        name: [rng.integers(0, 999, rng.integers(0, 9)).tolist() for _ in range(count)]
        for name in INT32
    }
    return Dataset.from_dict(columns, features)


def on_disk(folder: Path) -> Dataset:
    in_memory().save_to_disk(folder, num_shards=3)
    return load_from_disk(str(folder))


LAYOUTS: dict[str, Callable[[Path], Dataset]] = {
    "in memory": lambda _: in_memory(),
    "of 64 bits": lambda _: in_memory(features=None),
    "empty": lambda _: in_memory().select([]),
    "three files": on_disk,
    "a slice over files": lambda folder: on_disk(folder).select(range(5, 33)),
    "chosen rows": lambda _: in_memory().select([7, 3, 3, 39]),
    "shuffled files": lambda folder: on_disk(folder).shuffle(seed=1),
    "a slice of shuffled rows": lambda folder: on_disk(folder).shuffle(seed=1).select(range(9, 20)),
    "slices joined": lambda _: concatenate_datasets(
        [in_memory().select(range(4, 9)), in_memory(3, seed=1), in_memory().select(range(30, 40))]
    ),
    "blocks of seven": lambda folder: on_disk(folder).map(
        lambda row: row, writer_batch_size=7, cache_file_name=str(folder / "seven.arrow")
    ),
    "read as torch": lambda _: in_memory().with_format("torch"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_and_lengths_in_every_layout(layout: str, tmp_path: Path) -> None:
    dataset = LAYOUTS[layout](tmp_path / "data")
    expected = [(row["input_ids"], row["labels"]) for row in dataset.with_format(None)]
    fresh = ExampleRows(dataset)
    for rows in (fresh, pickle.loads(pickle.dumps(fresh))):
        assert len(rows) == len(expected)
        read = rows.__getitems__(range(len(expected)))
        assert [(source.tolist(), target.tolist()) for source, target in read] == expected
        assert {side.dtype for pair in read for side in pair} <= {np.dtype(np.int32)}
        assert rows.source_lengths.dtype == rows.target_lengths.dtype == np.int32
        assert rows.source_lengths.tolist() == [len(source) for source, _ in expected]
        assert rows.target_lengths.tolist() == [len(target) for _, target in expected]


def test_single_rows_count_from_both_ends() -> None:
    dataset = in_memory()
    rows = ExampleRows(dataset)
    assert rows[3][0].tolist() == dataset[3]["input_ids"]
    assert rows[-1][1].tolist() == dataset[39]["labels"]
    for index in (40, -41):
        with pytest.raises(IndexError, match="40 examples"):
            rows[index]


def test_rows_of_a_file_are_views_and_cannot_be_written(tmp_path: Path) -> None:
    source, _ = max(ExampleRows(on_disk(tmp_path)), key=lambda pair: len(pair[0]))
    assert not source.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        source[0] = 1


def test_worker_processes_read_the_same_rows(tmp_path: Path) -> None:
    rows = ExampleRows(on_disk(tmp_path / "data"))
    loader = DataLoader(rows, batch_size=16, num_workers=1, collate_fn=list)
    read = [source.tolist() for batch in loader for source, _ in batch]
    assert read == [source.tolist() for source, _ in rows.__getitems__(range(40))]


def test_digest_does_not_depend_on_the_layout(tmp_path: Path) -> None:
    whole = in_memory()
    digest = ExampleRows(whole).digest()
    parts = concatenate_datasets([whole.select(range(0, 13)), whole.select(range(13, 40))])
    turned = whole.select(range(39, -1, -1)).select(range(39, -1, -1))
    layouts = [parts, turned, on_disk(tmp_path), in_memory(features=None)]
    assert {ExampleRows(layout).digest() for layout in layouts} == {digest}


@pytest.mark.parametrize(
    "other",
    [
        {"input_ids": [[1], [2, 3]], "labels": [[4], [5]]},  # the same ids, cut elsewhere
        {"input_ids": [[3], [1, 2]], "labels": [[5], [4]]},  # the same rows in another order
        {"input_ids": [[1, 2], [3, 4]], "labels": [[], [5]]},  # an id moved to the other side
        {"input_ids": [[1, 2], [3], []], "labels": [[4], [5], []]},
        {"input_ids": [[1, 2], [3]], "labels": [[4], [6]]},
    ],
)
def test_digest_tells_different_examples_apart(other: dict[str, list[list[int]]]) -> None:
    one = {"input_ids": [[1, 2], [3]], "labels": [[4], [5]]}
    digests = [ExampleRows(Dataset.from_dict(rows, INT32)).digest() for rows in (one, one, other)]
    assert digests[0] == digests[1] != digests[2]


def test_tokens_that_replies_double_are_found_in_every_layout() -> None:
    often = [[7, 7, 2], [5, 7, 2], [7, 2], [9, 9, 9, 2]]
    seldom = [[5, 5, 2], *([[5, 6, 5, 2]] * 200)]
    data = Dataset.from_dict({"input_ids": [[1]] * 205, "labels": often + seldom}, INT32)
    chosen = concatenate_datasets([data, data]).select(range(205))  # 5 is doubled once in 403
    for found in (data, chosen, data.select([*range(100), *range(150, 205)])):
        assert ExampleRows(found).doubled_tokens(12) == [7, 9]
        counts = Counter(token for row in found["labels"] for token in row)
        assert ExampleRows(found).label_counts(12).tolist() == [counts[i] for i in range(12)]
    assert ExampleRows(data.select([1, 2, 4])).doubled_tokens(12) == [5]


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
    selected = select_rows(fits, keys, train_keys=pairs((9, 9), (8, 8)))
    assert selected.mask.tolist() == [True, False, False, True, False, False, True]
    assert (selected.too_long, selected.duplicates, selected.also_in_train) == (1, 1, 2)


def test_files_hold_the_chosen_rows_in_few_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 20)
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
