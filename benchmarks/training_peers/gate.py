# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Lets a contender run in blocks: it waits on standard input, does a block, says what it took."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Gate:
    """The worker's side. Call `open` once before the first update, `step` after each one."""

    def __init__(self, device: str = "cpu") -> None:
        """Takes standard output for itself; what libraries print goes to standard error."""
        self.device = device
        self.answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self.goal = 0
        # Looks at the model after a block, while the clock stands; its figures go with the block.
        self.measure: Callable[[], dict[str, float]] | None = None
        self._forget()

    def open(self, **values: Any) -> None:
        """Says that everything is set up, and waits for the first block."""
        self._say(ready=True, cpu=time.process_time(), **values)
        self._wait()

    def step(self, pairs: int, tokens: int, flops: float = 0.0) -> bool:
        """Counts an update.

        Args:
            pairs: Its pairs.
            tokens: Its real source and reply tokens.
            flops: Operations executed, padding included; 0 where that is not known.

        Returns:
            Whether a block ended with it (the next one has been asked for by then): the pass over
            the pairs is then to begin anew, so that every block holds the same pairs.
        """
        self.pairs += pairs
        self.tokens += tokens
        self.flops += flops
        if self.pairs < self.goal:
            return False
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        counted = {"pairs": self.pairs, "tokens": self.tokens, "flops": self.flops}
        measured = self.measure() if self.measure else {}
        self._say(wall=wall, cpu=cpu, **counted, **measured)
        self._wait()
        return True

    def _wait(self) -> None:
        """Sleeps until the next block is asked for; ends the process at anything else."""
        gc.collect()
        try:  # All contenders stay alive: a sleeping one gives back what it can.
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        except OSError:
            pass
        words = sys.stdin.readline().split()
        if len(words) != 2 or words[0] != "run":
            sys.stdout.flush()
            os._exit(0)
        self.goal = int(words[1])
        self._forget()

    def _forget(self) -> None:
        self.pairs, self.tokens, self.flops = 0, 0, 0.0
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def _say(self, **values: Any) -> None:
        values["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        values["own_mb"] = _own_megabytes()
        self.answers.write(json.dumps(values) + "\n")
        self.answers.flush()


def _own_megabytes() -> float:
    """Gives the memory of this process now without mapped files, which the system may take back."""
    found = re.search(r"^RssAnon:\s+(\d+)", Path("/proc/self/status").read_text(), re.M)
    return int(found[1]) / 1024 if found else 0.0
