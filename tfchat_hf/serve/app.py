# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The web application: OpenAI's API over a model, its health and its figures.

service = load_service("runs/quickstart")
app = create_app(service, Settings())
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from data_builders.errors import UserError
from data_builders.translation import _

from .answers import Answer, ChatAnswer, CompletionAnswer
from .errors import ApiError, add_error_handlers, as_api_error
from .gate import Settings, add_gates
from .schema import MOST_CHOICES, MOST_ROWS, Asked, ChatRequest, CompletionRequest, LoadRequest
from .service import Ask, Piece, Question, Service

logger = logging.getLogger(__name__)


def create_app(service: Service, settings: Settings) -> FastAPI:
    """Return the application.

    Args:
        service: The model; it is closed by whoever made it.
        settings: Who may ask, and how much.
    """
    # No pages that load scripts from elsewhere, and no address of the caller's to be sent to.
    none = {"docs_url": None, "redoc_url": None, "openapi_url": None}
    app = FastAPI(title="TFChat-HF", redirect_slashes=False, **none)
    app.state.service = service
    add_error_handlers(app)
    add_gates(app, settings)
    _add_facts(app, service)

    @app.post("/v1/chat/completions")
    async def chat(body: ChatRequest, request: Request) -> Response:
        questions = _questions(service, [body.turns(service.reads_system)], "messages")
        asks = _asks(service, body, questions)
        return await _answer(request, ChatAnswer(service, body, questions), asks, settings)

    @app.post("/v1/completions")
    async def complete(body: CompletionRequest, request: Request) -> Response:
        prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
        questions = _questions(service, [[text] for text in prompts], "prompt")
        asks = _asks(service, body, questions)
        return await _answer(request, CompletionAnswer(service, body, questions), asks, settings)

    return app


def _add_facts(app: FastAPI, service: Service) -> None:
    """Add what says which model there is, and how it is."""
    card = {"id": service.name, "object": "model", "created": int(time.time())}
    card |= {"owned_by": "tfchat-hf"}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [card]}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        _check_name(service, name)
        return card

    @app.post("/load_model")
    async def load(body: LoadRequest) -> Response:
        """Tell `transformers chat`, which asks before it talks, that the model is loaded."""
        event: dict[str, Any] = {"status": "ready", "cached": True}
        try:
            _check_name(service, body.model)
        except ApiError as error:
            event = {"status": "error", "message": error.message}
        return Response(_event(event), media_type="text/event-stream")

    @app.get("/health")
    async def health() -> Response:
        words = "stopping" if service.is_draining else "ok"
        return JSONResponse({"status": words}, 503 if service.is_draining else 200)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(service.figures.text(), media_type="text/plain; version=0.0.4")


def _check_name(service: Service, name: str | None) -> None:
    """Refuse another model than the one that is here."""
    if name is not None and name != service.name:
        what = _("There is no such model here. The model is {name!r}.", name=service.name)
        raise ApiError(404, what, "model_not_found", "model")


def _questions(service: Service, talks: Sequence[list[str]], param: str) -> list[Question]:
    """Return what the model reads; an error names the field."""
    try:
        return [service.question(turns) for turns in talks]
    except UserError as error:
        told = as_api_error(error)
        told.param = told.param or param
        raise told from error


def _asks(service: Service, body: Asked, questions: Sequence[Question]) -> list[Ask]:
    """Return every reply that a request wants."""
    _check_name(service, body.model)
    if len(questions) * body.n > MOST_CHOICES:
        what = _("At most {most} replies to a request.", most=MOST_CHOICES)
        raise ApiError(400, what, "invalid_value", "n")
    settings = service.settings(body.settings)
    if settings.rows_per_reply * len(questions) * body.n > MOST_ROWS:
        what = _("At most {most} beams or candidates to a request.", most=MOST_ROWS)
        raise ApiError(400, what, "invalid_value", "n")
    config = settings.generation_config()
    seed = settings.seed if body.seed is None else body.seed
    return [
        Ask(
            question=question,
            config=config,
            seed=None if seed is None else (seed + copy) % 2**63,
            stop=body.stop,
            memory=body.memory,
            most=body.settings.get("max_new_tokens"),
            top_logprobs=body.rivals,
        )
        for question in questions
        for copy in range(body.n)
    ]


async def _answer(
    request: Request, answer: Answer, asks: Sequence[Ask], settings: Settings
) -> Response:
    """Ask, and answer whole or in chunks; an error before the first piece has its status."""
    headers = answer.headers()
    pieces = answer.service.say(asks)
    try:
        first = await _while_there(request, anext(pieces))
        if answer.body.stream:
            return _EventStream(_events(answer, first, pieces, settings), pieces, headers)
        answer.take(first)
        await _while_there(request, _take_all(answer, pieces))
    except Exception as error:
        await pieces.aclose()
        raise as_api_error(error) from None
    except BaseException:
        await pieces.aclose()
        raise
    _log(answer, settings)
    return JSONResponse(answer.whole(), headers=headers)


async def _take_all(answer: Answer, pieces: AsyncGenerator[Piece]) -> None:
    async for piece in pieces:
        answer.take(piece)


async def _while_there(request: Request, work: Awaitable[Any]) -> Any:
    """Wait for something as long as the caller waits for it.

    Raises:
        ApiError: The caller has gone; nobody will read it.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ApiError(499, "gone", "gone")
        return task.result()
    finally:
        for one in (task, gone):
            one.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _events(
    answer: Answer, first: Piece, pieces: AsyncGenerator[Piece], settings: Settings
) -> AsyncGenerator[str]:
    """Write the pieces as server-sent events; an error is the last one."""
    try:
        yield _event(answer.chunk(first))
        async for piece in pieces:
            yield _event(answer.chunk(piece))
        if (usage := answer.usage_chunk()) is not None:
            yield _event(usage)
    except Exception as error:
        yield _event(as_api_error(error).body())
    _log(answer, settings)
    yield "data: [DONE]\n\n"


def _event(content: Any) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False, separators=(',', ':'))}\n\n"


def _log(answer: Answer, settings: Settings) -> None:
    if settings.log_text:
        logger.info(answer.record())


class _EventStream(StreamingResponse):
    """Gives the places in the queue up whenever and however it ends."""

    def __init__(
        self, events: AsyncGenerator[str], pieces: AsyncGenerator[Piece], headers: dict[str, str]
    ) -> None:
        headers |= {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx passes on
        super().__init__(events, headers=headers, media_type="text/event-stream")
        self._made = (events, pieces)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            for made in self._made:
                await made.aclose()
