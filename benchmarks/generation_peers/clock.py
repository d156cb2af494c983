# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How long each step of a reply takes, seen from a logits processor that changes nothing."""

from __future__ import annotations

import time

import torch
from transformers import LogitsProcessor


class StepClock(LogitsProcessor):
    """Notes the CPU time at each step."""

    def __init__(self) -> None:
        """Nothing has been noted."""
        self.times: list[float] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Note the time and return the scores as they are."""
        self.times.append(time.process_time())
        return scores

    def steps(self) -> list[float]:
        """Give the seconds between one step and the next."""
        return [b - a for a, b in zip(self.times, self.times[1:], strict=False)]
