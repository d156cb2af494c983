# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A random order for more rows than fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa

# A bucket lies in memory as a whole while its rows are put in order.
BUCKET_BYTES = 64 * 2**20
# Files open at the same time.
MAXIMUM_BUCKETS = 256


def shuffled(tables: Iterable[pa.Table], size: int, seed: int, folder: Path) -> Iterator[pa.Table]:
    """Shuffle rows: each goes to a random bucket on disk, and each bucket is shuffled by itself.

    Args:
        tables: The rows in their own order, all of one schema.
        size: About how many bytes they are, to choose the number of buckets.
        seed: Equal seeds give equal orders.
        folder: Where the buckets are kept meanwhile.

    Yields:
        The same rows in a uniformly random order, a bucket at a time.
    """
    rng = np.random.default_rng(seed)
    count = int(min(MAXIMUM_BUCKETS, max(1, -(-size // BUCKET_BYTES))))
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:03d}.arrow" for number in range(count)]
    _fill(tables, paths, rng)
    for path in paths:
        if path.exists():
            with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
                bucket = reader.read_all().combine_chunks()
            path.unlink()
            yield bucket.take(rng.permutation(bucket.num_rows))


def _fill(tables: Iterable[pa.Table], paths: list[Path], rng: np.random.Generator) -> None:
    with ExitStack() as stack:
        writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        for table in tables:
            places = rng.integers(len(paths), size=table.num_rows)
            for number in np.unique(places).tolist():
                if number not in writers:
                    file = stack.enter_context(pa.OSFile(str(paths[number]), "wb"))
                    writer = pa.ipc.new_stream(file, table.schema)
                    writers[number] = stack.enter_context(writer)
                writers[number].write_table(table.take(np.flatnonzero(places == number)))
