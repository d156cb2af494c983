# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The unit of systemd and the site of nginx that docs/serving.md shows do what it says."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.serve.small_server import SmallServer, small_service
from tests.serve.started import free_port
from tests.test_docs import blocks
from tfchat_hf.serve import command, ray

ROOT = Path(__file__).parents[2]
PAGES = ("docs/serving.md", "docs/serving.zh-CN.md")
QUESTION = [{"role": "user", "content": "hello, how are you?"}]
NGINX = """
daemon off;
error_log stderr;
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {site}
}}
"""
needs_nginx = pytest.mark.skipif(not shutil.which("nginx"), reason="needs nginx")


def file_of(page: str, name: str) -> str:
    [found] = [block.text for block in blocks(page) if block.name == name]
    return found


@pytest.mark.parametrize("name", ["tfchat.service", "tfchat.conf"])
def test_both_languages_show_the_same_file(name: str) -> None:
    english, chinese = (re.sub(r" *#.*", "", file_of(page, name)) for page in PAGES)
    assert english == chinese


@pytest.mark.parametrize("page", PAGES)
def test_the_servers_that_are_shown_can_be_started_so(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8").replace("%d/", "")
    found = re.findall(r"python -m tfchat_hf\.(serve(?:\.ray)?) ([^`\n]+)", text)
    kinds = {"serve": command.build_parser(), "serve.ray": ray.build_parser()}
    assert [kinds[kind].parse_args(shlex.split(words)) for kind, words in found]
    assert {kind for kind, _ in found} == set(kinds)


def test_the_image_gets_what_it_copies_and_runs_the_server_without_rights() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    said = [line.split(maxsplit=1) for line in lines if line and line[0] != "#"]
    copied = [words for kind, words in said if kind == "COPY" and "--from" not in words]
    names = {name for words in copied for name in words.split()[:-1]}
    let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n!")[1:]
    assert names == {name.split("\n")[0] for name in let_in}
    assert all((ROOT / name).exists() for name in names)
    told = dict(said)
    assert told["USER"].split(":")[0].isdigit()
    # A list, no line of a shell: SIGTERM arrives at the server.
    start = json.loads(told["ENTRYPOINT"]) + json.loads(told["CMD"])
    assert start[:3] == ["python", "-m", "tfchat_hf.serve"]
    args = command.build_parser().parse_args(start[3:])
    assert told["EXPOSE"] == str(args.port) and f":{args.port}/health" in told["HEALTHCHECK"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "tfchat.service"
    unit.write_text(file_of(PAGES[0], unit.name).replace("/opt/tfchat/bin/python", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    # It looks at the units of the machine too.
    assert not [line for line in done.stderr.splitlines() if unit.name in line]


def nginx(folder: Path, port: int, listens: int) -> list[str]:
    """Write the site as the page shows it, but without TLS, and return how to start nginx."""
    site = file_of(PAGES[0], "tfchat.conf")
    site = re.sub(r"^ *ssl_.*\n", "", site, flags=re.M)
    site = site.replace("listen 443 ssl", f"listen 127.0.0.1:{listens}")
    site = site.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    user = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(user + NGINX.format(site=site))
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


@needs_nginx
def test_nginx_takes_the_site(tmp_path: Path) -> None:
    start = nginx(tmp_path, 8000, 8443)
    assert "127.0.0.1:8443" in (tmp_path / "nginx.conf").read_text()
    done = subprocess.run([*start, "-t"], capture_output=True, text=True)
    assert done.returncode == 0 and "warn" not in done.stderr, done.stderr


class OnePieceAtATime:
    """Sends a piece of a reply only when the caller has read the one before."""

    def __init__(self, app: Any, was_read: threading.Semaphore, in_time: list[bool]) -> None:
        self.app, self.was_read, self.in_time = app, was_read, in_time

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def one(message: Any) -> None:
            await send(message)
            if message.get("more_body"):
                self.in_time.append(await asyncio.to_thread(self.was_read.acquire, timeout=30))

        await self.app(scope, receive, one)


@contextmanager
def behind_nginx(folder: Path, port: int) -> Iterator[int]:
    """Start nginx before a server, and yield where it listens."""
    listens = free_port()
    with subprocess.Popen(nginx(folder, port, listens)) as process:
        while not (folder / "nginx.pid").exists():
            assert process.poll() is None
        try:
            yield listens
        finally:
            process.terminate()


@needs_nginx
def test_behind_nginx_each_token_arrives_as_it_comes(tmp_path: Path) -> None:
    was_read, in_time = threading.Semaphore(0), []
    with small_service() as service, SmallServer(service) as server:
        server.app.add_middleware(OnePieceAtATime, was_read=was_read, in_time=in_time)
        with behind_nginx(tmp_path, server.port) as port:
            url = f"http://127.0.0.1:{port}/v1"
            with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
                for _ in client.chat.completions.create(
                    model="small-talk", messages=QUESTION, stream=True, extra_body={"memory": False}
                ):
                    was_read.release()
                was_read.release(2)  # the client keeps the end to itself
    assert len(in_time) > 3 and all(in_time)


@needs_nginx
def test_behind_nginx_large_requests_and_figures_stay_outside(tmp_path: Path) -> None:
    with small_service() as service, SmallServer(service) as server:
        with behind_nginx(tmp_path, server.port) as port:

            def status(method: str, path: str, size: int = 0) -> int:
                connection = http.client.HTTPConnection("127.0.0.1", port)
                connection.request(method, path, b" " * size, {"Host": "chat.example.org"})
                return connection.getresponse().status

            assert status("GET", "/health") == 200
            assert status("GET", "/metrics") == 403
            assert status("POST", "/v1/chat/completions", 1_100_000) == 413
            assert 429 in [status("GET", "/health") for _ in range(60)]
