# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A real server on the loopback over the model in the package, in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tfchat_hf.pretrained import SMALL_TALK
from tfchat_hf.serve.app import create_app
from tfchat_hf.serve.command import bound_socket
from tfchat_hf.serve.gate import Settings
from tfchat_hf.serve.server import Server
from tfchat_hf.serve.service import Service, load_service


@contextmanager
def small_service(**settings: Any) -> Iterator[Service]:
    """Load the model in the package; `settings` are those of `load_service`."""
    service = load_service(str(SMALL_TALK), "cpu", **settings)
    try:
        yield service
    finally:
        service.close(drain=False)


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
