# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How threads wait is settled before torch is loaded, and never against the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from busy_machine import table  # noqa: E402

WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")

# The module by its path: no other module of the package is loaded before it.
ALONE = """
import os, runpy, sys
module = runpy.run_path("tfchat_hf/training/threads.py")
assert "torch" not in sys.modules
print(module["shorten_spinning"](), os.environ.get("GOMP_SPINCOUNT"))
"""
TOO_LATE = "import sys; sys.modules['torch'] = None\n" + ALONE.replace("assert", "#")
# Notes the variable in the moment in which the command asks for torch, and ends there.
COMMAND = """
import os, sys
import train_hf
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("at torch:", os.environ.get("GOMP_SPINCOUNT"), flush=True)
            sys.exit(0)  # so that it gives its lock back
sys.meta_path.insert(0, Watch())
train_hf.main(["configs/quickstart.yaml", "--output_dir", "runs/not-there"])
"""


def printed(program: str, **variables: str) -> str:
    env = {name: value for name, value in os.environ.items() if name not in WAITING}
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**env, "PYTHONPATH": str(ROOT), **variables},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_threads_spin_shortly_where_nobody_says_how_to_wait() -> None:
    assert printed(ALONE) == "True 1000"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"GOMP_SPINCOUNT": "7"}, "False 7"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "False None"),  # the count would outweigh the policy
    ],
)
def test_what_the_environment_says_is_kept(variables: dict[str, str], expected: str) -> None:
    assert printed(ALONE, **variables) == expected


def test_nothing_is_set_that_would_come_too_late() -> None:
    assert printed(TOO_LATE) == "False None"


def test_a_training_has_settled_it_when_torch_is_loaded() -> None:
    assert printed(COMMAND) == "at torch: 1000"


def test_a_training_keeps_what_the_environment_says() -> None:
    assert printed(COMMAND, GOMP_SPINCOUNT="7") == "at torch: 7"


def test_the_table_of_the_benchmark_holds_medians_ranges_and_ratios() -> None:
    runs = {
        "torch alone": [{"idle": i, "busy": b} for i, b in ((0.2, 2.0), (0.1, 1.0), (0.4, 8.0))],
        "short spin": [{"idle": i, "busy": b} for i, b in ((0.2, 0.5), (0.25, 0.6), (0.3, 0.7))],
    }
    alone, short = table(runs).splitlines()[2:]
    assert alone == (
        "| torch alone | 0.200 (0.100 to 0.400) | 2.000 (1.000 to 8.000) | 10.00 | 1.00 | 10.00 |"
    )
    assert short == (
        "| short spin | 0.250 (0.200 to 0.300) | 0.600 (0.500 to 0.700) | 2.40 | 1.25 | 3.00 |"
    )
