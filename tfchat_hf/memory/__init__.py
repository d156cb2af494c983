# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a model's corpus knows: its questions and replies, found again by the question.

May import `model`, `text`, `settings`, `examples`, `fast` and `engines`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data_builders.errors import UserError

from ..settings.run_folder import MEMORY_FOLDER

CONFIG_FILE = "config.json"
# What `python -m tfchat_hf.memory learn` wrote.
WORDINGS_FILE = Path(__file__).with_name("wordings.safetensors")
_PLACES = {
    "Memory": "memory",
    "MemoryAnswer": "memory",
    "Remembered": "ranking",
    "QuestionIndex": "index",
    "WordingEncoder": "wordings",
    "calibrate": "building",
}

__all__ = ["CONFIG_FILE", "MEMORY_FOLDER", "WORDINGS_FILE", "check_memory", "has_memory", *_PLACES]


def __getattr__(name: str) -> Any:
    """Import what is asked for; `datasets` takes a second, and `--help` needs none of it."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_PLACES[name]}", __name__), name)


def has_memory(folder: Path) -> bool:
    """Return whether a model's folder on this machine has a memory."""
    return (folder / MEMORY_FOLDER / CONFIG_FILE).is_file()


def check_memory(folder: Path, name: str | None = None) -> None:
    """Refuse a folder without a memory, and say how to write one.

    Args:
        folder: The model's folder.
        name: What the user calls it.
    """
    if not has_memory(folder):
        name = name or str(folder)
        raise UserError(
            "{name} has no memory. Write one with `python -m tfchat_hf.memory build "
            "{name}`, or train with `memory: true`.",
            name=name,
        )
