# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Waiting for another thread in a way that Ctrl-C can interrupt and cannot break."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")

# Ctrl-C cannot interrupt a wait without a time limit on Windows.
_POLL_SECONDS = 0.1


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C until the block is done: cut off in its locks, `threading` leaves them held."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda *given: came.append(given))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(*came[0])


def next_item(items: queue.SimpleQueue[Item], timeout: float | None = None) -> Item:
    """Wait for the next item; Ctrl-C ends the wait and harms nothing.

    Args:
        items: Not a queue.Queue: Ctrl-C may leave its lock held, and the other thread would wait
            for it forever.
        timeout: Seconds; None waits as long as it takes.

    Raises:
        TimeoutError: Nothing came in time.
    """
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _POLL_SECONDS if until is None else min(_POLL_SECONDS, until - time.monotonic())
        try:
            return items.get(timeout=max(0.0, left))
        except queue.Empty:
            if until is not None and time.monotonic() >= until:
                raise TimeoutError(f"nothing came within {timeout} s") from None
