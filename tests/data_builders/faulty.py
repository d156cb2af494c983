# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Builds in processes of their own that can be stopped at a chosen moment."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.commands import Command

PATIENCE_SECONDS = 300.0

# The process touches the mark and then stands still, at the moment chosen by the test. What a shell
# starts with & ignores Ctrl-C, and so does all that it starts: the suite may run there.
_SCRIPT = """
import signal, sys
from pathlib import Path

signal.signal(signal.SIGINT, signal.default_int_handler)

def hold():
    Path(sys.argv[1]).touch()
    while True:
        signal.pause()

def at(owner, name, when=lambda *given: True, after=False):
    real, seen = getattr(owner, name), []
    def held(*given, **more):
        seen.append(given)
        if when(len(seen), *given):
            if after:
                real(*given, **more)
            hold()
        return real(*given, **more)
    setattr(owner, name, held)

import data_builders.building.builder as base
import data_builders.output.folder as output
import data_builders.writing as writing
import data_builders.building.staging as staging
from data_builders.__main__ import main
from data_builders.report import BuildReport

staging.SHARD_DIALOGUES = {shard}
output.draw_pictures = lambda *given: []
{moment}
sys.exit(main(sys.argv[2:]))
"""


def start(arguments: list[str], mark: Path, moment: str = "", shard: int = 100) -> Command:
    """Start a build in a session of its own.

    Args:
        arguments: The command line after `python -m data_builders`.
        mark: The file the process makes when the moment has come.
        moment: Python code that calls `at` for what is to stand still.
        shard: Dialogues a shard.
    """
    script = _SCRIPT.format(moment=moment, shard=shard)
    return Command(["-c", script, str(mark), *arguments], session=True)


def wait_for(happened: Callable[[], bool], process: Command | None = None) -> None:
    """Wait until something has happened; a process that ends before that is an error."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"ended too soon: {process.communicate()}")
        if time.monotonic() > end:
            raise AssertionError("never happened")
        time.sleep(0.02)


def kill_at(arguments: list[str], mark: Path, moment: str) -> None:
    """Start a build, kill it at the moment, and wait until its workers are gone too."""
    mark.unlink(missing_ok=True)
    process = start(arguments, mark, moment)
    try:
        wait_for(mark.exists, process)
        process.kill()
        process.communicate()
        wait_for(lambda: not session_members(process.pid))
    finally:
        end_session(process)


def session_members(session: int) -> list[int]:
    """List the living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # Behind the name in brackets: state, parent, group, session.
                values = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(values[3]) == session and values[0] != "Z":
                found.append(int(entry.name))
    return found


def end_session(process: Command) -> None:
    """End what is left of a session, for a test that failed."""
    for member in session_members(process.pid):
        try:
            os.kill(member, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()
    process.close()
