# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Whatever is sent: never a failure of ours, always OpenAI's shape, and others are answered."""

from __future__ import annotations

import asyncio
import socket

import httpx2 as httpx
import pytest

from tests.serve.attack import CANARY, Attack
from tests.serve.small_server import PATIENCE, SmallServer, small_service


@pytest.fixture(scope="module")
def server():
    with small_service() as service, SmallServer(service) as running:
        yield running


def test_no_request_makes_the_server_fail_or_others_wait(server) -> None:
    attack = Attack(server.url.removesuffix("/v1"), seed=7)
    asyncio.run(attack.run(80))
    assert attack.wrong == [] and min(attack.statuses[200], attack.statuses[400]) > 5
    assert server.service.active == server.service.running == 0


LINES = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 what is it\r\n\r\n",
    "no end of a line": b"GET /" + b"a" * 200_000,
    "many headers": b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
    "two lengths": (
        b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n"
        b"Content-Length: 6\r\n\r\n{}"
    ),
    "no length": (
        b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n{}"
    ),
    "smuggled": (
        b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    ),
    "a split header": b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nA: b\rSet-Cookie: c\r\n\r\n",
    "a zero": b"GET /health\x00 HTTP/1.1\r\nHost: 127.0.0.1\x00\r\n\r\n",
    "half closed": (
        b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n{"
    ),
}


@pytest.mark.parametrize("what", LINES)
def test_what_is_no_request_is_closed_and_hurts_nobody(server, what: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        try:
            connection.sendall(LINES[what])
            connection.shutdown(socket.SHUT_WR)
            answered = b"".join(iter(lambda: connection.recv(65536), b""))
        except (ConnectionError, OSError):  # it may close before all has been sent
            answered = b""
    assert answered == b"" or answered.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200"))
    assert b"Set-Cookie" not in answered
    assert httpx.post(f"{server.url}/chat/completions", json=CANARY, timeout=PATIENCE).is_success
