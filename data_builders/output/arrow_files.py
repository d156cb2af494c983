# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Reading and copying whole datasets without mapping them.

`datasets` maps its files into memory; what has been read of them then counts as memory of the
process until the dataset is let go, 1 GB for a corpus of 1 GB.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import datasets
import pyarrow as pa


def is_whole(split: datasets.Dataset) -> bool:
    """Say whether a split is just what stands in its files, all of it and in that order.

    Args:
        split: Any dataset.

    Returns:
        False for selected, shuffled or concatenated rows, and for those in memory.
    """
    known = (split.info.splits or {}).get(str(split.split))
    whole = known is not None and known.num_examples == len(split)
    return bool(split.cache_files) and split._indices is None and whole


def tables_of(split: datasets.Dataset, rows: int) -> Iterator[pa.Table]:
    """Read a split from beginning to end.

    Args:
        split: Any dataset.
        rows: At most so many rows at a time.

    Yields:
        Its rows, with all its columns.
    """
    if not is_whole(split):
        yield from split.with_format("arrow").iter(rows)
        return
    for file in split.cache_files:
        with pa.OSFile(file["filename"]) as source, pa.ipc.open_stream(source) as reader:
            for batch in reader:
                table = pa.Table.from_batches([batch]).select(split.column_names)
                for begin in range(0, table.num_rows, rows):
                    yield table.slice(begin, rows)


def save_split(split: datasets.Dataset, folder: Path) -> None:
    """Do what `Dataset.save_to_disk` does; files that hold just this split are copied.

    Args:
        split: The rows.
        folder: The folder to make.
    """
    if not is_whole(split):
        # One shard for an empty split too: datasets 5.2 writes none and then cannot load it.
        split.save_to_disk(folder, num_shards=None if len(split) else 1)
        return
    split.select([]).save_to_disk(folder, num_shards=1)
    state_file = folder / "state.json"
    state = json.loads(state_file.read_text(encoding="utf-8"))
    for data_file in state["_data_files"]:
        (folder / data_file["filename"]).unlink()
    count = len(split.cache_files)
    names = [f"data-{number:05d}-of-{count:05d}.arrow" for number in range(count)]
    for name, file in zip(names, split.cache_files, strict=True):
        shutil.copyfile(file["filename"], folder / name)
    state["_data_files"] = [{"filename": name} for name in names]
    state_file.write_text(json.dumps(state, indent=2, sort_keys=True), encoding="utf-8")
