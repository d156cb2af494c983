# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a model's corpus knows: its questions and replies, found again by the question."""

from __future__ import annotations

from typing import Any

from ..settings.run_folder import MEMORY_FOLDER

_PLACES = {
    "Memory": "memory",
    "MemoryAnswer": "answering",
    "Remembered": "ranking",
    "QuestionIndex": "index",
}

__all__ = ["MEMORY_FOLDER", *_PLACES]


def __getattr__(name: str) -> Any:
    """Import what is asked for; `datasets` takes a second, and `--help` needs none of it."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_PLACES[name]}", __name__), name)
