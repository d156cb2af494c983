# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""This project as another checkout has it: `training.py --against CHECKOUT`."""

from __future__ import annotations

from pathlib import Path

import tfchat_hf

from . import ours
from .gate import Gate
from .job import Job


def train(job: Job, gate: Gate) -> None:
    """Trains with the code of the other checkout until the driver has had enough.

    Raises:
        RuntimeError: If another tfchat_hf was imported.
    """
    found = Path(tfchat_hf.__file__).resolve().parents[1]
    if found != Path(job.against).resolve():
        raise RuntimeError(f"--against {job.against}: tfchat_hf was imported from {found}")
    ours.train(job, gate)
