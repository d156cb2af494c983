# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Entries of the cache: whole or not there, and named by all they depend on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import datasets
import pytest
from datasets import Dataset, load_from_disk

from tfchat_hf.examples.cache_entries import (
    LEFTOVER_SECONDS,
    dataset_identity,
    entry_folder,
    fresh_entry,
)


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "kind" / "entry"
    with pytest.raises(KeyboardInterrupt), fresh_entry(folder) as fresh:
        (fresh / "half").write_text("x")
        raise KeyboardInterrupt
    assert list(folder.parent.iterdir()) == []


def test_an_entry_takes_the_place_of_a_damaged_one(tmp_path: Path) -> None:
    folder = tmp_path / "kind" / "entry"
    folder.mkdir(parents=True)
    (folder / "damaged").touch()
    with fresh_entry(folder) as fresh:
        (fresh / "whole").touch()
        assert (folder / "damaged").exists()  # readers are not disturbed before the end
    assert [path.name for path in folder.iterdir()] == ["whole"]
    assert [path.name for path in folder.parent.iterdir()] == ["entry"]


def test_two_processes_may_make_the_same_entry(tmp_path: Path) -> None:
    folder = tmp_path / "kind" / "entry"
    with fresh_entry(folder) as slow:
        (slow / "content").write_text("same")
        with fresh_entry(folder) as quick:
            (quick / "content").write_text("same")
    assert (folder / "content").read_text() == "same"


def test_what_killed_runs_left_behind_is_swept_after_days(tmp_path: Path) -> None:
    for name, age in ((".a.new-1-x", LEFTOVER_SECONDS + 60), (".b.new-1-x", 60)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    with fresh_entry(tmp_path / "entry"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.new-1-x", "entry"]


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
