# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Streams and errors of every command: what is said steers nothing, and costs no work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from data_builders.command_line import CommandParser, say, sentence, tell

ROOT = Path(__file__).parents[2]


def test_what_is_said_steers_no_terminal(capsys):
    say("a\x1b]0;b\x07\nc\u202e")
    tell("d\x1b[31m")
    with pytest.raises(SystemExit):
        CommandParser(prog="x").parse_args(["e\x1b[31m"])
    out, err = capsys.readouterr()
    assert out == "a\\x1b]0;b\\x07\nc\\u202e\n"
    assert err == "d\\x1b[31m\nerror: unrecognized arguments: e\\x1b[31m\n"


def test_all_lines_of_an_error_are_said():
    assert sentence(ValueError("What failed:\n\n  why")) == "What failed: why"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("broken", ["full", "closed", "pipe"])
def test_work_goes_on_where_nobody_reads_its_notices(tmp_path, broken):
    end = {"full": "2>/dev/full", "closed": "2>&-", "pipe": "2>&1 >&3 | true"}[broken]
    work = (
        "import time\nfrom data_builders.command_line import run_command, tell, say\n"
        "def work():\n"
        "    for _ in range(3):\n        tell('x' * 100_000)\n"
        "    say('done')\n"
        "run_command(work)\n"
    )
    shell = f'exec 3>"$3"; if "$1" -c "$2" {end}; then :; fi' if broken == "pipe" else ""
    done = tmp_path / "done"
    command = shell or f'exec "$1" -c "$2" {end} >"$3"'
    subprocess.run(["sh", "-c", command, "sh", sys.executable, work, done], cwd=ROOT, check=True)
    assert done.read_text() == "done\n"


def test_work_goes_on_where_the_reader_of_its_results_has_seen_enough(tmp_path):
    done = tmp_path / "done"
    work = (
        "import pathlib, sys\nfrom data_builders.command_line import run_command, say\n"
        "def work():\n"
        "    for _ in range(3):\n        say('x' * 100_000)\n"
        "    pathlib.Path(sys.argv[1]).touch()\n"
        "sys.exit(run_command(work))\n"
    )
    shell = '"$1" -c "$2" "$3" | true'
    told = subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, work, done], cwd=ROOT, stderr=subprocess.PIPE
    )
    assert (done.exists(), told.stderr) == (True, b"")
