# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A request for a reply, and the reply while it is made."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from transformers import GenerationConfig

from ..chat.streaming import GrowingText, PieceTable
from .reply_future import BatchedReply, ReplyFuture


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
    """One reply to a request: its tokens, its text, and why it ended."""

    text: GrowingText | None
    tokens: list[int] = field(default_factory=list)
    reason: str | None = None


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
        self._replies = [
            _Reply(GrowingText(table, trim=True) if request.on_text else None)
            for _ in range(copies)
        ]

    def add(self, number: int, token: int) -> None:
        """Take the next token of a reply; nothing happens to one that has ended."""
        reply = self._replies[number]
        if reply.reason is not None:
            return
        if token in self._ends:
            reply.tokens.append(token)
            self._end(number, "stop")
        elif token == self._pad:
            self._end(number, self.request.reason_to_stop() or "stop")
        else:
            reply.tokens.append(token)
            if reply.text is not None:
                self._say(number, reply.text.add(token))

    def end_all(self, reason: str) -> None:
        """End every reply that has not ended."""
        for number, reply in enumerate(self._replies):
            if reply.reason is None:
                self._end(number, reason)

    def fail(self, error: Exception) -> None:
        """Give the request an error instead of replies, unless it has them."""
        if not self.done:
            self.done = True
            self.request.future.set_exception(error)

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
        if not piece or self.done:
            return
        try:
            self.request.on_text(number, piece)
        except Exception as error:  # whatever the caller's function raises belongs to the caller
            self.fail(error)
