# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The folder that tests of sources look through."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data_builders.sources.found import TEXTS, write

NAMES = {"instruction": "a.json", "messages": "b.jsonl", "pairs": "c.jsonl", "csv": "d.csv"}


@pytest.fixture()
def folder(tmp_path) -> Path:
    """One file of each of several formats, in folders within each other."""
    for number, (kind, text) in enumerate(TEXTS.items()):
        write(tmp_path / "all" / "deep"[: number % 2 * 4] / NAMES.get(kind, f"{kind}.txt"), text)
    return tmp_path / "all"
