# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Who may ask, how much, and how slowly; and what becomes of a caller who leaves."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
from contextlib import suppress

import httpx2 as httpx
import openai
import pytest

from tests.serve.small_server import PATIENCE, Hold, SmallServer, small_service, wait_until
from tfchat_hf.serve import server as server_module
from tfchat_hf.serve.gate import Settings
from tfchat_hf.serve.request import ReplyFuture, TokenScore

ASK = {"messages": [{"role": "user", "content": "What do you like to eat?"}], "memory": False}
KEY = "correct horse battery"
ORIGIN = "https://example.org"


@pytest.fixture(scope="module")
def service():
    with small_service() as one:
        yield one


@pytest.fixture
def serve(service):
    """Serve with some settings until the test ends."""
    running = []

    def start(**settings: object) -> SmallServer:
        service.is_draining = False
        running.append(SmallServer(service, Settings(**settings)))
        return running[-1].__enter__()

    yield start
    for one in running:
        one.__exit__()


def raw(server: SmallServer, *parts: bytes) -> socket.socket:
    """Send parts of a request and return the open connection."""
    connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
    for part in parts:
        connection.sendall(part)
    return connection


def head(length: str, path: str = "/v1/chat/completions") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", length]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Read until the server closes; return the status and everything."""
    with connection:
        text = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(text.split()[1]) if text else 0, text


def error_of(response: httpx.Response) -> dict:
    """Return the error of a response, which must have OpenAI's shape."""
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    return error


def test_who_does_not_read_is_left(serve, monkeypatch) -> None:
    monkeypatch.setattr(server_module, "_UNREAD_SECONDS", 0.2)
    server = serve()
    body = json.dumps({**ASK, "n": 16, "stream": True, "logprobs": True, "top_logprobs": 20})
    request = head(f"Content-Length: {len(body)}") + body.encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(request * 60)
        wait_until(lambda: server.server.server_state.connections)
        wait_until(lambda: not server.server.server_state.connections)
        wait_until(lambda: not server.service.active)
        found = b""
        with suppress(ConnectionResetError):
            found = b"".join(iter(lambda: connection.recv(65536), b""))
    assert found.count(b"HTTP/1.1 200") < 60


def test_a_key_is_asked_for_everywhere_but_for_the_health(serve) -> None:
    server = serve(api_key=KEY)
    with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
        assert client.chat.completions.create(model="small-talk", messages=ASK["messages"])
    with openai.OpenAI(base_url=server.url, api_key=KEY[:-1], max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.models.list()
    assert caught.value.code == "invalid_api_key"
    with httpx.Client(base_url=server.url.removesuffix("/v1")) as web:
        assert web.get("/health").json() == {"status": "ok"}
        for path in ("/v1/models", "/metrics", "/nowhere", "//health", "/health/"):
            assert web.get(path).status_code == 401
        for key in ("", KEY, f"Bearer{KEY}", f"bearer  {KEY}", f"Bearer {KEY}x", "Bearer \xff"):
            headers = [(b"Authorization", key.encode("latin-1"))]
            assert web.post("/v1/chat/completions", json=ASK, headers=headers).status_code == 401


def test_only_the_names_of_the_loopback_are_answered_to(serve) -> None:
    web, port = httpx.Client(base_url=(server := serve()).url), server.port
    for host in ("127.0.0.1", "localhost", f"LOCALHOST:{port}", f"[::1]:{port}"):
        assert web.get("/models", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example:80", "localhost.evil", "", "[::1", "::1@"):
        response = web.get("/models", headers={"Host": host})
        assert response.status_code == 403 and error_of(response)["code"] == "wrong_host"
    web.close()


def test_other_origins_are_let_in_only_where_they_are_named(serve) -> None:
    leave = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    closed, opened = serve(), serve(cors=(ORIGIN,))
    for server, headers, granted in (
        (closed, leave, None),
        (opened, leave, ORIGIN),
        (opened, {**leave, "Origin": "https://evil.example"}, None),
    ):
        response = httpx.options(f"{server.url}/chat/completions", headers=headers)
        assert response.headers.get("access-control-allow-origin") == granted


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_only_json_is_taken(serve, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    response = httpx.post(
        f"{serve().url}/chat/completions", content=json.dumps(ASK), headers=headers
    )
    assert response.status_code == 415 and error_of(response)["code"] == "unsupported_media_type"


def test_too_large_a_body_is_refused_before_it_has_come(serve) -> None:
    server = serve(max_body=1000)
    status, text = answer(raw(server, head("Content-Length: 5000000000")))
    assert status == 413 and b"request_too_large" in text
    # Without a length, and never at an end: refused while it comes. Nothing is left unread: what is
    # would have the connection reset, and the answer lost.
    chunk = b"400\r\n" + b" " * 0x400 + b"\r\n"
    assert answer(raw(server, head("Transfer-Encoding: chunked"), chunk))[0] == 413
    fits = json.dumps(ASK).encode()
    assert httpx.post(f"{server.url}/chat/completions", content=fits, headers=JSON).is_success


JSON = {"Content-Type": "application/json"}


def test_a_slow_body_is_not_waited_for(serve) -> None:
    server = serve(body_seconds=0.2)
    status, text = answer(raw(server, head("Content-Length: 50"), b'{"mes'))
    assert status == 408 and b"request_timeout" in text


def test_slow_headers_are_not_waited_for(serve, monkeypatch) -> None:
    monkeypatch.setattr(server_module, "_HEADER_SECONDS", 0.5)
    server = serve()
    assert answer(raw(server)) == (0, b"")
    assert answer(raw(server, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "))[0] == 0
    second = raw(server, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert second.recv(65536).startswith(b"HTTP/1.1 200")
    second.sendall(b"GET /")
    with second:
        assert b"HTTP" not in b"".join(iter(lambda: second.recv(65536), b""))


def test_what_goes_wrong_below_and_beside_the_api_has_its_shape_too(serve) -> None:
    with httpx.Client(base_url=serve().url.removesuffix("/v1")) as web:
        for response, status in (
            (web.get("/nowhere"), 404),
            (web.get("/v1/chat/completions"), 405),
            (web.post("/v1/chat/completions", content=b"{", headers=JSON), 400),
            (web.post("/v1/chat/completions", content=b"\xff\xfe", headers=JSON), 400),
            (web.post("/v1/chat/completions", content=b"", headers=JSON), 400),
            (web.post("/v1/chat/completions", content=b"[" * 100_000, headers=JSON), 400),
        ):
            assert response.status_code == status and error_of(response)["code"]
            assert "server" not in response.headers


def test_no_more_wait_than_may_and_the_rest_is_told_when_to_come_again(serve, service) -> None:
    server, most = serve(), service.most
    service.most = 1
    try:
        with openai.OpenAI(base_url=server.url, api_key="-", max_retries=0) as client:
            with pytest.raises(openai.RateLimitError) as caught:
                client.chat.completions.create(model="small-talk", messages=ASK["messages"], n=2)
        assert caught.value.code == "rate_limit_exceeded"
        assert int(caught.value.response.headers["retry-after"]) > 0
    finally:
        service.most = most
    assert service.active == 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_who_leaves_frees_the_place_at_once(serve, service, monkeypatch, stream) -> None:
    server, hold = serve(), Hold(service, monkeypatch)
    body = json.dumps({**ASK, "n": 2, "stream": stream}).encode()
    connection = raw(server, head(f"Content-Length: {len(body)}"), body)
    wait_until(lambda: len(hold.futures) == 2 and (service.running > 0))
    connection.close()
    wait_until(lambda: service.active == 0)
    hold.let_go()
    assert {future.result(PATIENCE).finish_reason for future in hold.futures} == {"cancelled"}


def test_a_server_that_stops_answers_those_who_wait_and_nobody_else(service, monkeypatch) -> None:
    service.is_draining = False
    hold, replies = Hold(service, monkeypatch), []
    with SmallServer(service) as server:
        url = f"{server.url}/chat/completions"
        ask = threading.Thread(target=lambda: replies.append(httpx.post(url, json=ASK, timeout=99)))
        ask.start()
        with httpx.Client() as web:
            health = server.url.replace("/v1", "/health")
            assert web.get(health).status_code == 200
            wait_until(lambda: service.running == 1)
            server.server.drain()
            assert web.get(health).status_code == 503
            refused = web.post(url, json=ASK)
            assert refused.status_code == 503 and error_of(refused)["code"] == "server_stopping"
        hold.let_go()
        ask.join()
    assert replies[0].json()["choices"][0]["finish_reason"] == "stop"
    service.is_draining = False


@pytest.mark.parametrize("said", [[], [TokenScore(5)]], ids=["before", "after the first token"])
def test_a_failure_of_the_model_is_told_and_not_what_it_was_about(
    serve, service, monkeypatch, caplog, said
) -> None:
    def fails(ids, config, on_text, **options) -> ReplyFuture:
        future = ReplyFuture()
        future.set_running_or_notify_cancel()
        if said:
            on_text("Well", said)
        future.set_exception(RuntimeError("no memory for " + ASK["messages"][0]["content"]))
        return future

    monkeypatch.setattr(service.queue, "submit", fails)
    response = httpx.post(f"{serve().url}/chat/completions", json={**ASK, "stream": True})
    if said:
        first, event, done = (line for line in response.text.splitlines() if line)
        assert '"Well"' in first and done == "data: [DONE]"
        error = json.loads(event.removeprefix("data: "))["error"]
    else:
        assert response.status_code == 500
        error = error_of(response)
    assert error["code"] == error["type"] == "server_error"
    assert "RuntimeError at " in caplog.text and "memory" not in caplog.text + str(error)


def test_a_request_that_waited_too_long_is_told_to_come_again(serve, service, monkeypatch) -> None:
    monkeypatch.setattr(service, "reply_seconds", -1.0)
    response = httpx.post(f"{serve().url}/chat/completions", json=ASK)
    assert response.status_code == 503 and response.headers["retry-after"]
    assert error_of(response)["code"] == "timeout"


@pytest.mark.parametrize("log_text", [False, True])
def test_what_is_said_is_in_the_log_only_where_that_was_asked_for(serve, caplog, log_text) -> None:
    caplog.set_level(logging.DEBUG)
    web = httpx.Client(base_url=serve(log_text=log_text).url)
    said = web.post("/chat/completions?secret=1", json=ASK).json()["choices"][0]["message"]
    web.post("/chat/completions", json={**ASK, "stream": True})
    web.post("/chat/completions", json={**ASK, "preset": "What do you like to eat?"})
    web.close()
    client = ("httpx", "httpcore")
    ours = [one.getMessage() for one in caplog.records if not one.name.startswith(client)]
    assert any("POST /v1/chat/completions 200" in line for line in ours)
    found = "\n".join(ours)
    for text in (ASK["messages"][0]["content"], said["content"]):
        assert found.count(json.dumps(text)[1:-1]) == (2 if log_text else 0)
    assert "secret" not in found


def test_figures_tell_how_much_and_never_what(serve, service) -> None:
    web = httpx.Client(base_url=serve().url.removesuffix("/v1"))
    before = figures(web)
    usage = web.post("/v1/chat/completions", json=ASK).json()["usage"]
    web.post("/v1/chat/completions", json={})
    after = figures(web)
    web.close()

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    chat = 'route="/v1/chat/completions"'
    assert grown(f'tfchat_requests_total{{{chat},status="200"}}') == 1
    assert grown(f'tfchat_requests_total{{{chat},status="400"}}') == 1
    assert grown("tfchat_prompt_tokens_total") == usage["prompt_tokens"]
    assert grown("tfchat_completion_tokens_total") == usage["completion_tokens"]
    for name in ("first_token_seconds", "request_seconds"):
        assert grown(f"tfchat_{name}_count") == 1 and grown(f"tfchat_{name}_sum") > 0
    assert grown("tfchat_batch_size_count") >= 1
    assert after["tfchat_waiting"] == after["tfchat_running"] == 0


def figures(web: httpx.Client) -> dict[str, float]:
    text = web.get("/metrics").text
    return {name: float(value) for name, value in re.findall(r"^(tfchat_\S+) (\S+)$", text, re.M)}
