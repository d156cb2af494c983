# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Answer many callers at once, with one model.

    with BatchingQueue(model, tokenizer) as batching:      # one queue a process, any threads
        future = batching.submit(tokenizer("你好")["input_ids"])
        print(tokenizer.decode(future.result().sequence))

Requests join a running batch as places fall free, whatever their settings, and leave it at their
own end. What cannot join (beams, the best of several candidates, a loop or a rule of the caller's
own, an engine with a loop of its own) is answered in batches of equal settings between the steps of
the running one, which gets as much time as they do: nobody starves, and among equals the oldest
goes first. The same request gets the same reply alone and in company: no row sees the others, and a
seed is the start of random numbers of the request's own.
"""

from __future__ import annotations

import contextlib
import copy
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn
from transformers import GenerationConfig
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers.generation import GenerationMode

from data_builders.command_line import must_be_at_least
from data_builders.errors import UserError
from data_builders.interrupts import interrupts_held
from data_builders.translation import _

from ..chat.streaming import PieceTable, next_item
from ..fast import FastDecoder
from ..model.modeling_tfchat import TFChatForConditionalGeneration
from .batch_run import BatchRun
from .request import (
    LENGTHS,
    OnText,
    ReplyFuture,
    Request,
    batch_key,
    completed,
    settings_text,
)
from .running_batch import RunningBatch

# How often those that wait are looked through for one whose time is over.
_SWEEP_SECONDS = 0.02


class QueueFullError(RuntimeError):
    """Too many requests wait; the message says how many may."""


class QueueClosedError(RuntimeError):
    """The queue takes no more requests."""


class BatchingQueue:
    """Puts requests of many threads into batches for one model.

    Attributes:
        batch_sizes: How many steps there were of each number of replies; a batch that is no part
            of the running one counts once.

    Args:
        model: A model with `generate()`, in evaluation mode. Nothing else may use it meanwhile.
        tokenizer: Its tokenizer; needed for `on_text` and stop strings.
        max_batch_size: Most replies that are made at a time; most requests in a batch of its own.
        max_wait_ms: How long the first request after a pause waits for company. A queue that was
            busy never waits.
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
        fast = FastDecoder()  # once for both ways, or the weights are packed twice
        self._fast = fast if is_torch else None
        self._table = None if tokenizer is None else PieceTable(tokenizer)
        self._running = RunningBatch(model, fast, self._table, max_batch_size)
        self.max_batch_size = max_batch_size
        self.max_waiting = max_waiting
        self.batch_sizes: Counter[int] = Counter()
        self._max_wait = max_wait_ms / 1000
        # No locks, which Ctrl-C may leave held: a SimpleQueue is one step or none.
        self._inbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._places: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _place in range(max_waiting):
            self._places.put(None)
        # The worker's alone: what can join, what cannot, and how long steps come before that.
        self._waiting: deque[Request] = deque()
        self._apart: deque[Request] = deque()
        self._owed, self._next_sweep = 0.0, 0.0
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
        deadline: float | None = None,
        top_logprobs: int | None = None,
        **options: Any,
    ) -> ReplyFuture:
        """Ask for a reply.

        Args:
            input_ids: The encoder's input, as `encode_context` makes it.
            generation_config: How to decode; the model's own by default.
            seed: Draw from it, and get the same reply each time.
            on_text: Called with the next piece of text ("" while a character is incomplete) and the
                new tokens, each a `TokenScore`, in the thread that generates: be quick, best put it
                into a queue. What it raises ends this request.
            deadline: `time.monotonic()` at which the reply ends, finished or not; a request that
                still waits then gets a TimeoutError.
            top_logprobs: Give each token's log-probability, and name so many of the likeliest
                beside it; None for neither.
            **options: More arguments of `generate()`, such as `reverse_model`. Only requests
                with the very same objects share a batch; with `logits_processor` alone they join
                the running one: one that keeps a state must be made for its request.

        Raises:
            UserError: The model cannot read the request.
            QueueFullError: `max_waiting` requests wait already.
            QueueClosedError: `close()` has been called.
        """
        config = copy.copy(generation_config or self.model.generation_config)
        self._check(input_ids, on_text)
        self._check_top(top_logprobs)
        whole = completed(config, self.model.generation_config)
        _check_options(seed, deadline, whole.num_return_sequences or 1)
        joins = self._fast is not None and self._can_join(whole, options)
        request = Request(
            input_ids=list(input_ids),
            config=config,
            options=options,
            future=ReplyFuture(),
            settings=settings_text(whole, LENGTHS),
            key=None if joins else (*batch_key(whole, seed, options), top_logprobs is None),
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

    def _can_join(self, config: GenerationConfig, options: dict[str, Any]) -> bool:
        """Tell whether a request may join the running batch."""
        return (
            config.get_generation_mode() in (GenerationMode.GREEDY_SEARCH, GenerationMode.SAMPLE)
            and (getattr(config, "num_candidates", None) or 1) == 1
            and not config.return_dict_in_generate
            and not self.model.generation_config.stop_strings
            and not (config.stop_strings and self._table is None)
            and options.keys() <= {"logits_processor"}
        )

    def _work(self) -> None:
        """Answer until the queue is closed and nothing waits."""
        try:
            while self._running.rows or self._wait_for_requests():
                self._look_into_inbox()
                self._tell_those_over()
                self._let_join()
                if self._apart and (self._owed <= 0 or not self._running.rows):
                    self._owed = _seconds_of(self._answer_apart)
                if self._running.rows:
                    self.batch_sizes[len(self._running)] += 1
                    self._owed -= _seconds_of(self._running.step, self._abandon.is_set())
        except BaseException as error:
            self._running.fail(error)
            raise
        finally:
            self._closing.set()
            self._ended.set()
            self._refuse_late_ones()
            self._end_of_work.put(None)

    def _wait_for_requests(self) -> bool:
        """Return once something waits; False when nothing will."""
        self._look_into_inbox()
        while not self._waiting and not self._apart:
            if self._closing.is_set():
                return False
            self._look_into_inbox(None)
            # Those that come at the same time as the first one get a moment to arrive.
            until = time.monotonic() + self._max_wait
            while len(self._waiting) + len(self._apart) < self.max_batch_size:
                left = max(0.0, until - time.monotonic())
                if self._closing.is_set() or not self._look_into_inbox(left):
                    break
        return True

    def _let_join(self) -> None:
        """Let the oldest requests join the running batch, as many as there are places for."""
        if not self._waiting:
            return
        if not self._running.is_open():
            self._apart, self._waiting = deque([*self._apart, *self._waiting]), deque()
            return
        joining: list[Request] = []
        free = self.max_batch_size - len(self._running)
        while self._waiting and len(joining) < free:
            request = self._waiting.popleft()
            self._places.put(None)
            if not self._is_over(request) and request.future.set_running_or_notify_cancel():
                joining.append(request)
        self._running.join(joining)

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
                    (self._waiting if request.key is None else self._apart).append(request)
        return came

    def _answer_apart(self) -> None:
        """Answer the oldest request that cannot join, with those that share its settings."""
        batch: list[Request] = []
        others: deque[Request] = deque()
        for request in self._apart:
            if self._is_over(request):
                self._places.put(None)
            elif len(batch) < self.max_batch_size and (not batch or request.key == batch[0].key):
                self._places.put(None)
                if request.future.set_running_or_notify_cancel():
                    batch.append(request)
            else:
                others.append(request)
        self._apart = others
        if batch:
            self.batch_sizes[len(batch)] += 1
            BatchRun(self.model, batch, self._table, self._abandon, self._fast).run()

    def _tell_those_over(self) -> None:
        """Find out now and then which of those that wait nobody wants any more."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + _SWEEP_SECONDS
        for waiting in (self._waiting, self._apart):
            for _place in range(len(waiting)):
                request = waiting.popleft()
                if self._is_over(request):
                    self._places.put(None)
                else:
                    waiting.append(request)

    def _is_over(self, request: Request) -> bool:
        """Tell whether nobody wants the reply any more, and tell the one who asked."""
        reason = "cancelled" if self._abandon.is_set() else request.reason_to_stop()
        if reason == "deadline" and request.future.set_running_or_notify_cancel():
            error = TimeoutError(_("The deadline passed while the request waited for a batch."))
            request.future.set_exception(error)
        elif reason == "cancelled":
            request.future.cancel()
            request.future.set_running_or_notify_cancel()
        return reason is not None

    def _refuse_late_ones(self) -> None:
        """Fail requests that came in while the queue was closed."""
        self._look_into_inbox()
        while True:
            try:
                future = (self._waiting or self._apart).popleft().future
            except IndexError:  # several threads may be at it
                return
            if future.set_running_or_notify_cancel():
                future.set_exception(QueueClosedError(_("The queue was closed.")))


def _seconds_of(act: Callable[..., None], *given: object) -> float:
    """Do something; return how long it took."""
    begun = time.monotonic()
    act(*given)
    return time.monotonic() - begun


def _check_options(seed: object, deadline: object, replies: int) -> None:
    """Refuse what would stop the thread that all callers wait for."""
    if not (seed is None or (isinstance(seed, int) and -(2**63) <= seed < 2**63)):
        raise UserError("`seed` must be a whole number of 64 bits (got {seed!r}).", seed=seed)
    if not (deadline is None or (isinstance(deadline, int | float) and deadline == deadline)):
        raise UserError(
            "`deadline` must be a time of `time.monotonic()` (got {deadline!r}).", deadline=deadline
        )
    if replies != 1:
        raise UserError(
            "`num_return_sequences` must be 1 (got {replies}). Submit the question once for each "
            "reply.",
            replies=replies,
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
