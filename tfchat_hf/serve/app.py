# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The web application: OpenAI's API over a model, its health and its figures.

service = load_service("runs/quickstart")
app = create_app(service, Settings())
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from data_builders.translation import _

from ..text.errors import UserError
from .answers import Answer, ChatAnswer, CompletionAnswer
from .errors import ApiError, add_error_handlers, as_api_error
from .gate import Settings, add_gates
from .schema import MOST_CHOICES, Asked, ChatRequest, CompletionRequest
from .service import Ask, Piece, Question, Service


def create_app(service: Service, settings: Settings) -> FastAPI:
    """Return the application.

    Args:
        service: The model; it is closed by whoever made it.
        settings: Who may ask, and how much.
    """
    app = FastAPI(title="TFChat-HF", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.service = service
    add_error_handlers(app)
    add_gates(app, settings)
    _add_models(app, service)

    @app.post("/v1/chat/completions")
    async def chat(body: ChatRequest, request: Request) -> Response:
        reads_system = getattr(service.session.model.config, "reads_system_messages", False)
        question = _question(service, body.turns(reads_system), "messages")
        limit = body.max_completion_tokens or body.max_tokens
        asks = _asks(service, body, [question], limit, _rivals(body))
        return await _answer(service, request, body, ChatAnswer(service, body, [question]), asks)

    @app.post("/v1/completions")
    async def complete(body: CompletionRequest, request: Request) -> Response:
        prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
        questions = [_question(service, [prompt], "prompt") for prompt in prompts]
        asks = _asks(service, body, questions, body.max_tokens, body.logprobs)
        answer = CompletionAnswer(service, body, questions)
        return await _answer(service, request, body, answer, asks)

    return app


def _add_models(app: FastAPI, service: Service) -> None:
    """Add what says which model there is, and that it is there."""
    card = {"id": service.name, "object": "model", "created": int(time.time()), "owned_by": "me"}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [card]}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        _check_name(service, name)
        return card

    @app.post("/load_model")
    async def load(request: Request) -> Response:
        """Tell `transformers chat`, which asks before it talks, that the model is loaded."""
        return _events_of([{"status": "ready", "cached": True}])

    @app.get("/health")
    async def health() -> Response:
        words = "stopping" if service.is_draining else "ok"
        return JSONResponse({"status": words}, 503 if service.is_draining else 200)


def _events_of(objects: Sequence[Any]) -> Response:
    text = "".join(f"data: {json.dumps(one)}\n\n" for one in objects)
    return Response(text, media_type="text/event-stream")


def _check_name(service: Service, name: str | None) -> None:
    """Refuse another model than the one that is here."""
    if name is not None and name != service.name:
        what = _("There is no such model here. The model is {name!r}.", name=service.name)
        raise ApiError(404, what, "model_not_found", "model")


def _question(service: Service, turns: Sequence[str], param: str) -> Question:
    try:
        return service.question(turns)
    except UserError as error:
        told = as_api_error(error)
        told.param = told.param or param
        raise told from error


def _rivals(body: ChatRequest) -> int | None:
    """Return how many rivals of each token are wanted."""
    if body.top_logprobs and not body.logprobs:
        what = _("`top_logprobs` needs `logprobs`: true.")
        raise ApiError(400, what, "invalid_value", "top_logprobs")
    return (body.top_logprobs or 0) if body.logprobs else None


def _asks(
    service: Service,
    body: Asked,
    questions: Sequence[Question],
    limit: int | None,
    rivals: int | None,
) -> list[Ask]:
    """Return every reply that a request wants."""
    _check_name(service, body.model)
    if len(questions) * body.n > MOST_CHOICES:
        what = _("At most {most} replies to a request.", most=MOST_CHOICES)
        raise ApiError(400, what, "invalid_value", "n")
    wanted = body.settings
    if limit is not None:
        wanted["max_new_tokens"] = limit
    config = service.settings(wanted).generation_config()
    return [
        Ask(
            question,
            config,
            None if body.seed is None else (body.seed + copy) % 2**63,
            body.stop,
            body.memory,
            rivals,
        )
        for question in questions
        for copy in range(body.n)
    ]


async def _answer(
    service: Service, request: Request, body: Asked, answer: Answer, asks: Sequence[Ask]
) -> Response:
    """Ask, and answer in one piece or in many."""
    headers = answer.headers(body.ignored())
    pieces = service.say(asks)
    if body.stream:
        try:
            first = await _while_there(request, anext(pieces))
        except BaseException as error:
            await pieces.aclose()
            raise _told(error) from None
        return _EventStream(_events(answer, first, pieces), pieces, headers)
    try:

        async def collect() -> None:
            async for piece in pieces:
                answer.take(piece)

        await _while_there(request, collect())
        return JSONResponse(answer.whole(), headers=headers)
    except BaseException as error:
        raise _told(error) from None
    finally:
        await pieces.aclose()


def _told(error: BaseException) -> BaseException:
    return as_api_error(error) if isinstance(error, Exception) else error


async def _while_there(request: Request, work: Any) -> Any:
    """Wait for something as long as the caller waits for it.

    Raises:
        ApiError: The caller has gone; nobody will read it.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ApiError(499, "The caller has gone.", "gone")
        return task.result()
    finally:
        for one in (task, gone):
            one.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _events(answer: Answer, first: Piece, pieces: AsyncIterator[Piece]) -> AsyncIterator[str]:
    """Write the pieces as server-sent events; an error is the last one."""
    try:
        for chunk in answer.chunks(first):
            yield _event(chunk)
        async for piece in pieces:
            for chunk in answer.chunks(piece):
                yield _event(chunk)
        for chunk in answer.last_chunks():
            yield _event(chunk)
    except Exception as error:
        yield _event(as_api_error(error).body())
    yield "data: [DONE]\n\n"


def _event(content: Any) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False, separators=(',', ':'))}\n\n"


class _EventStream(StreamingResponse):
    """Gives the places in the queue up whenever and however it ends."""

    def __init__(self, events: AsyncIterator[str], pieces: Any, headers: dict[str, str]) -> None:
        super().__init__(
            events, headers={**headers, "Cache-Control": "no-store", "X-Accel-Buffering": "no"},
            media_type="text/event-stream",
        )  # fmt: skip
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.body_iterator.aclose()
            await self._pieces.aclose()
