# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Rows read from Arrow's buffers: the same as `datasets` gives, however the data lies."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, Features, List, Value, concatenate_datasets, load_from_disk
from torch.utils.data import DataLoader

from tfchat_hf.examples.rows import ExampleRows

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
