# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Entries of the cache are named by all they depend on."""

from __future__ import annotations

from pathlib import Path

import datasets
from datasets import Dataset, load_from_disk

from tfchat_hf.examples.cache import dataset_identity, entry_folder


def test_names_follow_what_an_entry_depends_on() -> None:
    names = {entry_folder("kind", "cache", value) for value in ([1, 2], [2, 1], [[1], 2], {"a": 1})}
    assert len(names) == 4
    assert entry_folder("kind", "cache", {"a": 1, "b": 2}) == entry_folder(
        "kind", "cache", {"b": 2, "a": 1}
    )


def test_identity_is_the_rows_not_the_moment(tmp_path: Path) -> None:
    rows = Dataset.from_dict({"turns": [["a"], ["b"], ["c"]]})
    assert dataset_identity(rows) is None
    rows.save_to_disk(tmp_path / "rows")
    first, second = (load_from_disk(str(tmp_path / "rows")) for _ in range(2))
    assert dataset_identity(first) == dataset_identity(second) is not None
    assert dataset_identity(first.select([0, 2])) == dataset_identity(second.select([0, 2]))
    assert dataset_identity(first.select([0, 2])) != dataset_identity(first.select([2, 0]))


def test_nothing_is_cached_where_datasets_may_not(tmp_path: Path) -> None:
    Dataset.from_dict({"turns": [["a"]]}).save_to_disk(tmp_path / "rows")
    rows = load_from_disk(str(tmp_path / "rows"))
    datasets.disable_caching()
    try:
        assert dataset_identity(rows) is None
    finally:
        datasets.enable_caching()
