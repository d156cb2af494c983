# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Commands answer before the heavy libraries load; `benchmarks/startup.py` has the seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from startup import commands, quick_answers  # noqa: E402

# Runs a script or a module as Python would, and then says which libraries it has loaded.
PROGRAM = """
import atexit, runpy, sys
heavy = ("torch", "transformers", "datasets", "pyarrow")
atexit.register(lambda: sys.stderr.write("LOADED " + " ".join(set(heavy) & set(sys.modules))))
words = sys.argv[1:]
if words[0] == "-m":
    sys.argv = words[1:]
    runpy.run_module(words[1], run_name="__main__", alter_sys=True)
else:
    sys.argv = words
    runpy.run_path(words[0], run_name="__main__")
"""


@pytest.mark.parametrize("command", list(commands()))
def test_a_command_answers_before_anything_heavy_is_loaded(command: str, tmp_path: Path) -> None:
    wrong = []
    for name, what, words, code in quick_answers(tmp_path):
        if name != command:
            continue
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *commands()[name], *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
        )
        said, _, loaded = done.stderr.rpartition("LOADED ")
        told = not said if code == 0 else said.startswith("error: ") and said.count("\n") == 1
        meant = "misspelt" not in what or "Did you mean" in said
        if loaded or done.returncode != code or not told or not meant:
            wrong.append((what, done.returncode, loaded, said[-300:]))
    assert wrong == []
