# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Files of rows that tests write, and what is built of them."""

from __future__ import annotations

import json
from pathlib import Path

from data_builders import build_dialogues


def write(path: Path, rows: list, ending: str = "\n") -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_bytes((ending.join(lines) + ending).encode("utf-8"))
    return path


def good(count: int) -> list[dict]:
    return [{"question": f"question {i}", "reply": f"reply {i}"} for i in range(count)]


def build(path: Path, **settings):
    return build_dialogues(str(path), cache_dir=str(path.parent / "cache"), **settings)
