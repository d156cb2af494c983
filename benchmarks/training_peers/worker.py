# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A contender in a process of its own: the driver's side, and the process's entry.

python -m training_peers.worker JOB.json       (started by training.py)
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .gate import Gate
from .job import Job, load_job

BENCHMARKS = Path(__file__).resolve().parents[1]


class WorkerError(RuntimeError):
    """A contender that ended before its time; the message names its log."""


class Worker:
    """Starts a contender and gives it its turns."""

    def __init__(self, job: Job, folder: Path) -> None:
        """Starts it; logs and the job lie in `folder`."""
        self.job = job
        self.log_path = folder / f"{job.name}.log"
        path = folder / f"{job.name}.json"
        job.save(path)
        self._log = open(self.log_path, "w", encoding="utf-8")
        self._process = subprocess.Popen(
            # -P: the folder that this was started in must not go before the checkout.
            [sys.executable, "-P", "-m", "training_peers.worker", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**_environment(job), "TMPDIR": str(folder)},
        )

    def answer(self) -> dict[str, Any]:
        """Waits for what it says next."""
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"{self.job.name} ended early; its log is {self.log_path}")
        return json.loads(line)

    def run(self, pairs: int) -> dict[str, Any]:
        """Lets it train on so many pairs."""
        try:
            self._process.stdin.write(f"run {pairs}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(f"{self.job.name} ended early; its log is {self.log_path}") from None
        return self.answer()

    def stop(self) -> None:
        """Ends it."""
        try:
            self._process.stdin.close()
            self._process.wait(20)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()


def _environment(job: Job) -> dict[str, str]:
    """Gives the worker's variables: its threads, no network, and where to import from."""
    code = job.against or str(BENCHMARKS.parent)
    threads, paths = job.threads, [str(BENCHMARKS), code, os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
    }


def main() -> None:
    """Runs the contender that the job names."""
    job = load_job(Path(sys.argv[1]))
    gate = Gate(job.device)
    import torch

    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    importlib.import_module(f"training_peers.{job.family}").train(job, gate)


if __name__ == "__main__":
    main()
