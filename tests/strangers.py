# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Programs that run where this package is not to be had, as on the machine of a stranger.

Each is forked from a process that has imported torch, and nothing that reads a setting of the Hub.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.commands import CAN_FORK, ROOT

_SERVER = """
import json, os, sys
from tests.commands import run_forked
import jinja2, sympy, torch._dynamo
assert not {"tfchat_hf", "data_builders", "transformers", "datasets"} & set(sys.modules)
assert "huggingface_hub.constants" not in sys.modules
sys.path.remove("")
for line in sys.stdin:
    if not (child := os.fork()):
        try:
            run_forked(*json.loads(line), False)
        except SystemExit as end:
            os._exit(end.code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def told_by_a_stranger(program: str, *arguments: Path, home: Path) -> dict[str, Any]:
    """Run a program in `home`, without a network; its last line is JSON."""
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    done = run_elsewhere(program, *arguments, cwd=home, environment=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def run_elsewhere(
    program: str, *arguments: str | Path, cwd: Path = ROOT, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end in a process that has imported nothing of the Hub's libraries."""
    words = ["-c", program, *map(str, arguments)]
    if not CAN_FORK:
        return subprocess.run(
            [sys.executable, *words],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
        )
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        order = [words, str(cwd), dict(environment), [os.devnull, out.name, err.name]]
        server = _server()
        server.stdin.write(json.dumps(order) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        said = (Path(file.name).read_text(encoding="utf-8") for file in (out, err))
        return subprocess.CompletedProcess(words, code, *said)


@functools.cache
def _server() -> subprocess.Popen[str]:
    """Start the process that forks, once."""
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    atexit.register(server.communicate)
    return server
