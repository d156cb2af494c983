# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A table of millions of utterances by id that takes 16 bytes of memory for each."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from tempfile import SpooledTemporaryFile

import numpy as np

# Below this the texts stay in memory; the Cornell corpus with its 20 MB does.
_MEMORY_BYTES = 32 << 20


class LineTable:
    """Utterances by id, first filled, then read.

    In memory are one 8-byte hash and one 8-byte offset a line: 5 MB for the 305,000 lines of
    Cornell, some 150 MB for 1 GB of such text (and twice that for a moment while they are
    sorted). The texts lie in a temporary file once they are more than 32 MB. Each stands beside
    its id, so that two ids with one hash are seen.
    """

    def __init__(self) -> None:
        """Begin an empty table."""
        self._texts = SpooledTemporaryFile(max_size=_MEMORY_BYTES)
        self._size = 0
        self._hashes, self._offsets = array("q"), array("q")
        self._sorted = self._places = np.empty(0, dtype=np.int64)
        self._pending: list[bytes] = []

    def __len__(self) -> int:
        """How many lines were added."""
        return len(self._hashes) + len(self._sorted)

    def add(self, name: str, text: str) -> None:
        """Take in one line.

        Args:
            name: Its id; a NUL may be in neither.
            text: The utterance, without line ends.
        """
        record = f"{name}\0{text}\n".encode("utf-8", "surrogatepass")
        self._hashes.append(hash(name))
        self._offsets.append(self._size)
        self._size += len(record)
        self._pending.append(record)
        if len(self._pending) >= 1_000:
            self._flush()

    def finish(self) -> int:
        """Make the table ready to be read.

        Returns:
            How many ids were added more than once; the first text of each counts.
        """
        self._flush()
        hashes = np.frombuffer(self._hashes, dtype=np.int64)
        # Stable: of equal ids the first added comes first, and is what a search finds.
        order = np.argsort(hashes, kind="stable")
        self._sorted = hashes[order]
        self._places = np.frombuffer(self._offsets, dtype=np.int64)[order]
        self._hashes, self._offsets = array("q"), array("q")
        return int(np.count_nonzero(self._sorted[1:] == self._sorted[:-1]))

    def texts(self, names: Sequence[str]) -> Iterator[str | None]:
        """Look up many lines at once.

        Args:
            names: Their ids.

        Yields:
            The text of each, None for an id that is not in the table.
        """
        hashes = np.fromiter(map(hash, names), dtype=np.int64, count=len(names))
        places = np.searchsorted(self._sorted, hashes)
        for name, key, place in zip(names, hashes.tolist(), places.tolist(), strict=True):
            yield self._text_at(name, key, place)

    def close(self) -> None:
        """Delete the temporary file."""
        self._texts.close()

    def _flush(self) -> None:
        self._texts.write(b"".join(self._pending))
        self._pending.clear()

    def _text_at(self, name: str, key: int, place: int) -> str | None:
        while place < len(self._sorted) and self._sorted[place] == key:
            self._texts.seek(int(self._places[place]))
            record = self._texts.readline().decode("utf-8", "surrogatepass")
            found, _, text = record[:-1].partition("\0")
            if found == name:
                return text
            place += 1
        return None
