# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Rows of examples as numpy arrays, straight from Arrow's memory-mapped buffers: reading, choosing.

Everything that is decided about rows is decided on columns of numbers, so that memory does not grow
with the texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import numpy as np
import pyarrow as pa
from torch.utils.data import Dataset

Pair = tuple[np.ndarray, np.ndarray]
# Rows of one block of a file. `map` writes blocks of 200; 1 million rows would be 5,000 of them,
# and opening a file and finding a row in it takes time by the block.
BLOCK_ROWS = 10_000
# What people double more seldom is a slip, or two words that met: 早上上班.
_SELDOM = 200


class ListColumn:
    """A column of integer lists, read without making one Python number of it.

    In memory lie where each row begins and how long it is, 8 bytes a row; the items stay in the
    file. A column has many chunks: row i is items `begins[i]` and following of its chunk.
    """

    def __init__(self, column: pa.ChunkedArray) -> None:
        """Note where the rows lie; no item is read."""
        chunks = [chunk for chunk in column.chunks if len(chunk)]
        offsets = [chunk.offsets.to_numpy() for chunk in chunks]
        self._items = [chunk.values.to_numpy(zero_copy_only=True) for chunk in chunks]
        self._fits = all(items.dtype == np.int32 for items in self._items)
        self._ends = np.cumsum([len(chunk) for chunk in chunks], dtype=np.int64)
        nothing = np.empty(0, dtype=np.int32)
        self._begins = np.concatenate([nothing, *(places[:-1] for places in offsets)])
        # int32 `(rows,)`: how many items each row has.
        self.lengths = np.concatenate([nothing, *map(np.diff, offsets)]).astype(np.int32)

    def rows(self, numbers: np.ndarray) -> list[np.ndarray]:
        """Return rows by number, each an int32 array `(items,)`.

        They are read-only views of the file where it holds int32, else converted copies.
        """
        chunks = np.searchsorted(self._ends, numbers, side="right").tolist()
        begins = self._begins[numbers]
        ends = begins + self.lengths[numbers]
        rows = [
            self._items[chunk][begin:end]
            for chunk, begin, end in zip(chunks, begins.tolist(), ends.tolist(), strict=True)
        ]
        return rows if self._fits else [row.astype(np.int32) for row in rows]

    def items(self) -> Iterator[np.ndarray]:
        """Yield the items of all rows, chunk by chunk."""
        first = 0
        for items, end in zip(self._items, self._ends.tolist(), strict=True):
            # A slice shares the items of the whole, before and behind its own.
            yield items[self._begins[first] : self._begins[end - 1] + self.lengths[end - 1]]
            first = end


class ExampleRows(Dataset[Pair]):
    """The examples of a run as pairs of int32 arrays `(source_len,)` and `(target_len,)`.

    A batch of 64 takes 0.04 ms; `datasets` makes Python lists and takes 0.5 ms. The arrays may be
    views of the file: copy them into a batch, do not write to them.
    """

    def __init__(self, examples: datasets.Dataset) -> None:
        """Open the columns `input_ids` and `labels` of a dataset, its rows in any order."""
        self.examples = examples.select_columns(["input_ids", "labels"]).with_format(None)
        self._open()

    def _open(self) -> None:
        """Read where the rows lie."""
        self._sources = ListColumn(self.examples.data.column("input_ids"))
        self._targets = ListColumn(self.examples.data.column("labels"))
        self.source_lengths = self._sources.lengths
        self.target_lengths = self._targets.lengths
        # What `select` and `shuffle` give: row numbers, and the rows as they were.
        self._chosen: np.ndarray | None = None
        if self.examples._indices is not None:
            self._chosen = self.examples._indices.column(0).to_numpy().astype(np.int64)
            self.source_lengths = self.source_lengths[self._chosen]
            self.target_lengths = self.target_lengths[self._chosen]

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.source_lengths)

    def __getitem__(self, index: int) -> Pair:
        """Return one example, counted from the end if negative."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int] | np.ndarray) -> list[Pair]:
        """Return the examples of a batch in one go; torch's DataLoader calls this."""
        numbers = np.asarray(indices, dtype=np.int64)
        numbers = np.where(numbers < 0, numbers + len(self), numbers)
        if numbers.size and not (0 <= numbers.min() and numbers.max() < len(self)):
            raise IndexError(f"there are {len(self)} examples (asked for {list(indices)}).")
        if self._chosen is not None:
            numbers = self._chosen[numbers]
        return list(zip(self._sources.rows(numbers), self._targets.rows(numbers), strict=True))

    def digest(self) -> str:
        """Return a SHA-256 of all examples in their order, however the file is cut in chunks."""
        content = hashlib.sha256(b"%d" % len(self))
        for column, lengths in (
            (self._sources, self.source_lengths),
            (self._targets, self.target_lengths),
        ):
            # With the lengths in front, no two different columns give the same bytes.
            content.update(lengths.astype("<i4").tobytes())
            for values in self._values(column):
                content.update(np.ascontiguousarray(values, dtype="<i4").data)
        return content.hexdigest()

    def doubled_tokens(self, vocab_size: int) -> list[int]:
        """List the tokens that the replies say twice in a row, in 1 of 200 places or more."""
        said = self.label_counts(vocab_size)
        doubled = np.zeros(vocab_size, dtype=np.int64)
        for values in self._values(self._targets):  # `</s>` stands between two replies
            twice = values[1:][values[1:] == values[:-1]]
            doubled += np.bincount(twice, minlength=vocab_size)
        return np.flatnonzero((doubled > 0) & (doubled * _SELDOM >= said)).tolist()

    def label_counts(self, vocab_size: int) -> np.ndarray:
        """Count how often each token is a label: `(vocab_size,)` in int64."""
        counts = np.zeros(vocab_size, dtype=np.int64)
        for values in self._values(self._targets):
            counts += np.bincount(values, minlength=vocab_size)
        return counts

    def _values(self, column: ListColumn) -> Iterator[np.ndarray]:
        """Yield the ids of all rows in their order, many rows at a time."""
        if self._chosen is None:
            yield from column.items()
            return
        for start in range(0, len(self._chosen), 1000):
            yield np.concatenate(column.rows(self._chosen[start : start + 1000]))

    def __getstate__(self) -> dict[str, Any]:
        """Send a loader's worker the dataset, which is a file name, and not the arrays."""
        return {"examples": self.examples}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the dataset in the worker."""
        self.examples = state["examples"]
        self._open()


class SelectedRows(NamedTuple):
    """Which rows stay, `(rows,)` of bool, and how many do not, by reason."""

    mask: np.ndarray
    too_long: int
    duplicates: int
    also_in_train: int


def select_rows(fits: np.ndarray, keys: np.ndarray, train_keys: np.ndarray) -> SelectedRows:
    """Keep the first of equal rows, if it fits and is not in the training split.

    Args:
        fits: whether a row may stay at all `(rows,)`.
        keys: what makes rows equal `(rows, 2)`.
        train_keys: those of the training split, which must not be there again `(others, 2)`.
    """
    numbers = np.flatnonzero(fits)
    others = len(train_keys)
    first = first_occurrences(np.concatenate([train_keys, keys[numbers]]))[others:]
    fresh = first == np.arange(others, others + len(numbers))
    mask = np.zeros(len(fits), dtype=bool)
    mask[numbers[fresh]] = True
    known = int((first < others).sum())
    return SelectedRows(mask, len(fits) - len(numbers), int((~fresh).sum()) - known, known)


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


def arrow_column(dataset: datasets.Dataset, name: str) -> pa.ChunkedArray:
    """Return a column as Arrow holds it, in the dataset's own order; a file is not read for it."""
    return dataset.select_columns(name).with_format("arrow")[:][name]


def number_column(dataset: datasets.Dataset, name: str) -> np.ndarray:
    """Read a column of numbers `(rows,)`, in the dataset's own order."""
    return arrow_column(dataset, name).to_numpy()


def write_rows(
    dataset: datasets.Dataset, mask: np.ndarray, features: datasets.Features, path: Path
) -> None:
    """Write chosen rows to an Arrow file that `Dataset.from_file` maps into memory.

    Args:
        dataset: the rows, in the order of its file.
        mask: whether a row stays `(rows,)`.
        features: the columns to write.
        path: the file.
    """
    schema = features.arrow_schema
    held: list[pa.RecordBatch] = []
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        done = 0
        for batch in dataset.select_columns(list(features)).data.to_batches():
            rows = mask[done : done + len(batch)]
            done += len(batch)
            columns = [batch.column(name) for name in schema.names]
            chosen = pa.RecordBatch.from_arrays(columns, schema=schema).filter(pa.array(rows))
            held.append(chosen)
            if sum(len(part) for part in held) >= BLOCK_ROWS:
                writer.write_table(pa.Table.from_batches(held, schema).combine_chunks())
                held = []
        writer.write_table(pa.Table.from_batches(held, schema).combine_chunks())
