# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Replies as OpenAI's API writes them, whole or in chunks."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .request import TokenScore
from .schema import Asked
from .service import Piece, Question, Service

LEFT_OUT, CUT, IGNORED = "x-tfchat-turns-left-out", "x-tfchat-tokens-cut", "x-tfchat-ignored"


@dataclass
class _Reply:
    """What has been said of one reply."""

    text: str = ""
    tokens: list[TokenScore] = field(default_factory=list)
    finish_reason: str | None = None
    memory: dict[str, Any] | None = None
    begun: bool = False


class Answer:
    """The answer to one request.

    Args:
        service: Who answers.
        body: What was asked.
        questions: To what.
    """

    prefix = name = chunk_name = ""

    def __init__(self, service: Service, body: Asked, questions: Sequence[Question]) -> None:
        """Begin with nothing said."""
        self.service, self.body, self.questions = service, body, questions
        self.id, self.created = f"{self.prefix}-{uuid.uuid4().hex}", int(time.time())
        self.replies = [_Reply() for _copy in range(body.n * len(questions))]

    def headers(self, ignored: Sequence[str]) -> dict[str, str]:
        """Return what the caller should know and OpenAI has no field for."""
        left_out = sum(question.left_out for question in self.questions)
        cut = sum(question.cut for question in self.questions)
        told = {LEFT_OUT: str(left_out or ""), CUT: str(cut or ""), IGNORED: ", ".join(ignored)}
        return {name: value for name, value in told.items() if value}

    def take(self, piece: Piece) -> None:
        """Take what is new."""
        reply = self.replies[piece.index]
        reply.text += piece.text
        reply.tokens += piece.tokens
        reply.finish_reason = piece.finish_reason or reply.finish_reason
        reply.memory = piece.memory or reply.memory

    def usage(self) -> dict[str, Any]:
        """Count tokens; each question once, however many replies there are to it."""
        asked = sum(len(question.ids) for question in self.questions)
        said = sum(len(reply.tokens) for reply in self.replies)
        return {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
        }

    def whole(self) -> dict[str, Any]:
        """Return the body of the response."""
        made = self._frame(self.name, [self._choice(n) for n in range(len(self.replies))])
        made["usage"] = self.usage()
        if self.body.return_token_ids:
            made["prompt_token_ids"] = self.questions[0].ids
        return made

    def chunks(self, piece: Piece) -> Iterator[dict[str, Any]]:
        """Yield what to send for a piece."""
        self.take(piece)
        choice = self._chunk_choice(piece)
        if self.body.return_token_ids and piece.tokens and piece.memory is None:
            choice["token_ids"] = [token.id for token in piece.tokens]
        if piece.memory is not None:
            choice["memory"] = piece.memory
        made = self._frame(self.chunk_name, [choice])
        if self.body.return_token_ids and not any(reply.begun for reply in self.replies):
            made["prompt_token_ids"] = self.questions[0].ids
        self.replies[piece.index].begun = True
        yield made

    def last_chunks(self) -> Iterator[dict[str, Any]]:
        """Yield what comes behind all replies."""
        if self.body.stream_options.include_usage:
            yield {**self._frame(self.chunk_name, []), "usage": self.usage()}

    def _frame(self, name: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {"id": self.id, "object": name, "created": self.created}
        made |= {"model": self.service.name, "system_fingerprint": None, "choices": choices}
        if self.body.stream and self.body.stream_options.include_usage:
            made["usage"] = None
        return made

    def _choice(self, number: int) -> dict[str, Any]:
        reply = self.replies[number]
        made = {"index": number, **self._said(reply), "finish_reason": reply.finish_reason}
        made["logprobs"] = None
        if reply.memory is not None:
            made["memory"] = reply.memory
        elif self.body.return_token_ids:
            made["token_ids"] = [token.id for token in reply.tokens]
        return made

    def _said(self, reply: _Reply) -> dict[str, Any]:
        raise NotImplementedError

    def _chunk_choice(self, piece: Piece) -> dict[str, Any]:
        raise NotImplementedError


class ChatAnswer(Answer):
    """Of `/v1/chat/completions`."""

    prefix, name, chunk_name = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def _said(self, reply: _Reply) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": reply.text, "refusal": None}}

    def _chunk_choice(self, piece: Piece) -> dict[str, Any]:
        delta = {"content": piece.text}
        if not self.replies[piece.index].begun:
            delta = {"role": "assistant", **delta}
        return {
            "index": piece.index,
            "delta": delta,
            "logprobs": None,
            "finish_reason": piece.finish_reason,
        }


class CompletionAnswer(Answer):
    """Of `/v1/completions`."""

    prefix, name, chunk_name = "cmpl", "text_completion", "text_completion"

    def _said(self, reply: _Reply) -> dict[str, Any]:
        return {"text": reply.text}

    def _chunk_choice(self, piece: Piece) -> dict[str, Any]:
        return {
            "index": piece.index,
            "text": piece.text,
            "logprobs": None,
            "finish_reason": piece.finish_reason,
        }
