# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Folders of derived data that are made once: named by what they depend on, whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import datasets

from data_builders.writing import whole_folder

# A run that was killed leaves its half-made folder; nothing is made for longer than this.
LEFTOVER_SECONDS = 2 * 24 * 3600


def entry_folder(kind: str, cache_dir: str | None, depends_on: Any) -> Path:
    """Name the folder of an entry, which need not be there yet.

    Args:
        kind: what the entries are, a folder of the cache.
        cache_dir: the cache; None is that of `datasets`.
        depends_on: everything that the content follows from, as JSON can write it.
    """
    text = json.dumps(depends_on, sort_keys=True)
    root = Path(cache_dir or datasets.config.HF_DATASETS_CACHE)
    return root / kind / hashlib.sha256(text.encode()).hexdigest()[:32]


def dataset_identity(dataset: datasets.Dataset) -> list[Any] | None:
    """Say which rows a dataset holds, the same in each process.

    The fingerprint of `datasets` alone would miss a file that was replaced by hand.

    Returns:
        What `entry_folder` takes; None if nothing may be cached: the dataset lies in memory, or
        caching is turned off in `datasets`, whose fingerprints are then random.
    """
    if not dataset.cache_files or not datasets.is_caching_enabled():
        return None
    paths = [Path(file["filename"]) for file in dataset.cache_files]
    files = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
    return [dataset._fingerprint, len(dataset), files]


def source_version(*modules: ModuleType) -> str:
    """Name the code of modules, so that results of older code are not taken for its own."""
    digest = hashlib.sha256()
    for module in modules:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def fresh_entry(folder: Path) -> Iterator[Path]:
    """Lend an empty folder and put it in the place of `folder` when all went well.

    Two processes may make the same entry at once: both are right, one of them stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    with whole_folder(folder, shared=True) as fresh:
        yield fresh


def _sweep(parent: Path) -> None:
    """Remove what killed runs left behind long ago, of entries of any name."""
    for path in (*parent.glob(".*.new-*"), *parent.glob(".*.old-*")):
        try:
            old = time.time() - os.stat(path).st_mtime > LEFTOVER_SECONDS
        except OSError:
            continue
        if old:
            shutil.rmtree(path, ignore_errors=True)
