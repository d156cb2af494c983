# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Time and memory of a command with all its processes."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Measured:
    """What one run of a command took.

    Attributes:
        seconds: Wall time.
        cpu_seconds: CPU time of the process and all its children.
        peak_megabytes: Highest sum, over all its processes, of their proportional share of
            memory (shared pages counted once), looked at every 50 ms.
        code: Exit code.
        output: What it printed.
    """

    seconds: float
    cpu_seconds: float
    peak_megabytes: float
    code: int
    output: str


def measure(command: Sequence[str], env: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        env: Variables on top of this process's own.

    Returns:
        Its cost.
    """
    before = os.times()
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(env or {})},
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _tree_megabytes(process.pid))
        time.sleep(0.05)
    output = process.stdout.read()
    seconds = time.perf_counter() - started
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return Measured(seconds, cpu, peak, process.returncode, output)


def _tree_megabytes(root: int) -> float:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # Behind the name in brackets, which may hold anything: state, parent.
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
                )
            except (OSError, IndexError):
                continue
    return sum(_proportional_megabytes(p) for p in parents if _descends(p, root, parents))


def _descends(process: int, root: int, parents: Mapping[int, int]) -> bool:
    while process and process != root:
        process = parents.get(process, 0)
    return process == root


def _proportional_megabytes(process: int) -> float:
    try:
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{process}/smaps_rollup").read_text(), re.M)
    except OSError:
        return 0.0
    return int(found.group(1)) / 1024 if found else 0.0
