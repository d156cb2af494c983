# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Replies of rows on disk: a rerun decodes only what is not there yet."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .decoder import Replies
from .rows import Row


class ReplyStore:
    """Keeps replies in files named by all that they depend on.

    Args:
        folder: of the files.
        depends_on: what all rows have in common: the weights, the questions, the code.
    """

    def __init__(self, folder: Path, depends_on: dict[str, Any]) -> None:
        """Keeps where and for what; nothing is made yet."""
        self.folder = folder
        self.depends_on = depends_on

    def path(self, row: Row, seed: int) -> Path:
        """Names the file of a row and a seed."""
        whole = {**self.depends_on, "settings": row.settings(), "seed": seed}
        text = json.dumps(whole, sort_keys=True, default=str)
        return self.folder / f"{row.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.jsonl"

    def read(self, row: Row, seed: int, count: int) -> Replies | None:
        """Reads what an earlier run has kept; None if there is nothing, or not all of it."""
        try:
            lines = self.path(row, seed).read_text(encoding="utf-8").splitlines()
            head = json.loads(lines[0])
            texts = [json.loads(line)["reply"] for line in lines[1:]]
            found = Replies(texts, head["tokens"], head["seconds"])
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None
        return found if len(texts) == count else None

    def write(self, row: Row, seed: int, replies: Replies) -> None:
        """Writes a file, whole or not at all."""
        path = self.path(row, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        head = asdict(replies)
        lines = [{"row": row.name, "settings": row.settings(), "seed": seed, **head}]
        texts = lines[0].pop("texts")
        lines += [{"reply": text} for text in texts]
        fresh = path.with_name(f".{path.name}.new")
        with open(fresh, "w", encoding="utf-8") as file:
            # Escaped: a reply may hold what `splitlines` takes for the end of a line.
            file.writelines(json.dumps(line, default=str) + "\n" for line in lines)
        os.replace(fresh, path)
