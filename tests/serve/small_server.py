# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A real server on the loopback over the model in the package, in a thread of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tfchat_hf.pretrained import SMALL_TALK
from tfchat_hf.serve.app import create_app
from tfchat_hf.serve.command import bound_socket
from tfchat_hf.serve.gate import Settings
from tfchat_hf.serve.server import Server
from tfchat_hf.serve.service import Service, load_service

# Seconds after which a wait is given up: no more than a guard against hanging for ever.
PATIENCE = 120


@contextmanager
def small_service(**settings: Any) -> Iterator[Service]:
    """Load the model in the package; `settings` are those of `load_service`."""
    service = load_service(str(SMALL_TALK), "cpu", **settings)
    try:
        yield service
    finally:
        service.close(drain=False)


class Hold:
    """Holds every reply behind its first token until the test lets it go on.

    Attributes:
        futures: What the queue has promised.
    """

    def __init__(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        """Hold from now on."""
        self.futures: list[Any] = []
        self._go = threading.Event()
        submit = service.queue.submit

        def held(*args: Any, on_text: Any, **options: Any) -> Any:
            def on_held_text(*piece: Any) -> None:
                on_text(*piece)
                assert self._go.wait(PATIENCE)

            self.futures.append(submit(*args, on_text=on_held_text, **options))
            return self.futures[-1]

        monkeypatch.setattr(service.queue, "submit", held)

    def let_go(self) -> None:
        """Hold nothing any more."""
        self._go.set()


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


class SmallServer:
    """Serves within a `with` block.

    Attributes:
        url: Where clients ask.
    """

    def __init__(self, service: Service, settings: Settings | None = None) -> None:
        """Listen; nobody is answered yet."""
        self.socket = bound_socket("127.0.0.1", 0)
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.service = service
        self.app = create_app(service, settings or Settings())
        self.server = Server(self.app, service, drain_seconds=5)
        self._thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True
        )

    def __enter__(self) -> SmallServer:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop, and wait for it."""
        self.server.drain()
        self._thread.join()
        self.socket.close()
