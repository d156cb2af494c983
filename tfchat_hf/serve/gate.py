# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What every request passes first: from whom, with which key, how large, and how slow."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data_builders.translation import _

from .errors import ApiError, as_api_error

logger = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_CLOSE = {"Connection": "close"}


@dataclass(frozen=True)
class Settings:
    """Who may ask, and how much.

    Attributes:
        hosts: What a request may call this server; empty for any name. On the loopback a page of
            another site could otherwise reach it by a name of its own (DNS rebinding).
        api_key: What every request but `/health` must carry; None asks for none.
        cors: Pages of these origins may ask from a browser.
        max_body: Most bytes of a request.
        body_seconds: How long a request may take to arrive.
        log_text: Write questions and replies to the log.
    """

    hosts: tuple[str, ...] = LOOPBACK
    api_key: str | None = None
    cors: tuple[str, ...] = ()
    max_body: int = 1_000_000
    body_seconds: float = 20.0
    log_text: bool = False


def add_gates(app: FastAPI, settings: Settings) -> None:
    """Put the gates before an app; `app.state.open_paths` are read without a key."""
    app.state.open_paths = {"/health"}
    app.add_middleware(_Gate, settings=settings)
    if settings.cors:  # outermost: a browser asks for leave without a key
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["x-tfchat-turns-left-out", "x-tfchat-tokens-cut", "x-tfchat-ignored"],
        )


class _Gate:
    """Lets a request in once it is whole, and answers for what fails behind it."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.monotonic(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-content-type-options", b"nosniff"))
            await send(message)

        try:
            headers = dict(scope["headers"])
            self._check_host(headers)
            self._check_key(headers, scope)
            body = await self._body(headers, receive)
            await self.app(scope, _again(body, receive), watched)
        except Exception as error:
            if not status:
                await as_api_error(error).response()(scope, receive, watched)
            elif not isinstance(error, OSError):
                as_api_error(error)  # for the log; the caller has half an answer already
                raise ConnectionResetError from None
        finally:
            route = getattr(scope.get("route"), "path", "-")
            seconds = time.monotonic() - begun
            scope["app"].state.service.figures.requests.labels(route, status).inc()
            logger.info("%s %s %s %.3f s", scope["method"][:10], route, status, seconds)

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        name = headers.get(b"host", b"").decode("latin-1")
        name = name[1 : name.find("]")] if name[:1] == "[" else name.rpartition(":")[0] or name
        if self.settings.hosts and name.lower() not in self.settings.hosts:
            what = _("This server answers on the loopback only: ask for 127.0.0.1 or localhost.")
            raise ApiError(403, what, "wrong_host", headers=_CLOSE)

    def _check_key(self, headers: dict[bytes, bytes], scope: Scope) -> None:
        key = self.settings.api_key
        if key is None or scope["path"] in scope["app"].state.open_paths:
            return
        given = headers.get(b"authorization", b"")
        if not hmac.compare_digest(given, b"Bearer " + key.encode()):
            what = _("The API key is missing or wrong: send `Authorization: Bearer KEY`.")
            raise ApiError(401, what, "invalid_api_key", headers=_CLOSE)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """Read what is sent, and no more than is allowed."""
        body, more = bytearray(), True
        length = headers.get(b"content-length", b"0")
        try:
            async with asyncio.timeout(self.settings.body_seconds):
                while more:
                    if len(body) > self.settings.max_body or int(length) > self.settings.max_body:
                        what = _("A request may hold {most} bytes.", most=self.settings.max_body)
                        raise ApiError(413, what, "request_too_large", headers=_CLOSE)
                    message: Any = await receive()
                    if message["type"] == "http.disconnect":
                        raise ApiError(499, "gone", "gone")
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
        except TimeoutError:
            what = _("The request took longer to arrive than {n} s.", n=self.settings.body_seconds)
            raise ApiError(408, what, "request_timeout", headers=_CLOSE) from None
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if body and kind != b"application/json":
            what = _("Send `Content-Type: application/json`.")
            raise ApiError(415, what, "unsupported_media_type", headers=_CLOSE)
        return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that has been read once more, and then what comes behind it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message
