# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Another process that is writing a folder or a file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOLDS = """
import sys
from data_builders.writing import only_writer
with only_writer(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def another_writer(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Let another process write to `path`, until it is killed or the block ends."""
    began = [sys.executable, "-c", HOLDS, str(path)]
    with subprocess.Popen(began, stdout=subprocess.PIPE, stdin=subprocess.PIPE, cwd=ROOT) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        yield other
        if other.poll() is None:
            other.communicate(b"\n")
