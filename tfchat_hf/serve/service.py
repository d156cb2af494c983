# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A loaded model that many ask at once: the one door of the API, the page and other servers."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from data_builders.errors import UserError
from data_builders.translation import _

from ..chat.session import ChatSession, load_session
from ..chat.settings import IMPLIES_SAMPLING, SETTINGS, ChatSettings
from ..fast.decoding import MUTUAL
from ..memory.ranking import Remembered
from ..pretrained import SMALL_TALK
from ..text.dialogue import check_turns, encode_reply
from .batching_queue import BatchingQueue, QueueClosedError, QueueFullError
from .errors import ApiError, wrong_value
from .figures import Figures
from .request import ReplyFuture, TokenScore


@dataclass(frozen=True)
class Question:
    """A conversation as the model reads it.

    Attributes:
        turns: What was said, oldest first.
        ids: The encoder's input.
        left_out: How many of the oldest turns are not in it.
        cut: How many tokens the newest turn lost.
    """

    turns: tuple[str, ...]
    ids: list[int]
    left_out: int
    cut: int


@dataclass(frozen=True)
class Ask:
    """One reply that is wanted.

    Attributes:
        question: To what.
        config: How to decode.
        seed: Where random numbers start.
        stop: Texts before which the reply ends.
        memory: Whether the memory may answer.
        most: The most tokens of what it answers; None gives the whole.
        top_logprobs: How many rivals of each token to tell; None tells no probabilities.
    """

    question: Question
    config: GenerationConfig
    seed: int | None = None
    stop: Sequence[str] = ()
    memory: bool = True
    most: int | None = None
    top_logprobs: int | None = None


@dataclass
class Piece:
    """What is new of one of the replies.

    Attributes:
        index: Which.
        text: New text, maybe none.
        tokens: New tokens.
        finish_reason: Why the reply has ended, if it has.
        memory: What was remembered, if the reply is not the model's own.
    """

    index: int
    text: str = ""
    tokens: list[TokenScore] = field(default_factory=list)
    finish_reason: str | None = None
    memory: dict[str, Any] | None = None


class Service:
    """The model, its tokenizer, its memory, and the queue in which callers wait.

    Attributes:
        active: How many replies are wanted now: those that wait, and those that are made.
        running: How many of them have begun.
        figures: What has been counted.
        most: How many may be.
        is_draining: Whether no more are taken.

    Args:
        session: What is loaded; it has no history of its own here.
        name: What the model is called.
        preset: Of the requests that name none; None for the model's own settings.
        reply_seconds: After so long a reply ends, finished or not.
        **limits: Of the queue.
    """

    def __init__(
        self,
        session: ChatSession,
        name: str,
        preset: str | None = None,
        reply_seconds: float = 300.0,
        **limits: int,
    ) -> None:
        """Start the queue."""
        self.session, self.name, self.preset = session, name, preset
        self.reply_seconds = reply_seconds
        self.queue = BatchingQueue(session.model, session.tokenizer, **limits)
        self.active = self.running = 0
        self.figures = Figures(
            lambda: self.active - self.running, lambda: self.running, lambda: self.queue.batch_sizes
        )
        self.most = self.queue.max_waiting + self.queue.max_batch_size
        self.is_draining = False
        self._memory_lock = threading.Lock()

    @property
    def reads_system(self) -> bool:
        """Whether the model was trained to read system messages."""
        return bool(getattr(self.session.model.config, "reads_system_messages", False))

    def settings(self, asked: Mapping[str, Any]) -> ChatSettings:
        """Return the settings that a request asks for, on top of the server's.

        Args:
            asked: Values by the names of the chat's `/set`; `temperature` 0 is greedy search.

        Raises:
            ApiError: A value is not possible; its `param` names it.
        """
        model = self.session.model
        limit = model.config.max_position_embeddings
        made = ChatSettings(model.generation_config, limit, model, left_out=(MUTUAL,))
        wanted = {"preset": self.preset or "default", **asked}
        if wanted.get("temperature") == 0:
            wanted = {name: wanted[name] for name in wanted if name not in IMPLIES_SAMPLING}
            wanted["do_sample"] = False
        for name in sorted(wanted, key=lambda name: (name != "preset", name == "do_sample")):
            value = wanted[name]
            if name == "max_new_tokens" and type(value) is int:
                value = min(value, made.max_reply)  # it is the most that is wanted
            try:
                made.set(name, _spelled(name, value))
            except UserError as error:
                raise wrong_value(error, name, *_hint(name)) from error
        return made

    def try_out(self) -> None:
        """Answer once, so that no caller meets what a server cannot do, nor its slow first reply.

        Raises:
            UserError: The preset is none of the model's, or the engine cannot decode so.
        """
        try:
            config = self.settings({"max_new_tokens": 2}).generation_config()
        except ApiError as error:
            raise error.__cause__ or error from None  # our own sentence, without HTTP around it
        ids = self.question(["你好"]).ids
        self.queue.submit(ids, config, **self.options_for(config)).result()

    def options_for(self, config: GenerationConfig) -> dict[str, Any]:
        """Return what else `generate()` gets; candidates have a loop of their own."""
        fast, candidates = self.session.fast, getattr(config, "num_candidates", None) or 1
        return {} if fast is None or candidates > 1 else {"custom_generate": fast}

    def question(self, turns: Sequence[str]) -> Question:
        """Return a conversation as the model reads it."""
        check_turns(turns)
        turns = [*filter(None, turns[:-1]), turns[-1]]  # no model was trained to read silence
        encoded = self.session.read(turns)
        older = len(turns) - self.session.max_context_turns
        left_out = max(0, older) + encoded.dropped_turns
        ids = list(encoded.input_ids)
        return Question(tuple(turns), ids, left_out, encoded.truncated_tokens)

    def remembered(self, turns: Sequence[str]) -> Remembered | None:
        """Return what the memory answers, None where the model shall."""
        recall = self.session.recall
        if recall.memory is None or not recall.on:
            return None
        with self._memory_lock:
            read = list(turns)[-recall.turns_read :]
            found = recall.memory.look_up(read, scorer=recall.scorer)
            return found[0] if recall.memory.answers(found) else None

    async def say(self, asks: Sequence[Ask]) -> AsyncGenerator[Piece]:
        """Yield the replies as they are made; closing the iterator gives their places up.

        Raises:
            QueueFullError: There is no place.
            QueueClosedError: The server is stopping.
        """
        if self.is_draining:
            raise QueueClosedError
        if self.active + len(asks) > self.most:
            raise QueueFullError(_("{count} replies are wanted already.", count=self.active))
        began, running = time.monotonic(), set[int]()
        self.active += len(asks)
        makers: list[_Maker] = []
        try:
            async for piece in self._pieces(asks, makers):
                if not running:
                    self.figures.first.observe(time.monotonic() - began)
                self.running += piece.index not in running
                running.add(piece.index)
                self.figures.said.inc(len(piece.tokens))
                yield piece
            self.figures.whole.observe(time.monotonic() - began)
        finally:
            self.active -= len(asks)
            self.running -= len(running)
            for maker in makers:
                maker.future.cancel()

    async def _pieces(self, asks: Sequence[Ask], makers: list[_Maker]) -> AsyncGenerator[Piece]:
        """Ask the memory and the queue, and yield what they say until all have ended."""
        inbox: asyncio.Queue[Piece | Exception] = asyncio.Queue()
        known: Remembered | None = None
        for index, ask in enumerate(asks):
            self.figures.asked.inc(len(ask.question.ids))
            if not ask.memory:
                known = None
            elif not index or ask.question is not asks[index - 1].question:
                known = await asyncio.to_thread(self.remembered, ask.question.turns)
            if known is not None:
                inbox.put_nowait(self._from_memory(index, ask, known))
            else:
                makers.append(_Maker(self, index, ask, inbox))
        left = len(asks)
        while left:
            piece = await inbox.get()
            if isinstance(piece, Exception):
                raise piece
            left -= piece.finish_reason is not None
            yield piece

    def _from_memory(self, index: int, ask: Ask, known: Remembered) -> Piece:
        """Give what is remembered, as far as the request wants it."""
        memory = {"question": known.question, "reply": known.reply, "score": known.score}
        tokenizer, stops, reason = self.session.tokenizer, _StopTexts(ask.stop), "stop"
        text = stops.add(known.reply) + stops.close()
        ids = encode_reply(tokenizer, text)
        if ask.most is not None and len(ids) > ask.most:
            ids, reason = ids[: ask.most], "length"
            text = tokenizer.decode(ids, skip_special_tokens=True)
        return Piece(index, text, [TokenScore(one) for one in ids], reason, memory)

    def close(self, drain: bool = True, timeout: float | None = None) -> None:
        """Answer those that wait, and end the queue."""
        self.queue.close(drain, timeout)


# Where more replies are made, new tokens of each go out together, as often as a person can read: on
# its way to the caller a token of a small model costs more than in the network.
_MANY, _PIECE_SECONDS = 8, 0.04


class _Maker:
    """One reply in the queue: carries what the queue's thread makes to the loop that waits."""

    def __init__(self, service: Service, index: int, ask: Ask, inbox: asyncio.Queue) -> None:
        self.service, self.index, self.inbox = service, index, inbox
        self.loop = asyncio.get_running_loop()
        self.stops = _StopTexts(ask.stop)
        self.text, self.tokens, self.taken = "", list[TokenScore](), 0
        self.told_at = -math.inf
        self.future = service.queue.submit(
            ask.question.ids,
            ask.config,
            seed=ask.seed,
            on_text=self._take,
            deadline=time.monotonic() + service.reply_seconds,
            top_logprobs=ask.top_logprobs,
            **service.options_for(ask.config),
        )
        self.future.add_done_callback(self._end)

    def _hand(self, piece: Piece | Exception) -> None:
        self.loop.call_soon_threadsafe(self.inbox.put_nowait, piece)

    def _take(self, text: str, tokens: list[TokenScore]) -> None:
        """Hand on what is new, unless that was just done; called by the queue's thread."""
        if self.stops.found:
            return
        self.text += self.stops.add(text)
        self.tokens += tokens
        self.taken += len(tokens)
        now, pause = time.monotonic(), _PIECE_SECONDS if self.service.active > _MANY else 0.0
        if now >= self.told_at + pause:
            self.told_at = now
            self._hand(Piece(self.index, self.text, self.tokens))
            self.text, self.tokens = "", []
        if self.stops.found:
            self.future.cancel()

    def _end(self, future: ReplyFuture) -> None:
        """Hand over how it ended; called by whatever thread ends it."""
        try:
            made = future.result()
            is_long = made.finish_reason in ("length", "deadline") and not self.stops.found
            # What came behind a stop text is nobody's.
            rest = [] if self.stops.found else made.scores[self.taken :]
            reason = "length" if is_long else "stop"
            text = self.text + self.stops.close()
            self._hand(Piece(self.index, text, self.tokens + rest, reason))
        except CancelledError:  # the caller has gone, and knows
            return
        except Exception as error:
            self._hand(error)


class _StopTexts:
    """Ends a growing text before the first of some texts; holds back what may begin one."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts, self._held = texts, ""
        self.found = False

    def add(self, piece: str) -> str:
        """Return what can be shown now."""
        text = self._held + piece
        places = [place for stop in self._texts if (place := text.find(stop)) >= 0]
        if places:
            self.found, self._held = True, ""
            return text[: min(places)]
        lengths = {
            n for stop in self._texts for n in range(1, len(stop)) if text.endswith(stop[:n])
        }
        shown = len(text) - max(lengths, default=0)
        self._held = text[shown:]
        return text[:shown]

    def close(self) -> str:
        """Return what was held back."""
        held, self._held = self._held, ""
        return held


def _spelled(name: str, value: Any) -> str:
    """Write a JSON value as a person would write it for `/set`; one of another kind stays JSON."""
    if isinstance(value, str) and (name not in SETTINGS or SETTINGS[name].kind is str):
        return value
    # No setting takes a list or an object, which may be large and deep.
    value = type(value)() if isinstance(value, list | dict) else value
    return json.dumps(value, ensure_ascii=False)[:40]


def _hint(name: str) -> list[str]:
    """Say what 0 means, which the chat refuses and OpenAI's clients send."""
    return [_("0 takes the likeliest token each time.")] if name == "temperature" else []


def load_service(
    name: str, device: str = "auto", engine: str = "torch", int8: bool = False,
    memory: bool = True, preset: str | None = None, **limits: Any,
) -> Service:  # fmt: skip
    """Load a model for many callers.

    Args:
        name: Folder or Hub id.
        device: `auto`, or one that torch knows.
        engine: `torch`, `onnx` or `ctranslate2`.
        int8: Decode with weights in int8, on the CPU.
        memory: Answer from the model's memory where it has one and knows.
        preset: Of the requests that name none.
        **limits: As `Service` takes them.

    Raises:
        UserError: There is no such model, or it cannot answer so.
    """
    session = load_session(name, device, engine, int8, memory=memory)
    folder = Path(name).expanduser()
    called = folder.resolve().name if folder.is_dir() else name
    called = "small-talk" if folder.resolve() == SMALL_TALK else called
    service = Service(session, called, preset, **limits)
    try:
        service.try_out()
    except BaseException:
        service.close(drain=False)
        raise
    return service
