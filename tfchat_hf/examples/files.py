# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which rows of a tokenised split stay, decided on key columns, and files that hold just them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from datasets import Dataset, Features

# Rows of one block of a file. `map` writes blocks of 200; 1 million rows would be 5,000 of them,
# and opening a file and finding a row in it takes time by the block.
BLOCK_ROWS = 10_000


class Choice(NamedTuple):
    """Which rows stay `(rows,)`, and how many do not, by reason."""

    keep: np.ndarray
    long: int
    duplicates: int
    forbidden: int


def choose_rows(fits: np.ndarray, keys: np.ndarray, forbidden: np.ndarray) -> Choice:
    """Keep the first of equal rows, if it fits and is not among the forbidden ones.

    Args:
        fits: whether a row may stay at all `(rows,)`.
        keys: what makes rows equal `(rows, 2)`.
        forbidden: keys of rows that must not be there `(others, 2)`.
    """
    numbers = np.flatnonzero(fits)
    others = len(forbidden)
    first = first_occurrences(np.concatenate([forbidden, keys[numbers]]))[others:]
    fresh = first == np.arange(others, others + len(numbers))
    keep = np.zeros(len(fits), dtype=bool)
    keep[numbers[fresh]] = True
    known = int((first < others).sum())
    return Choice(keep, len(fits) - len(numbers), int((~fresh).sum()) - known, known)


def first_occurrences(keys: np.ndarray) -> np.ndarray:
    """Return for each row the number of the first row that equals it.

    Args:
        keys: `(rows, columns)`.

    Returns:
        int64 `(rows,)`; a row that is the first of its kind has its own number.
    """
    # A stable sort: of equal rows the first one comes first.
    order = np.lexsort(keys.T)
    ordered = keys[order]
    starts = np.ones(len(keys), dtype=bool)
    starts[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first = np.empty(len(keys), dtype=np.int64)
    first[order] = order[starts][np.cumsum(starts) - 1]
    return first


def arrow_column(dataset: Dataset, name: str) -> pa.ChunkedArray:
    """Return a column as Arrow holds it, in the dataset's own order; a file is not read for it."""
    return dataset.select_columns(name).with_format("arrow")[:][name]


def number_column(dataset: Dataset, name: str) -> np.ndarray:
    """Read a column of numbers `(rows,)`, in the dataset's own order."""
    return arrow_column(dataset, name).to_numpy()


def write_rows(dataset: Dataset, keep: np.ndarray, features: Features, path: Path) -> None:
    """Write chosen rows to an Arrow file that `Dataset.from_file` maps into memory.

    Args:
        dataset: the rows, in the order of its file.
        keep: whether a row stays `(rows,)`.
        features: the columns to write.
        path: the file.
    """
    schema = features.arrow_schema
    held: list[pa.RecordBatch] = []
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        done = 0
        for batch in dataset.select_columns(list(features)).data.to_batches():
            rows = keep[done : done + len(batch)]
            done += len(batch)
            columns = [batch.column(name) for name in schema.names]
            chosen = pa.RecordBatch.from_arrays(columns, schema=schema).filter(pa.array(rows))
            held.append(chosen)
            if sum(len(part) for part in held) >= BLOCK_ROWS:
                writer.write_table(pa.Table.from_batches(held, schema).combine_chunks())
                held = []
        writer.write_table(pa.Table.from_batches(held, schema).combine_chunks())
