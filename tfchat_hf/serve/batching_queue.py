# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Answer many callers at once: what comes while a batch is decoded makes up the next batch.

    with BatchingQueue(model, tokenizer) as batching:      # one queue a process, any threads
        future = batching.submit(tokenizer("你好")["input_ids"])
        print(tokenizer.decode(future.result().sequences[0]))

Requests with equal settings share a batch, in the order in which they came; the oldest one always
goes first. A reply is given out at its own end, not at that of its batch. The same request gets
the same reply alone and in company: greedy replies and beams do not see the other rows, and a
request that draws from a seed of its own is answered alone, because the rows of a batch share one
stream of random numbers.
"""

from __future__ import annotations

import contextlib
import copy
import json
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from torch import nn
from transformers import GenerationConfig
from transformers import PreTrainedTokenizerBase as Tokenizer

from data_builders.command_line import must_be_at_least
from data_builders.translation import _

from ..chat.streaming import PieceTable, interrupts_held, next_item
from ..fast import FastDecoder
from ..model.modeling_tfchat import TFChatForConditionalGeneration
from ..text.errors import UserError
from .batch_run import BatchRun
from .request import OnText, ReplyFuture, Request


class QueueFullError(RuntimeError):
    """Too many requests wait; the message says how many may."""


class QueueClosedError(RuntimeError):
    """The queue takes no more requests."""


class BatchingQueue:
    """Puts requests of many threads into batches for one model.

    Attributes:
        batch_sizes: How many batches of each size there have been.

    Args:
        model: A model with `generate()`, in evaluation mode. Nothing else may use it meanwhile.
        tokenizer: Its tokenizer; needed for `on_text` and stop strings.
        max_batch_size: Most requests in a batch.
        max_wait_ms: How long the first request after a pause waits for company. A queue that was
            busy never waits: its next batch has come together already. Measured with 32 callers:
            1 ms gathers what 20 ms gather; without any wait batches were a tenth smaller.
        max_waiting: Most requests that wait for a batch.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer | None = None,
        *,
        max_batch_size: int = 32,
        max_wait_ms: float = 2.0,
        max_waiting: int = 1024,
    ) -> None:
        """Start the thread that generates."""
        _check_limits(max_batch_size, max_wait_ms, max_waiting)
        self.model = model
        is_torch = isinstance(model, TFChatForConditionalGeneration)
        self._fast = FastDecoder() if is_torch else None
        self.max_batch_size = max_batch_size
        self.max_waiting = max_waiting
        self.batch_sizes: Counter[int] = Counter()
        self._table = None if tokenizer is None else PieceTable(tokenizer)
        self._max_wait = max_wait_ms / 1000
        # No locks, which Ctrl-C may leave held: a SimpleQueue is one step or none.
        self._inbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._places: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _place in range(max_waiting):
            self._places.put(None)
        self._waiting: deque[Request] = deque()  # the worker's alone
        self._closing, self._abandon = threading.Event(), threading.Event()
        self._ended = threading.Event()
        self._end_of_work: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._work, name="tfchat-batching", daemon=True)
        with interrupts_held():
            self._worker.start()

    def submit(
        self,
        input_ids: Sequence[int],
        generation_config: GenerationConfig | None = None,
        *,
        seed: int | None = None,
        on_text: OnText | None = None,
        stop: threading.Event | None = None,
        deadline: float | None = None,
        top_logprobs: int | None = None,
        **options: Any,
    ) -> ReplyFuture:
        """Ask for a reply.

        Args:
            input_ids: The encoder's input, as `encode_context` makes it.
            generation_config: How to decode; the model's own by default.
            seed: Draw from it, and get the same reply each time.
            on_text: Called with the number of the reply (0 where one is asked for), the next piece
                of text ("" while a character is incomplete) and the new tokens, each a
                `TokenScore`, in the thread that generates: be quick, best put it into a queue.
                What it raises ends this request.
            stop: Set it to end the reply; `future.cancel()` does the same.
            deadline: `time.monotonic()` at which the reply ends, finished or not; a request that
                still waits then gets a TimeoutError.
            top_logprobs: Give each token's log-probability, and name so many of the likeliest
                beside it; None for neither.
            **options: More arguments of `generate()`, such as `reverse_model`. Only requests
                with the very same objects share a batch.

        Raises:
            UserError: The model cannot read the request.
            QueueFullError: `max_waiting` requests wait already.
            QueueClosedError: `close()` has been called.
        """
        config = copy.deepcopy(generation_config or self.model.generation_config)
        self._check(input_ids, on_text)
        _check_options(seed, stop, deadline)
        self._check_top(top_logprobs)
        stop = threading.Event() if stop is None else stop
        request = Request(
            input_ids=list(input_ids),
            config=config,
            options=options,
            future=ReplyFuture(stop),
            stop=stop,
            key=(_key(config, seed, options), top_logprobs is None),
            on_text=on_text,
            deadline=deadline,
            seed=seed,
            top_logprobs=top_logprobs,
        )
        self._enter(request)
        return request.future

    def close(self, drain: bool = True, timeout: float | None = None) -> None:
        """Take no more requests, and end the thread.

        Args:
            drain: Answer those that wait first. Otherwise they are cancelled, and what is being
                said ends at its next token.
            timeout: Most seconds to wait for that.

        Raises:
            TimeoutError: It took longer; the thread goes on.
        """
        self._closing.set()
        if not drain:
            self._abandon.set()
        self._inbox.put(None)
        if threading.current_thread() is not self._worker:
            next_item(self._end_of_work, timeout)
            self._end_of_work.put(None)

    def __enter__(self) -> BatchingQueue:
        """Return the queue."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Close; after an error without answering what waits."""
        self.close(drain=kind is None)

    def _check(self, input_ids: Sequence[int], on_text: object) -> None:
        """Refuse what would fail in the batch, and take others with it."""
        config = self.model.config
        limit = config.max_position_embeddings
        if not 0 < len(input_ids) <= limit:
            raise UserError(
                "`input_ids` must hold 1 to {limit} tokens (got {count}). Use "
                "`encode_context`, which leaves out the oldest turns.",
                limit=limit,
                count=len(input_ids),
            )
        for token in input_ids:
            if not isinstance(token, int) or not 0 <= token < config.vocab_size:
                raise UserError(
                    "`input_ids` must be token ids from 0 to {most} (got {token!r}). Use "
                    "the model's own tokenizer.",
                    most=config.vocab_size - 1,
                    token=token,
                )
        if on_text is not None and self._table is None:
            raise UserError("`on_text` needs a tokenizer: BatchingQueue(model, tokenizer).")

    def _check_top(self, top_logprobs: object) -> None:
        """Refuse a number of rivals that there is not."""
        ranks = type(self.model).forward is not nn.Module.forward  # CTranslate2 knows its own only
        most = self.model.config.vocab_size if ranks else 0
        if top_logprobs is None or (type(top_logprobs) is int and 0 <= top_logprobs <= most):
            return
        raise UserError(
            "`top_logprobs` must be None or a whole number from 0 to {most} (got "
            "{top_logprobs!r}).",
            most=most,
            top_logprobs=top_logprobs,
        )

    def _enter(self, request: Request) -> None:
        """Put a request into the inbox, if there is a place for it."""
        if self._closing.is_set():
            raise QueueClosedError(_("The queue is closed and takes no more requests."))
        try:
            self._places.get_nowait()
        except queue.Empty:
            raise QueueFullError(
                _(
                    "{count} requests wait already (`max_waiting`). Try again later, or allow "
                    "more.",
                    count=self.max_waiting,
                )
            ) from None
        self._inbox.put(request)
        if self._ended.is_set():  # closed in between: nobody will look into the inbox
            self._refuse_late_ones()

    def _work(self) -> None:
        """Answer batches until the queue is closed and nothing waits."""
        try:
            while self._wait_for_requests():
                if batch := self._next_batch():
                    self.batch_sizes[len(batch)] += 1
                    BatchRun(self.model, batch, self._table, self._abandon, self._fast).run()
        finally:
            self._closing.set()
            self._ended.set()
            self._refuse_late_ones()
            self._end_of_work.put(None)

    def _wait_for_requests(self) -> bool:
        """Return once a batch can begin; False when there will be none."""
        self._look_into_inbox()
        while not self._waiting:
            if self._closing.is_set():
                return False
            self._look_into_inbox(None)
            # Those that come at the same time as the first one get a moment to arrive.
            until = time.monotonic() + self._max_wait
            while len(self._waiting) < self.max_batch_size and not self._closing.is_set():
                if not self._look_into_inbox(max(0.0, until - time.monotonic())):
                    break
        return True

    def _look_into_inbox(self, timeout: float | None = 0.0) -> bool:
        """Take over what has come, waiting for the first; tell whether anything came.

        Args:
            timeout: Seconds; None waits as long as it takes.
        """
        came = False
        with contextlib.suppress(queue.Empty):
            while True:
                request = self._inbox.get(timeout=0.0 if came else timeout)
                came = True
                if request is not None:  # None has only ended a wait
                    self._waiting.append(request)
        return came

    def _next_batch(self) -> list[Request]:
        """Take the oldest request and those that may share its batch."""
        batch: list[Request] = []
        others: deque[Request] = deque()
        for request in self._waiting:
            if self._is_over(request):
                self._places.put(None)
            elif len(batch) < self.max_batch_size and (not batch or request.key == batch[0].key):
                self._places.put(None)
                if request.future.set_running_or_notify_cancel():
                    batch.append(request)
            else:
                others.append(request)
        self._waiting = others
        return batch

    def _is_over(self, request: Request) -> bool:
        """Tell whether nobody wants the reply any more, and tell the one who asked."""
        reason = "cancelled" if self._abandon.is_set() else request.reason_to_stop()
        if reason == "deadline" and request.future.set_running_or_notify_cancel():
            error = TimeoutError(_("The deadline passed while the request waited for a batch."))
            request.future.set_exception(error)
        elif reason == "cancelled":
            Future.cancel(request.future)  # without setting `stop`, whose lock may be lost
            request.future.set_running_or_notify_cancel()
        return reason is not None

    def _refuse_late_ones(self) -> None:
        """Fail requests that came in while the queue was closed."""
        self._look_into_inbox()
        while True:
            try:
                future = self._waiting.popleft().future
            except IndexError:  # several threads may be at it
                return
            if future.set_running_or_notify_cancel():
                future.set_exception(QueueClosedError(_("The queue was closed.")))


def _key(config: GenerationConfig, seed: int | None, options: dict[str, Any]) -> object:
    """Return what is equal for requests that may share a batch."""
    draws = config.do_sample or (getattr(config, "num_candidates", None) or 1) > 1
    if draws and seed is not None:
        return object()
    settings = json.dumps(config.to_dict(), sort_keys=True, default=repr)
    return settings, tuple(sorted((name, id(value)) for name, value in options.items()))


def _check_options(seed: object, stop: object, deadline: object) -> None:
    """Refuse what would stop the thread that all callers wait for."""
    if not (seed is None or (isinstance(seed, int) and -(2**63) <= seed < 2**63)):
        raise UserError("`seed` must be a whole number of 64 bits (got {seed!r}).", seed=seed)
    if not (stop is None or hasattr(stop, "is_set")):
        raise UserError("`stop` must be a threading.Event (got {stop!r}).", stop=stop)
    if not (deadline is None or (isinstance(deadline, int | float) and deadline == deadline)):
        raise UserError(
            "`deadline` must be a time of `time.monotonic()` (got {deadline!r}).", deadline=deadline
        )


def _check_limits(max_batch_size: int, max_wait_ms: float, max_waiting: int) -> None:
    """Refuse a queue that could answer nobody."""
    for name, value in (("max_batch_size", max_batch_size), ("max_waiting", max_waiting)):
        if value < 1:
            raise UserError(must_be_at_least(name, 1, value))
    if not 0 <= max_wait_ms < float("inf"):
        raise UserError(
            "`max_wait_ms` must be 0 or more milliseconds (got {max_wait_ms}).",
            max_wait_ms=max_wait_ms,
        )
