# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What one contender is told to do."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Shape:
    """The network all contenders share; the defaults are the original's."""

    d_model: int = 512
    heads: int = 8
    layers: int = 2
    ffn: int = 2048
    vocabulary: int = 6000
    positions: int = 260


@dataclass
class Job:
    """One contender and its work.

    Attributes:
        name: The contender: a family and its options, as "loop-bf16".
        workload: A folder of `workload.save_workload`.
        batch: Pairs of an update; others take the tokens that so many pairs have on average.
        device: "cpu" or "cuda".
        threads: Of the CPU.
        original: A checkout of jingyaogong/TFChat, for that contender only.
        settings: More settings for train_hf.py, for ours only.
        whole_passes: Whether each block begins a new pass over the pairs; for ours only.
        against: Another checkout of this project, for the contender of that name.
    """

    name: str
    workload: str
    shape: Shape = field(default_factory=Shape)
    batch: int = 50
    device: str = "cpu"
    threads: int = 1
    original: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    whole_passes: bool = True
    against: str | None = None

    @property
    def family(self) -> str:
        """Names the file that runs it."""
        return self.name.split("-")[0]

    @property
    def options(self) -> list[str]:
        """Lists what stands behind the family's name."""
        return self.name.split("-")[1:]

    @property
    def bf16(self) -> bool:
        """Tells whether it computes in bf16."""
        return "bf16" in self.options

    def save(self, path: Path) -> None:
        """Write it for the process that does it."""
        path.write_text(json.dumps(asdict(self)))


def load_job(path: Path) -> Job:
    """Read what `Job.save` wrote."""
    kept = json.loads(path.read_text())
    return Job(**{**kept, "shape": Shape(**kept["shape"])})
