# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What an export is made from: the weights of a run, and the code that says what they mean."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path

from torch import nn

from .carried_code import code_sum

PACKAGE = __name__.split(".")[0]


def weight_sums(run: Path) -> dict[str, str]:
    """Give the SHA-256 of the weights and the configuration of a run."""
    files = sorted(run.glob("model*.safetensors"))
    return {path.name: _sum_of(path) for path in (run / "config.json", *files)}


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def network_modules(model: nn.Module) -> list[str]:
    """Name the modules of this package that define what the network is made of."""
    names = {type(part).__module__ for part in model.modules()}
    return sorted(name for name in names if name.split(".")[0] == PACKAGE)


def code_sums(modules: Iterable[str], run: Path) -> dict[str, str]:
    """Give a digest of the network's code, in this package and where the run has its own copy.

    Args:
        modules: As `network_modules` names them.
        run: The run's folder.

    Returns:
        Digests by module, and by file name for the run's; empty ones for modules that are gone.
    """
    sums = {}
    for name in modules:
        source = _source_of(name)
        sums[name] = code_sum(source) if source is not None else ""
        copy = run / f"{name.rpartition('.')[2]}.py"
        if copy.is_file():
            sums[copy.name] = code_sum(copy)
    return sums


def _source_of(module: str) -> Path | None:
    """Find a module's file; None if there is no such module any more."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(found.origin) if found is not None and found.origin else None
