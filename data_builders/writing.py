# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

# A process that was killed leaves its half-made folder; nothing is made for longer than this.
LEFTOVER_SECONDS = 2 * 24 * 3600


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


@contextmanager
def whole_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Lend an empty folder and put it in the place of `folder` when all went well.

    Two processes may make the same folder at once: one of the two stays.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as scratch:
        fresh = Path(scratch, "fresh")
        fresh.mkdir()  # with the rights that the user's umask gives; `scratch` is private
        yield fresh
        try:
            if folder.exists():
                folder.rename(Path(scratch, "old"))
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            logger.info("Another process made %s at the same time.", folder)


def _sweep(parent: Path) -> None:
    """Remove what killed processes left behind long ago."""
    for path in parent.glob(".making-*"):
        try:
            old = time.time() - os.stat(path).st_mtime > LEFTOVER_SECONDS
        except OSError:
            continue
        if old:
            shutil.rmtree(path, ignore_errors=True)
