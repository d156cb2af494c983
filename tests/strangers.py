# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Programs that run where this package is not to be had, as on the machine of a stranger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def told_by_a_stranger(program: str, *arguments: Path, home: Path) -> dict[str, Any]:
    """Run a program in `home`, without a network; its last line is JSON."""
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
