# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Cleaned dialogues on disk, with the numbers by which a whole corpus is compared.

A build writes its dialogues into shards of a few megabytes before it decides what to keep.
Duplicates, frequent replies and leaks are then found on the 64-bit keys alone; a text is read
again only to look closely at a candidate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import xxhash

from data_builders.selecting.similarity import BAND_ROWS, BANDS, encode, signatures
from data_builders.selecting.splits import (
    normalize_question,
    question_key,
    reply_places,
    split_number,
)
from data_builders.selecting.wording import skeleton
from data_builders.writing import whole_file

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "turns": pa.list_(pa.string()),
        "roles": pa.list_(pa.string()),
        "lang": pa.string(),
        "source": pa.string(),
        "origin": pa.uint16(),
        "split": pa.uint8(),
        "content": pa.uint64(),
        "folded": pa.uint64(),
        "skeleton": pa.uint64(),
        "bands": pa.list_(pa.uint64(), BANDS),
        "marks": pa.list_(pa.uint8(), BANDS * BAND_ROWS),
        "questions": pa.list_(pa.uint64()),
        "replies": pa.list_(pa.uint64()),
        "prefixes": pa.list_(pa.uint64()),
    }
)


class Dialogue(NamedTuple):
    """One dialogue as it stands in the dataset.

    Attributes:
        turns: What was said, in order; at least two, none empty.
        roles: One of system, user, assistant per turn; empty when the source does not tell.
        lang: "zh", "en", "mixed" or "other".
        source: Where it is from, such as "chatterbot/english/ai".
    """

    turns: tuple[str, ...]
    roles: tuple[str, ...]
    lang: str
    source: str

    @property
    def id(self) -> str:
        """A stable name: 16 hex digits of source and content, independent of the order."""
        return xxhash.xxh3_64_hexdigest(f"{self.source}\x1d{_content(self)}".encode())

    @property
    def content_key(self) -> int:
        """Equal for equal dialogues, wherever they are from."""
        return xxhash.xxh3_64_intdigest(_content(self).encode())


def write_shard(
    path: Path,
    dialogues: Sequence[Dialogue],
    origins: Sequence[int],
    splits: Sequence[str | None] = (),
) -> None:
    """Write dialogues and their keys; the file appears whole or not at all.

    Args:
        path: The file to write.
        dialogues: Cleaned dialogues.
        origins: Which source each is from, for its weight and its counts.
        splits: The side that the corpus puts each on; None, or nothing at all, goes by question.
    """
    folded = [[normalize_question(turn) for turn in d.turns] for d in dialogues]
    places = [reply_places(d.turns, d.roles) for d in dialogues]
    signed = signatures(encode(["\n".join(turns) for turns in folded]))
    columns = {
        "id": [d.id for d in dialogues],
        "turns": [d.turns for d in dialogues],
        "roles": [d.roles for d in dialogues],
        "lang": [d.lang for d in dialogues],
        "source": [d.source for d in dialogues],
        "origin": origins,
        "split": [split_number(split) for split in splits or [None] * len(dialogues)],
        "content": [d.content_key for d in dialogues],
        "folded": [question_key("\n".join(turns)) for turns in folded],
        "skeleton": [skeleton(d.turns) for d in dialogues],
        **{
            name: pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
            for name, values in signed._asdict().items()
        },
        **_pair_keys(folded, places),
    }
    arrays = [
        value if isinstance(value, pa.Array) else pa.array(value, SCHEMA.field(name).type)
        for name, value in columns.items()
    ]
    write_table(path, pa.Table.from_arrays(arrays, schema=SCHEMA))


def _pair_keys(
    folded: Sequence[Sequence[str]], places: Sequence[Sequence[int]]
) -> dict[str, list[list[int]]]:
    found: dict[str, list[list[int]]] = {"questions": [], "replies": [], "prefixes": []}
    for turns, at in zip(folded, places, strict=True):
        keys = [question_key(turn) for turn in turns]
        found["questions"].append([keys[place - 1] for place in at])
        found["replies"].append([keys[place] for place in at])
        found["prefixes"].append(_prefix_keys(turns, at))
    return found


def _prefix_keys(turns: Sequence[str], at: Sequence[int]) -> list[int]:
    """Give for each reply a key of all up to it, and of how many replies those are."""
    digest, keys, begin = xxhash.xxh3_64(), [], 0
    for number, place in enumerate(at):
        digest.update("\x1f".join([*turns[begin : place + 1], ""]).encode())
        keys.append(digest.intdigest() ^ number)
        begin = place + 1
    return keys


def write_table(path: Path, table: pa.Table) -> None:
    """Write an Arrow file under its name only when it is complete.

    Args:
        path: The file to write.
        table: Its content.
    """
    with whole_file(path) as fresh:
        with pa.OSFile(str(fresh), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)


# Few at a time: what was read of a mapped file counts as this process's memory until it is let go.
@lru_cache(maxsize=4)
def open_shard(path: str) -> pa.Table:
    """Map a shard into memory.

    Args:
        path: A file written by `write_shard`.

    Returns:
        Its table; nothing is read until it is asked for.
    """
    with pa.memory_map(path) as file:
        return pa.ipc.open_file(file).read_all()


class Shards:
    """All shards of a build, as one corpus with numbered dialogues and pairs."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Look at the sizes; nothing else is read.

        Args:
            paths: The shards in their order.
        """
        self.paths = [str(path) for path in paths]
        rows = [open_shard(path).num_rows for path in self.paths]
        self.first_rows = np.cumsum([0, *rows])
        # Here and below arrays are copied: a view would keep its whole file mapped.
        lengths = [value_lengths(open_shard(path)["questions"]) for path in self.paths]
        self.pairs_of = np.concatenate([np.zeros(0, np.int32), *lengths])
        self.first_pairs = np.concatenate([[0], np.cumsum(self.pairs_of, dtype=np.int64)])

    def __len__(self) -> int:
        """Count the dialogues."""
        return int(self.first_rows[-1])

    @property
    def pairs(self) -> int:
        """Count the (question, reply) pairs."""
        return int(self.first_pairs[-1])

    def numbers(self, column: str) -> np.ndarray:
        """Give one number per dialogue.

        Args:
            column: "origin", "content", "folded" or "skeleton".

        Returns:
            The column over all shards.
        """
        found = np.empty(len(self), SCHEMA.field(column).type.to_pandas_dtype())
        for path, rows, _ in self.spans():
            found[rows] = np.asarray(_array(path, column))
        return found

    def band(self, number: int) -> np.ndarray:
        """Give one band of the MinHash signatures.

        Args:
            number: Which.

        Returns:
            uint64 per dialogue; 0 for short ones.
        """
        found = np.empty(len(self), np.uint64)
        for path, rows, _ in self.spans():
            found[rows] = _rows(path, "bands", BANDS)[:, number]
        return found

    def marks(self) -> np.ndarray:
        """Give the MinHash signatures in short: uint8, (dialogues, BANDS * BAND_ROWS)."""
        found = np.empty((len(self), BANDS * BAND_ROWS), np.uint8)
        for path, rows, _ in self.spans():
            found[rows] = _rows(path, "marks", BANDS * BAND_ROWS)
        return found

    def pair_keys(self, column: str) -> np.ndarray:
        """Give one key per pair.

        Args:
            column: "questions", "replies" or "prefixes", the dialogue up to that reply.

        Returns:
            uint64 per pair, over all shards.
        """
        found = np.empty(self.pairs, np.uint64)
        for path, _, pairs in self.spans():
            found[pairs] = np.asarray(_array(path, column).flatten())
        return found

    def spans(self) -> Iterator[tuple[str, slice, slice]]:
        """Yield path, numbers of the dialogues and numbers of the pairs of each shard."""
        for path, begin, end in zip(
            self.paths, self.first_rows[:-1], self.first_rows[1:], strict=True
        ):
            pairs = slice(int(self.first_pairs[begin]), int(self.first_pairs[end]))
            yield path, slice(int(begin), int(end)), pairs


def read_turns(
    paths: Sequence[str], first_rows: np.ndarray, numbers: np.ndarray
) -> Iterator[tuple[int, list[str]]]:
    """Read the turns of some dialogues, shard after shard.

    Args:
        paths: The shards.
        first_rows: Number of the first dialogue of each shard, and of one after the last.
        numbers: Distinct numbers of dialogues, rising.

    Yields:
        Number and turns, in the same order.
    """
    bounds = np.searchsorted(numbers, first_rows)
    for path, first, begin, end in zip(
        paths, first_rows[:-1].tolist(), bounds[:-1], bounds[1:], strict=True
    ):
        if begin < end:
            rows = numbers[begin:end]
            turns = open_shard(path)["turns"].take(pa.array(rows - first))
            yield from zip(rows.tolist(), turns.to_pylist(), strict=True)


def value_lengths(column: pa.ChunkedArray) -> np.ndarray:
    """Give the length of each list of a column.

    Args:
        column: Lists.

    Returns:
        int32, one per row.
    """
    return np.array(column.combine_chunks().value_lengths(), dtype=np.int32)


def _array(path: str, column: str) -> Any:
    return open_shard(path)[column].combine_chunks()


def _rows(path: str, column: str, width: int) -> np.ndarray:
    return np.asarray(_array(path, column).flatten()).reshape(-1, width)


def _content(dialogue: Dialogue) -> str:
    return "\x1f".join(dialogue.turns) + "\x1e" + "\x1f".join(dialogue.roles)
