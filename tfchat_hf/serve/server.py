# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""uvicorn with what strangers make necessary: slow headers are not waited for, and it drains."""

from __future__ import annotations

import asyncio
import socket
import time
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .service import Service

_HEADER_SECONDS = 10.0
# After the last reply connections get so long to close.
_CLOSING_SECONDS = 2


class _Protocol(H11Protocol):
    """Closes a connection whose next request does not begin, or whose headers do not end."""

    timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self.timer = self.loop.call_later(_HEADER_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        super().connection_lost(exc)
        self._stop_timer()

    def data_received(self, data: bytes) -> None:
        """Take data; the clock runs from the first byte of the headers to the last."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_timer()
        elif self.timer is None and (before is None or before.response_complete):
            self.timer = self.loop.call_later(_HEADER_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Server(uvicorn.Server):
    """Serves until it is told to stop, and then until nobody waits for a reply any more.

    Args:
        app: What to serve.
        service: Whose replies are waited for.
        drain_seconds: How long.
    """

    def __init__(self, app: Any, service: Service, drain_seconds: float = 30.0) -> None:
        """Prepare; `run` serves."""
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_CLOSING_SECONDS,
            )
        )
        self.service, self.drain_seconds = service, drain_seconds
        self.stopped_by: int | None = None
        self._stop_at = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal, end at the second."""
        if self.service.is_draining:
            self.should_exit = self.force_exit = True
        self.stopped_by = sig
        self.drain()

    def drain(self) -> None:
        """Take no more requests, and end when those that are here have their replies."""
        self._stop_at = self._stop_at or time.monotonic() + self.drain_seconds
        self.service.is_draining = True

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, and look whether it is time to stop."""
        watch = asyncio.ensure_future(self._watch())
        try:
            await super().serve(sockets)
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        while not self.service.is_draining or (
            self.service.active and time.monotonic() < self._stop_at
        ):
            await asyncio.sleep(0.1)
        self.should_exit = True
