# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A request for replies, the promise of them, and the replies while another thread makes them."""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from transformers import GenerationConfig

from data_builders.translation import _

from ..chat.streaming import GrowingText, PieceTable, interrupts_held, next_item


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


def _uninterrupted(method: Callable[..., Any]) -> Callable[..., Any]:
    """Hold Ctrl-C back while a method has the future's lock."""

    @functools.wraps(method)
    def held(*args: Any, **kwargs: Any) -> Any:
        with interrupts_held():
            return method(*args, **kwargs)

    return held


class ReplyFuture(Future[BatchedReply]):
    """A `concurrent.futures.Future` that Ctrl-C cannot leave locked.

    The thread that makes replies sets the results of all callers. If Ctrl-C struck the main
    thread while it held a future's lock, that thread would wait for the lock, and every caller
    with it. So the lock is taken only while Ctrl-C is held back, and the waiting is done apart.
    A function for `add_done_callback` is called in the thread that makes replies: it must be quick.

    Args:
        stop: Set to end a reply that is being made; what there is of it is the result.
    """

    done = _uninterrupted(Future.done)
    running = _uninterrupted(Future.running)
    cancelled = _uninterrupted(Future.cancelled)
    add_done_callback = _uninterrupted(Future.add_done_callback)

    def __init__(self, stop: threading.Event) -> None:
        """Start with no result."""
        super().__init__()
        self._stop = stop
        self._gate: queue.SimpleQueue[None] = queue.SimpleQueue()
        super().add_done_callback(lambda future: self._gate.put(None))

    @_uninterrupted
    def cancel(self) -> bool:
        """Cancel a request that waits; stop one that is being answered, at its next token.

        Returns:
            True if it waited: `result()` raises CancelledError then. False otherwise: the result
            is what was made until then.
        """
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

    def _wait(self, timeout: float | None) -> None:
        """Wait until the gate is open, and leave it open for others."""
        next_item(self._gate, timeout)
        self._gate.put(None)


@dataclass
class Request:
    """What a caller asked for.

    Attributes:
        input_ids: The encoder's input.
        config: How to decode.
        options: More arguments of `generate()`.
        future: Where the reply goes.
        stop: Set to end the reply.
        key: Requests of equal keys may be answered together.
        on_text: Called with the number of the reply (0 where one is asked for) and a piece.
        deadline: `time.monotonic()` at which the reply ends, finished or not.
        seed: Where random numbers start.
    """

    input_ids: list[int]
    config: GenerationConfig
    options: dict[str, Any]
    future: ReplyFuture
    stop: threading.Event
    key: object
    on_text: Callable[[int, str], None] | None = None
    deadline: float | None = None
    seed: int | None = None

    def reason_to_stop(self) -> str | None:
        """Say why the reply must not go on, if it must not."""
        if self.stop.is_set():
            return "cancelled"
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "deadline"
        return None


@dataclass
class _Reply:
    """One reply to a request: its tokens, its text, why it ended; characters made and handed out.

    More may have been handed out than made: where the reply was begun again after an error.
    """

    text: GrowingText | None
    tokens: list[int] = field(default_factory=list)
    reason: str | None = None
    made: int = 0
    said: int = 0


class Answer:
    """The replies to one request, handed out when the last of them has ended.

    Attributes:
        done: Whether the future has its result.

    Args:
        request: Its future is running.
        copies: Replies to one request.
        ends: End tokens.
        pad: What follows a reply that some rule has ended.
        table: Of the tokenizer; needed where the request has `on_text`.
    """

    def __init__(
        self, request: Request, copies: int, ends: set[int], pad: int, table: PieceTable | None
    ) -> None:
        """Start with no token."""
        self.request = request
        self.done = False
        self._ends, self._pad = ends, pad
        self._table = table if request.on_text else None
        self._replies = [_Reply(self._new_text()) for _ in range(copies)]

    def add(self, number: int, token: int) -> None:
        """Take the next token of a reply; nothing happens to one that has ended."""
        reply = self._replies[number]
        if reply.reason is not None:
            return
        if token == self._pad and token not in self._ends:
            self._end(number, self.request.reason_to_stop() or "stop")
            return
        reply.tokens.append(token)
        if token in self._ends:
            self._end(number, "stop")
        elif reply.text is not None:
            self._say(number, reply.text.add(token))

    def end_all(self, reason: str) -> None:
        """End every reply that has not ended."""
        for number, reply in enumerate(self._replies):
            if reply.reason is None:
                self._end(number, reason)

    def begin_again(self) -> bool:
        """Forget the tokens, but not what the caller has heard; False where it would differ."""
        if self.request.config.do_sample and any(reply.said for reply in self._replies):
            return False
        self._replies = [_Reply(self._new_text(), said=one.said) for one in self._replies]
        return True

    def fail(self, error: BaseException) -> None:
        """Give the request an error instead of replies, unless it has them."""
        if not self.done:
            self.done = True
            if not isinstance(error, Exception):  # would end the caller's thread, or its process
                kind = type(error).__name__
                error = RuntimeError(
                    _("The model stopped with {kind}: {error}", kind=kind, error=error)
                )
            self.request.future.set_exception(error)

    def _new_text(self) -> GrowingText | None:
        return None if self._table is None else GrowingText(self._table, trim=True)

    def _end(self, number: int, reason: str) -> None:
        """End a reply; the last one hands all out."""
        reply = self._replies[number]
        reply.reason = reason
        if reply.text is not None:
            self._say(number, reply.text.close())
        if not self.done and all(one.reason is not None for one in self._replies):
            self.done = True
            tokens, reasons = zip(*((one.tokens, one.reason) for one in self._replies), strict=True)
            self.request.future.set_result(BatchedReply(list(tokens), list(reasons)))

    def _say(self, number: int, piece: str) -> None:
        """Hand out text; a caller that cannot take it has gone, and loses its own reply only."""
        reply = self._replies[number]
        heard = max(0, reply.said - reply.made)
        reply.made += len(piece)
        piece = piece[heard:]
        if not piece or self.done or self.request.on_text is None:
            return
        reply.said += len(piece)
        try:
            self.request.on_text(number, piece)
        except Exception as error:  # whatever the caller's function raises belongs to the caller
            self.fail(error)
