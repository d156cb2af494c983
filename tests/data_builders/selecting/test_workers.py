# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Worker processes: order, faults, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.selecting.workers import default_workers, ordered_map

# Seconds after which a wait is given up: no more than a guard against hanging for ever.
PATIENCE = 300


def square(number: int) -> tuple[int, int]:
    # The first ones take longest: in the order of finishing they would come last.
    time.sleep(0.02 if number < 2 else 0)
    return number * number, os.getpid()


def meet(folder: str) -> int:
    """Return once two processes are at work at the same time; one alone waits in vain."""
    (Path(folder) / str(os.getpid())).touch()
    deadline = time.monotonic() + PATIENCE
    while len(os.listdir(folder)) < 2:
        assert time.monotonic() < deadline, "nobody else came"
        time.sleep(0.01)
    return os.getpid()


def fail_at_three(number: int) -> int:
    if number == 3:
        raise ValueError(f"no good: {number}")
    return number


def die_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def children() -> set[int]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(path.parent.name))
    return found


@pytest.fixture(autouse=True)
def nothing_left():
    """No test may leave a process, not even for a while."""
    before = children() if sys.platform == "linux" else set()
    yield
    if sys.platform == "linux":
        assert children() <= before


@pytest.mark.parametrize("workers", [2, 3])
def test_results_come_in_the_order_of_the_tasks_from_other_processes(workers):
    found = list(ordered_map(square, range(20), workers))
    assert [value for value, _ in found] == [n * n for n in range(20)]
    processes = {process for _, process in found}
    assert os.getpid() not in processes and len(processes) <= workers


def test_two_workers_work_at_the_same_time(tmp_path):
    processes = set(ordered_map(meet, [str(tmp_path)] * 2, 2))
    assert len(processes) == 2 and os.getpid() not in processes


@pytest.mark.parametrize("count, workers", [(0, 2), (1, 2), (5, 1)])
def test_few_tasks_or_one_worker_start_no_process(count, workers):
    found = list(ordered_map(square, range(count), workers))
    assert {process for _, process in found} <= {os.getpid()}
    assert [value for value, _ in found] == [n * n for n in range(count)]


@given(st.lists(st.integers(), max_size=8))
@settings(max_examples=20)
def test_one_worker_is_map(numbers):
    assert list(ordered_map(str, numbers, 1)) == list(map(str, numbers))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_passes_after_the_results_before_it(workers):
    found = []
    with pytest.raises(ValueError, match="no good: 3"):
        for value in ordered_map(fail_at_three, range(10), workers):
            found.append(value)
    assert found == [0, 1, 2]


def test_a_killed_worker_is_a_sentence_with_a_next_step():
    with pytest.raises(UserError, match="killed from outside.*same command again.*--workers 1"):
        list(ordered_map(die_at_three, range(10), 2))


def test_whoever_stops_early_leaves_no_process():
    results = ordered_map(square, range(1000), 2)
    assert next(results)[0] == 0
    results.close()


def test_tasks_are_taken_only_when_a_worker_is_nearly_free():
    taken = []

    def tasks():
        for number in range(50):
            taken.append(number)
            yield number

    results = ordered_map(square, tasks(), 2)
    for done in range(1, 20):
        next(results)
        assert len(taken) <= done + 2 * 2 + 1
    results.close()


def test_workers_are_the_cores_but_not_without_bound(monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        assert default_workers() == min(16, len(os.sched_getaffinity(0)))
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))
        assert default_workers() == 16
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert default_workers() == 1


PARENT = """
import os, signal
from data_builders.selecting.workers import ordered_map

def work(number):
    os.write(1, b"%d\\n" % os.getpid())
    signal.pause()

list(ordered_map(work, range(4), 2))
"""


def runs(process: int) -> bool:
    try:
        # A zombie is gone: nobody may be there to collect it.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_workers_end_with_a_killed_parent():
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as parent:
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(runs(worker) for worker in workers) and parent.pid not in workers
        parent.kill()
        parent.wait()
        parent.stdout.close()
    deadline = time.monotonic() + PATIENCE
    while any(runs(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = [worker for worker in workers if runs(worker)]
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    assert not left
