# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Replies as OpenAI's API writes them, whole or in chunks."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .request import TokenScore
from .schema import Asked
from .scores import ScoreWriter
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
    spelled: int = 0


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
        self.scores = ScoreWriter(service.session.tokenizer)
        self.replies = [_Reply() for _copy in range(body.n * len(questions))]

    def headers(self) -> dict[str, str]:
        """Return what the caller should know and OpenAI has no field for.

        Raises:
            ApiError: A field asks for what cannot be had, or is unknown.
        """
        left_out = sum(question.left_out for question in self.questions)
        cut = sum(question.cut for question in self.questions)
        ignored = ", ".join(sorted(self.body.ignored(self.service.reads_system)))
        told = {LEFT_OUT: str(left_out or ""), CUT: str(cut or ""), IGNORED: ignored}
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
        for choice in made["choices"] if self.body.return_token_ids else ():
            self._tell_prompt(made, choice)
        return made

    def chunk(self, piece: Piece) -> dict[str, Any]:
        """Return what to send for a piece."""
        self.take(piece)
        reply = self.replies[piece.index]
        choice = {"index": piece.index, **self._new(reply, piece.text)}
        choice |= {"logprobs": None, "finish_reason": piece.finish_reason}
        if piece.memory is not None:
            choice["memory"] = piece.memory
        elif piece.tokens:
            choice["logprobs"] = self._logprobs(reply, piece.tokens)
            if self.body.return_token_ids:
                choice["token_ids"] = [token.id for token in piece.tokens]
        made = self._frame(self.chunk_name, [choice])
        if self.body.return_token_ids and not reply.begun:
            self._tell_prompt(made, choice)
        reply.begun = True
        return made

    def usage_chunk(self) -> dict[str, Any] | None:
        """Return what comes behind all replies, where it is wanted."""
        if not self.body.stream_options.include_usage:
            return None
        return {**self._frame(self.chunk_name, []), "usage": self.usage()}

    def record(self) -> str:
        """Write what was asked and said on one line."""
        asked = [question.turns for question in self.questions]
        return json.dumps({"asked": asked, "said": [reply.text for reply in self.replies]})

    def _frame(self, name: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {"id": self.id, "object": name, "created": self.created}
        made |= {"model": self.service.name, "system_fingerprint": None, "choices": choices}
        if self.body.stream and self.body.stream_options.include_usage:
            made["usage"] = None
        return made

    def _choice(self, number: int) -> dict[str, Any]:
        reply = self.replies[number]
        made = {"index": number, **self._said(reply), "finish_reason": reply.finish_reason}
        made["logprobs"] = None if reply.memory else self._logprobs(reply, reply.tokens)
        if reply.memory is not None:
            made["memory"] = reply.memory
        elif self.body.return_token_ids:
            made["token_ids"] = [token.id for token in reply.tokens]
        return made

    def _tell_prompt(self, made: dict[str, Any], choice: dict[str, Any]) -> None:
        """Add the ids of the question where clients of vLLM look for them."""
        made["prompt_token_ids"] = self.questions[0].ids

    def _said(self, reply: _Reply) -> dict[str, Any]:
        raise NotImplementedError

    def _new(self, reply: _Reply, text: str) -> dict[str, Any]:
        raise NotImplementedError

    def _logprobs(self, reply: _Reply, tokens: Sequence[TokenScore]) -> dict[str, Any] | None:
        raise NotImplementedError


class ChatAnswer(Answer):
    """Of `/v1/chat/completions`."""

    prefix, name, chunk_name = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def _said(self, reply: _Reply) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": reply.text, "refusal": None}}

    def _new(self, reply: _Reply, text: str) -> dict[str, Any]:
        role = {} if reply.begun else {"role": "assistant"}
        return {"delta": {**role, "content": text}}

    def _logprobs(self, reply: _Reply, tokens: Sequence[TokenScore]) -> dict[str, Any] | None:
        return self.scores.chat(tokens) if self.body.rivals is not None else None


class CompletionAnswer(Answer):
    """Of `/v1/completions`."""

    prefix, name, chunk_name = "cmpl", "text_completion", "text_completion"

    def _tell_prompt(self, made: dict[str, Any], choice: dict[str, Any]) -> None:
        choice["prompt_token_ids"] = self.questions[choice["index"] // self.body.n].ids

    def _said(self, reply: _Reply) -> dict[str, Any]:
        return {"text": reply.text}

    def _new(self, reply: _Reply, text: str) -> dict[str, Any]:
        return {"text": text}

    def _logprobs(self, reply: _Reply, tokens: Sequence[TokenScore]) -> dict[str, Any] | None:
        if self.body.rivals is None:
            return None
        made = self.scores.old(tokens, reply.spelled)
        reply.spelled += sum(map(len, made["tokens"]))
        return made
