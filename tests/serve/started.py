# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Servers in processes of their own, as a service manager starts them."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ANSWERS = re.compile(r"answers at (\S+)")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def started(command: Sequence[str], said: Path, **settings: Any) -> Iterator[str]:
    """Start a server, yield where it answers, and stop it with SIGTERM.

    Args:
        command: The command line.
        said: The file for all that it says.
        settings: Those of `Popen`; `env` comes on top of the environment.
    """
    settings["env"] = {**os.environ, **settings.get("env", {})}
    with said.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, **settings)
    try:
        while not (found := ANSWERS.search(said.read_text(encoding="utf-8"))):
            assert process.poll() is None, said.read_text(encoding="utf-8")
            time.sleep(0.1)
        yield found[1]
    finally:
        process.terminate()
        code = process.wait()
    assert code == 0, said.read_text(encoding="utf-8")
