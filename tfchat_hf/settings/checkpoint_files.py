# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which checkpoints a run folder has, and whether one can be resumed from; runs nobody's code."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from safetensors import SafetensorError, safe_open

# A checkpoint is written here and renamed when it is whole. The dot and the missing number keep
# every reader of `checkpoint-*` from taking it for one.
STAGING = ".saving"


STATE_FILE = "trainer_state.json"


JSON_FILES = (STATE_FILE, "config.json")


WEIGHTS_FILE = "model.safetensors"


# FSDP writes optimizer.bin.
OPTIMIZER_FILES = ("optimizer.pt", "optimizer.bin")


RANDOM_FILES = "rng_state*.pth"


def checkpoint_step(path: Path) -> int:
    """Reads the number of updates from the name of a checkpoint folder.

    Raises:
        ValueError: if the folder is not called `checkpoint-<number>`.
    """
    return int(path.name.removeprefix("checkpoint-"))


def list_checkpoints(folder: Path) -> list[Path]:
    """Lists the checkpoint folders of a run, the newest step first."""
    found = [
        path
        for path in folder.glob("checkpoint-*")
        if path.is_dir() and path.name.removeprefix("checkpoint-").isdigit()
    ]
    return sorted(found, key=checkpoint_step, reverse=True)


def checkpoint_problem(path: Path) -> str | None:
    """Says why a checkpoint cannot be resumed from, or None if it can."""
    for name in (*JSON_FILES, WEIGHTS_FILE, "scheduler.pt"):
        if not (path / name).is_file() or not (path / name).stat().st_size:
            return f"{name} is missing or empty"
    optimizer = next((path / name for name in OPTIMIZER_FILES if (path / name).is_file()), None)
    if optimizer is None:
        return f"{OPTIMIZER_FILES[0]} is missing"
    random_states = sorted(path.glob(RANDOM_FILES))
    if not random_states:
        return "rng_state.pth is missing"
    problem = _json_problem(path) or _weights_problem(path / WEIGHTS_FILE)
    scaler = [path / "scaler.pt"] if (path / "scaler.pt").exists() else []
    for file in (optimizer, path / "scheduler.pt", *scaler, *random_states):
        problem = problem or pickle_problem(file)
    return problem


def _json_problem(path: Path) -> str | None:
    """Says what is wrong with the JSON files of a checkpoint."""
    for name in JSON_FILES:
        try:
            content = json.loads((path / name).read_text(encoding="utf-8"))
        except ValueError:
            return f"{name} is cut off"
        if not isinstance(content, dict):
            return f"{name} is not a mapping"
        # transformers would begin at update 0 with these weights, without a word.
        if name == STATE_FILE and content.get("global_step") != checkpoint_step(path):
            return f"{name} is of step {content.get('global_step')}"
    return None


def _weights_problem(path: Path) -> str | None:
    """Says whether a safetensors file is shorter than its header says; reads the header only."""
    try:
        with safe_open(path, framework="pt"):
            return None
    except SafetensorError:
        return f"{path.name} is cut off"


def pickle_problem(path: Path) -> str | None:
    """Says why a file of `torch.save` must not be loaded, or None; runs nothing of it.

    Each byte is checked against the archive's sums (a gigabyte a second), and the pickle may name
    nothing but what `weights_only=True` allows: a pickle can call any function it names.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError):
        return f"{path.name} is cut off or damaged"
    if damaged:
        return f"{path.name} is damaged"
    import torch  # here: whether a folder may be written is told without it
    from transformers.trainer_pt_utils import safe_globals

    try:
        with safe_globals():
            named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # hostile bytes can break the reader anywhere
        return f"{path.name} cannot be read"
    if named:
        return f"{path.name} would run code ({', '.join(sorted(named))}), which no checkpoint needs"
    return None


def process_count(checkpoint: Path) -> int:
    """Counts the processes that wrote a checkpoint: each left a file of its random numbers."""
    return len(list(checkpoint.glob(RANDOM_FILES)))
