# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A few worker processes that take tasks in order and end with their parent."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from queue import SimpleQueue
from typing import TypeVar

from data_builders.errors import UserError
from data_builders.interrupts import interrupts_held_for_children

Task = TypeVar("Task")
Result = TypeVar("Result")

# Tasks handed over but not yet fetched, per worker: more would only fill the memory.
_AHEAD = 1


def default_workers() -> int:
    """Say how many processes to use: one per core this process may run on, at most 16."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(16, usable or 1))


def ordered_map(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Iterator[Result]:
    """Apply a function to tasks in worker processes, results in the order of the tasks.

    With one task, or one worker, everything runs in this process: a small corpus does not pay
    for the start of processes. A few tasks at a time are in flight, so memory stays flat
    however many there are.

    Args:
        function: A picklable function of one task.
        tasks: The tasks; taken from the iterator only when a worker is nearly free.
        workers: How many processes.

    Yields:
        The results.

    Raises:
        UserError: If a worker was killed, as by the system for want of memory.
    """
    iterator = iter(tasks)
    first = next(iterator, None)
    second = next(iterator, None) if first is not None and workers > 1 else None
    if second is None:
        yield from (function(task) for task in _chained(first, iterator))
        return
    try:
        with _pool(workers) as pool:
            with interrupts_held_for_children():
                pool.submit(int).result()  # Starts the workers.
            yield from _in_flight(
                pool, function, _chained(first, _chained(second, iterator)), workers
            )
    except BrokenProcessPool:
        raise UserError(
            "A worker process was killed from outside, most often for want of memory. Run the "
            "same command again: it goes on where it stopped. `--workers 1` takes less memory."
        ) from None


def _chained(first: Task | None, rest: Iterable[Task]) -> Iterator[Task]:
    if first is not None:
        yield first
    yield from rest


def _in_flight(
    pool: ProcessPoolExecutor,
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    workers: int,
) -> Iterator[Result]:
    # Not `future.result()`: Ctrl-C may leave the future's lock held, and the pool, which needs it
    # to say what became of the task, would never end.
    waiting: deque[tuple[Future[Result], SimpleQueue[Future[Result]]]] = deque()
    try:
        for task in tasks:
            with interrupts_held_for_children():
                future = pool.submit(function, task)
                done: SimpleQueue[Future[Result]] = SimpleQueue()
                future.add_done_callback(done.put)
                waiting.append((future, done))
            if len(waiting) >= workers * (1 + _AHEAD):
                yield waiting.popleft()[1].get().result()
        while waiting:
            yield waiting.popleft()[1].get().result()
    finally:
        with interrupts_held_for_children():
            for future, _ in waiting:
                future.cancel()


def _pool(workers: int) -> ProcessPoolExecutor:
    # fork shares the imported modules; elsewhere it is not safe or not there.
    method = "fork" if sys.platform == "linux" else "spawn"
    context = multiprocessing.get_context(method)
    return ProcessPoolExecutor(
        workers, mp_context=context, initializer=_end_with, initargs=(os.getpid(),)
    )


def _end_with(parent: int) -> None:
    """Let a worker end when its parent is gone, even by `kill -9`, and not by Ctrl-C."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    # Ctrl-C reaches the whole group; the parent alone decides, and says what happened.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What the parent had is shared with it as long as the collector of garbage does not write to
    # it: 30 MB in each worker.
    gc.freeze()
    threading.Thread(target=watch, daemon=True).start()
