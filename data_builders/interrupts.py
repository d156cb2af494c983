# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, kept for a moment where it would leave locks held or kill a worker just born."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


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


@contextmanager
def interrupts_held_for_children() -> Iterator[None]:
    """Keep Ctrl-C from the processes begun in the block too, where the system can.

    A worker just born would die of it with a traceback, and a pool that is cut off while it takes a
    task in may wait for that task forever.
    """
    with interrupts_held():
        if not hasattr(signal, "pthread_sigmask"):
            yield
            return
        # Not this alone: any other thread may receive the signal for this one.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
