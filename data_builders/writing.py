# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Files that are there whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Lend a name to write to, and put what was written in the place of `path` at the end.

    Nothing is left of it when the work fails. Two processes may write the same file at once: one
    of the two stays.
    """
    path = Path(path)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield fresh
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file, text as UTF-8 and with the line ends that it has."""
    with whole_file(path) as fresh:
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write a value as JSON on one line."""
    write_whole(path, json.dumps(value, ensure_ascii=False))
