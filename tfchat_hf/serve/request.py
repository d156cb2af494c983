# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A request for a reply, the promise of it, and the reply while another thread makes it."""

from __future__ import annotations

import copy
import functools
import json
import queue
import threading
import time
from collections.abc import Callable, Container
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple

from transformers import GenerationConfig

from data_builders.interrupts import interrupts_held
from data_builders.translation import _

from ..chat.streaming import GrowingText, PieceTable, next_item

# What each reply has of its own, however equal their settings are otherwise.
LENGTHS = {"max_new_tokens", "max_length", "presets"}


class TokenScore(NamedTuple):
    """A token of a reply, and what the network itself thought of it.

    Attributes:
        id: The token.
        logprob: Its log-probability by the network's own logits, before processors and
            temperature; None where nobody asked (`top_logprobs`).
        top: The likeliest tokens and their log-probabilities, as many as were asked for.
    """

    id: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class BatchedReply:
    """What became of a request.

    Attributes:
        sequence: Token ids, the end token included, the start token and padding not.
        finish_reason: Why the reply ended: `stop` (it was finished), `length` (no more tokens were
            allowed), `cancelled`, or `deadline`.
        scores: Of each token.
    """

    sequence: list[int]
    finish_reason: str
    scores: list[TokenScore]


OnText = Callable[[str, list[TokenScore]], None]


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

    Attributes:
        stop: Set to end a reply that is being made; what there is of it is the result.
    """

    done = _uninterrupted(Future.done)
    running = _uninterrupted(Future.running)
    cancelled = _uninterrupted(Future.cancelled)
    add_done_callback = _uninterrupted(Future.add_done_callback)

    def __init__(self) -> None:
        """Start with no result."""
        super().__init__()
        self.stop = threading.Event()
        self._gate: queue.SimpleQueue[None] = queue.SimpleQueue()
        super().add_done_callback(lambda future: self._gate.put(None))

    @_uninterrupted
    def cancel(self) -> bool:
        """Cancel a request that waits; stop one that is being answered, at its next token.

        Returns:
            True if it waited: `result()` raises CancelledError then. False otherwise: the result
            is what was made until then.
        """
        self.stop.set()
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
        settings: What is equal for requests with equal settings, but for the length.
        key: Requests of equal keys may share a batch of their own; None for one that can join the
            running batch.
        on_text: Called with new text and tokens.
        deadline: `time.monotonic()` at which the reply ends, finished or not.
        seed: Where random numbers start.
        top_logprobs: How many of the likeliest tokens to name beside each; None for no scores.
    """

    input_ids: list[int]
    config: GenerationConfig
    options: dict[str, Any]
    future: ReplyFuture
    settings: str
    key: object
    on_text: OnText | None = None
    deadline: float | None = None
    seed: int | None = None
    top_logprobs: int | None = None

    def reason_to_stop(self) -> str | None:
        """Say why the reply must not go on, if it must not."""
        if self.future.stop.is_set():
            return "cancelled"
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "deadline"
        return None


class Answer:
    """The reply to one request, handed out when it has ended.

    More of it may have been handed out than made: where it was begun again after an error.

    Attributes:
        done: Whether the future has its result.

    Args:
        request: Its future is running.
        ends: End tokens.
        pad: What follows a reply that some rule has ended; None where nothing follows.
        table: Of the tokenizer; needed where the request has `on_text`.
    """

    def __init__(
        self, request: Request, ends: set[int], pad: int | None, table: PieceTable | None
    ) -> None:
        """Start with no token."""
        self.request = request
        self.done = False
        self._ends, self._pad = ends, pad
        self._table = table if request.on_text else None
        self._said, self._told = 0, 0  # characters and tokens that were handed out
        self._begin()

    def _begin(self) -> None:
        self._text = None if self._table is None else GrowingText(self._table, trim=True)
        self._scores: list[TokenScore] = []
        self._made = 0  # characters

    def add(self, token: TokenScore) -> None:
        """Take the next token; nothing happens to a reply that has ended."""
        if self.done:
            return
        if token.id == self._pad and token.id not in self._ends:
            self.end(self.request.reason_to_stop() or "stop")
            return
        self._scores.append(token)
        if token.id in self._ends:
            self.end("stop")
        elif self._text is not None:
            self._say(self._text.add(token.id))

    def end(self, reason: str) -> None:
        """End the reply and hand it out, unless it has ended."""
        if self._text is not None:
            self._say(self._text.close())
        if not self.done:
            self.done = True
            ids = [token.id for token in self._scores]
            self.request.future.set_result(BatchedReply(ids, reason, self._scores))

    def begin_again(self) -> bool:
        """Forget the tokens, but not what the caller has heard; False where it would differ."""
        if self.request.config.do_sample and self._told:
            return False
        self._begin()
        return True

    def fail(self, error: BaseException) -> None:
        """Give the request an error instead of a reply, unless it has one."""
        if not self.done:
            self.done = True
            if not isinstance(error, Exception):  # would end the caller's thread, or its process
                kind = type(error).__name__
                error = RuntimeError(
                    _("The model stopped with {kind}: {error}", kind=kind, error=error)
                )
            self.request.future.set_exception(error)

    def _say(self, piece: str) -> None:
        """Hand out text and tokens; a caller that cannot take them loses its own reply only."""
        heard = max(0, self._said - self._made)
        self._made += len(piece)
        piece, tokens = piece[heard:], self._scores[self._told :]
        if not (piece or tokens) or self.done or self.request.on_text is None:
            return
        self._said += len(piece)
        self._told += len(tokens)
        try:
            self.request.on_text(piece, tokens)
        except BaseException as error:  # whatever the caller's function raises is the caller's
            self.fail(error)


def completed(config: GenerationConfig, default: GenerationConfig) -> GenerationConfig:
    """Return settings with the model's own where they leave it to the model."""
    whole = copy.copy(config)
    for name, value in vars(default).items():
        if getattr(whole, name, None) is None:
            setattr(whole, name, value)
    return whole


def settings_text(config: GenerationConfig, but: Container[str] = ()) -> str:
    """Write settings down, to compare them."""
    values = {name: value for name, value in vars(config).items() if name not in but}
    return json.dumps(values, sort_keys=True, default=repr)


def batch_key(config: GenerationConfig, seed: int | None, options: dict[str, Any]) -> tuple:
    """Return what is equal for requests that may share a batch of their own."""
    draws = config.do_sample or (getattr(config, "num_candidates", None) or 1) > 1
    if draws and seed is not None:  # the rows of such a batch share one stream of random numbers
        return (object(),)
    return settings_text(config), *sorted((name, id(value)) for name, value in options.items())
