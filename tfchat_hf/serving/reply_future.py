# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The promise of a reply that another thread makes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from ..chat.interruptible import interrupts_held, next_item


@dataclass(frozen=True)
class BatchedReply:
    """What became of a request.

    Attributes:
        sequences: Token ids of each reply, the end token included, the start token and padding
            not.
        finish_reasons: Why each ended: `stop` (it was finished), `length` (no more tokens were
            allowed), `cancelled`, or `deadline`.
    """

    sequences: list[list[int]]
    finish_reasons: list[str]


class ReplyFuture(Future[BatchedReply]):
    """A `concurrent.futures.Future` that Ctrl-C cannot leave locked.

    The thread that makes replies sets the results of all callers. If Ctrl-C struck the main
    thread while it held a future's lock, that thread would wait for the lock, and every caller
    with it. So the lock is taken only while Ctrl-C is held back, and the waiting is done apart.

    Args:
        stop: Set to end a reply that is being made; what there is of it is the result.
    """

    def __init__(self, stop: threading.Event) -> None:
        """Start with no result."""
        super().__init__()
        self._stop = stop
        self._gate: queue.SimpleQueue[None] = queue.SimpleQueue()
        super().add_done_callback(lambda future: self._gate.put(None))

    def cancel(self) -> bool:
        """Cancel a request that waits; stop one that is being answered, at its next token.

        Returns:
            True if it waited: `result()` raises CancelledError then. False otherwise: the result
            is what was made until then.
        """
        with interrupts_held():
            self._stop.set()
            return super().cancel()

    def result(self, timeout: float | None = None) -> BatchedReply:
        """Wait for the reply, as Future.result does."""
        self._wait(timeout)
        with interrupts_held():
            return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end and return what went wrong, as Future.exception does."""
        self._wait(timeout)
        with interrupts_held():
            return super().exception(0)

    def done(self) -> bool:
        """Whether there is a result, an error, or it was cancelled."""
        with interrupts_held():
            return super().done()

    def running(self) -> bool:
        """Whether the reply is being made."""
        with interrupts_held():
            return super().running()

    def cancelled(self) -> bool:
        """Whether it was cancelled before it began."""
        with interrupts_held():
            return super().cancelled()

    def add_done_callback(self, function: Callable[[Future[BatchedReply]], object]) -> None:
        """Call `function(self)` at the end; in the thread that makes replies, so be quick."""
        with interrupts_held():
            super().add_done_callback(function)

    def _wait(self, timeout: float | None) -> None:
        """Wait until the gate is open, and leave it open for others."""
        next_item(self._gate, timeout)
        self._gate.put(None)
