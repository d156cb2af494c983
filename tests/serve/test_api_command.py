# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`python -m tfchat_hf.serve`: what it refuses before anything slow, and its whole life once."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2 as httpx
import pytest

from data_builders.errors import UserError
from tests.serve.small_server import PATIENCE
from tfchat_hf.pretrained import SMALL_TALK
from tfchat_hf.serve.command import bound_socket, build_parser, check_settings, main
from tfchat_hf.serve.service import load_service

ROOT = Path(__file__).parents[2]
KEY = "a key that nobody guesses"


@pytest.fixture(autouse=True)
def _without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TFCHAT_API_KEY", raising=False)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--host", "0.0.0.0"], "--api-key-file FILE"),
        (["--host", "::"], "--no-api-key"),
        (["--host", "example.org"], "lets others reach"),
        (["--api-key", "short"], "`--api-key` must be at least 16"),
        (["--api-key-file", "BYTES"], "`--api-key-file` must be at least 16"),
        (["--api-key-file", "AWAY"], "AWAY"),
        (["--port", "TAKEN"], "already in use. Choose another with `--port`"),
        (["--port", "99999"], "Choose another with `--port`"),
        (["--host", "nowhere.invalid", "--no-api-key"], "or `--host`"),
        (["--host", "203.0.113.9", "--no-api-key"], "requested address. Choose"),
        (["--max-waiting", "0"], "`--max-waiting` must be at least 1"),
        (["--drain-seconds", "-1"], "`--drain-seconds` must be at least 0"),
        (["--api-key-file", "BYTES"], "`--api-key-file` must be at least 16"),
        (["--cors", "example.org"], "`--cors` must be an origin"),
        (["--cors", "https://*.example.org"], "(got 'https://*.example.org')"),
        (["--frame", "https://example.org"], "Add --web, or leave it out"),
        (["--cors", "https://example.org/"], "(got 'https://example.org/')"),
        (["--web", "--frame", "https://one.example; script-src *"], "`--frame` must be an origin"),
        (["./away"], "There is no model folder ./away"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(words, sentence, tmp_path, capsys) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe a key that is no text")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        values = {
            "EMPTY": str(tmp_path / "empty"),
            "BYTES": str(tmp_path / "bytes"),
            "AWAY": str(tmp_path / "AWAY"),
            "TAKEN": str(taken.getsockname()[1]),
        }
        assert main([values.get(word, word) for word in words]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and told.count("\n") == 1 and sentence in told


def test_a_key_of_the_environment_is_asked_for_and_a_bad_one_refused(monkeypatch) -> None:
    monkeypatch.setenv("TFCHAT_API_KEY", KEY)
    open_to_all = ["--host", "0.0.0.0"]
    assert check_settings(build_parser().parse_args(open_to_all)) == KEY
    assert check_settings(build_parser().parse_args([*open_to_all, "--no-api-key"])) is None
    monkeypatch.setenv("TFCHAT_API_KEY", "")
    with pytest.raises(UserError, match="`TFCHAT_API_KEY` must be at least"):
        check_settings(build_parser().parse_args([]))


@pytest.mark.parametrize("name", ["fastapi", "uvicorn", "prometheus_client"])
def test_a_missing_package_names_the_extra(name, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    assert main(["--port", "0"]) == 2
    told = capsys.readouterr().err
    assert f"needs the package {name}" in told and 'pip install "tfchat-hf[serve]"' in told


@pytest.mark.parametrize("name", ["wild", "mutual"])  # a server has no reverse model
def test_a_preset_that_there_is_not_is_said_before_anybody_asks(name: str) -> None:
    with pytest.raises(UserError, match="`preset` must be one of the model's.*candidates[.]$"):
        load_service(str(SMALL_TALK), "cpu", preset=name)


@pytest.mark.slow  # a process that loads torch
def test_it_says_where_it_is_answers_and_ends_at_a_signal(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    words = ["--port", "0", "--device", "cpu", "--preset", "greedy", "--no-memory"]
    words += ["--api-key-file", str(tmp_path / "key")]
    server = subprocess.Popen(
        [sys.executable, "-m", "tfchat_hf.serve", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "TFCHAT_API_KEY": "ignored: the file is named"},
    )
    try:
        address = server.stdout.readline().split()[-1]
        with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {KEY}"}) as web:
            ask = {"messages": [{"role": "user", "content": "hello"}]}
            reply = web.post("/chat/completions", json=ask, timeout=PATIENCE)
        assert reply.json()["choices"][0]["message"]["content"]
    finally:
        server.send_signal(signal.SIGTERM)
    _out, told = server.communicate(timeout=PATIENCE)
    assert server.returncode == 0
    assert "POST /v1/chat/completions 200" in told and "Traceback" not in told
    assert KEY not in told and "hello" not in told and json.dumps(address) not in told


def test_small_pieces_of_a_reply_do_not_wait_for_each_other() -> None:
    with (
        bound_socket("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
