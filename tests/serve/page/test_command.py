# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`chat_hf.py --web`: a page on the loopback, opened in the browser, ended by Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

pytest.importorskip("fastapi")

import httpx2 as httpx
from fastapi.testclient import TestClient

from tfchat_hf.chat import command as chat
from tfchat_hf.pretrained import SMALL_TALK
from tfchat_hf.serve.page import command
from tfchat_hf.serve.server import Server

ROOT = Path(__file__).parents[3]


@pytest.fixture
def opened(monkeypatch):
    """Serve one request in place of many, and return what the browser was sent to."""
    found: list[str] = []

    def run(server, sockets):
        host, port = sockets[0].getsockname()
        client = TestClient(server.config.app, base_url=f"http://{host}:{port}")
        assert client.get("/").text.startswith("<!DOCTYPE html>")
        assert client.get("/page/about").json()["memory"] is False
        while not found:  # another thread opens it
            time.sleep(0.01)

    monkeypatch.setattr(Server, "run", run)
    monkeypatch.setattr(command.webbrowser, "get", lambda: SimpleNamespace(open=found.append))
    return found


def test_the_page_is_opened_at_a_free_port_where_its_own_is_taken(opened, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(command, "_PORTS", (taken.getsockname()[1], 0))
        assert command.main([str(SMALL_TALK), "--web", "--no-memory", "--language", "en"]) == 0
    shown = capsys.readouterr()
    address = re.search(r"Talk to small-talk at (http://127\.0\.0\.1:\d+/)$", shown.out.strip())[1]
    assert opened == [address]
    assert shown.err.rstrip().endswith("The page has ended; its conversations are in the browser.")


def test_a_browser_of_the_terminal_is_not_opened_and_none_is_no_error(monkeypatch):
    text, opened = webbrowser.GenericBrowser("lynx"), []
    monkeypatch.setattr(text, "open", opened.append)
    monkeypatch.setattr(webbrowser, "get", lambda: text)
    command._open("http://127.0.0.1:8000/")
    monkeypatch.setattr(webbrowser, "get", Mock(side_effect=webbrowser.Error))
    command._open("http://127.0.0.1:8000/")
    assert opened == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--no-browser"], "--no-browser goes with --web"),
        (["--web", "--temperature", "1"], "--temperature does not go with --web"),
        (["--web", "--fast"], "--fast does not go with --web"),
        (["--web", "--once", "hi"], "not allowed with argument"),
    ],
)
def test_what_does_not_go_with_the_page_is_refused_before_anything_is_loaded(options, said, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main([*options, "--language", "en"])
    assert ended.value.code == 2 and said in capsys.readouterr().err


def test_without_the_packages_of_the_server_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert command.main([str(SMALL_TALK), "--web", "--language", "en"]) == 2
    assert "tfchat-hf[serve]" in capsys.readouterr().err


def test_the_chat_alone_says_where_the_page_is(capsys):
    with pytest.raises(SystemExit):
        chat.main(["--web", "--language", "en"])
    assert "--web is for `python chat_hf.py` and `tfchat-chat`" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_ends_it_with_one_line(tmp_path):
    options = [str(SMALL_TALK), "--web", "--no-browser", "--language", "en"]
    running = subprocess.Popen(
        [sys.executable, str(ROOT / "chat_hf.py"), *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = running.stdout.readline().split()[-1]
    assert httpx.Client(transport=httpx.HTTPTransport(retries=9)).get(address).status_code == 200
    running.send_signal(signal.SIGINT)
    _, said = running.communicate()
    assert running.returncode == 0 and "Traceback" not in said
    assert said.split("Ctrl-C ends it.")[1].strip() == (
        "The page has ended; its conversations are in the browser."
    )
