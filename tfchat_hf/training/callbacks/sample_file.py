# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A file of JSON lines, a few for each step of training, that a resumed run goes on with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


class SampleFile:
    """Appends the rows of a step; each row has a `step`, and no step stands there twice."""

    def __init__(self, path: Path) -> None:
        """Keeps the path; nothing is written yet."""
        self.path = path

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yields the whole rows; one that a killed process left half-written is passed over."""
        if not self.path.is_file():
            return
        with open(self.path, encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    row = json.loads(line)
                    row["step"] += 0
                except (ValueError, TypeError, KeyError):
                    continue
                yield row

    def go_on_after(self, step: int) -> None:
        """Drops what an earlier process wrote past the step that training goes on from.

        Step 0 is a new run: nothing in the file belongs to it.
        """
        kept = [row for row in self.rows() if step and row["step"] <= step]
        if self.path.is_file():
            self._replace(kept)

    def write(self, step: int, rows: Sequence[dict[str, Any]]) -> None:
        """Puts the rows of a step at the end, in place of what the step had there before."""
        before = list(self.rows())
        if any(row["step"] == step for row in before):
            self._replace([row for row in before if row["step"] != step])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # One write at the end of the file: whoever reads meanwhile sees all rows or none.
        with open(self.path, "ab", buffering=0) as file:
            file.write(_lines([{"step": step, **row} for row in rows]))

    def _replace(self, rows: Sequence[dict[str, Any]]) -> None:
        """Writes the file anew, so that it is there whole or as before."""
        fresh = self.path.with_name(f".{self.path.name}.new")
        fresh.write_bytes(_lines(rows))
        os.replace(fresh, self.path)


def _lines(rows: Sequence[dict[str, Any]]) -> bytes:
    """Words rows as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(
        "utf-8", errors="replace"
    )
