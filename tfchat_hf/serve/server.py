# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""uvicorn with what strangers make necessary: slow headers are not waited for, and it drains."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .service import Service

_HEADER_SECONDS = 10.0
# Who takes nothing of a reply for so long is left: every place of the server could be taken so.
_UNREAD_SECONDS = 30.0
# After the last reply connections get so long to close.
_CLOSING_SECONDS = 2


class _Protocol(H11Protocol):
    """Closes a connection whose next request or headers do not come, or that reads no reply."""

    timer: asyncio.TimerHandle | None = None
    unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self.timer = self.loop.call_later(_HEADER_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        super().connection_lost(exc)
        self._stop_timer()
        self._stop_unread()

    def pause_writing(self) -> None:
        """Wait for who reads slower than replies are made, but not for ever."""
        super().pause_writing()
        self._stop_unread()
        # Not `close`, which would wait for the rest to be read.
        self.unread = self.loop.call_later(_UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: something was read."""
        super().resume_writing()
        self._stop_unread()

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

    def _stop_unread(self) -> None:
        if self.unread is not None:
            self.unread.cancel()
            self.unread = None


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

    def close(self) -> None:
        """End the service; what its thread still makes ends with the process."""
        with suppress(TimeoutError):
            self.service.close(drain=False, timeout=_CLOSING_SECONDS)

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
