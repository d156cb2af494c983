# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What docs/serving.md shows of clients, sent to a server as it stands there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.serve.small_server import PATIENCE, SmallServer, small_service
from tests.test_docs import blocks

PAGES = ("docs/serving.md", "docs/serving.zh-CN.md")


@pytest.fixture(scope="module")
def server():
    with small_service() as service:
        service.name = "quickstart"
        with SmallServer(service) as running:
            yield running


def examples(page: str, language: str, word: str, server: SmallServer) -> list[str]:
    """Return the blocks of a language that hold a word, at the address of the server."""
    found = [block.text for block in blocks(page) if block.language == language]
    shown = [text.replace(":8000/", f":{server.port}/") for text in found if word in text]
    assert shown, page
    return shown


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("page", PAGES)
def test_what_curl_sends_is_answered(server, page: str) -> None:
    for text in examples(page, "sh", "curl http://127.0.0.1:8000/v1", server):
        done = subprocess.run(
            ["bash", "-c", text], capture_output=True, encoding="utf-8", timeout=PATIENCE
        )
        assert json.loads(done.stdout)["choices"][0]["message"]["content"]


def test_what_the_openai_client_sends_is_answered(server, capsys) -> None:
    for text in examples(PAGES[0], "py", "from openai", server):
        exec(compile(text, PAGES[0], "exec"), {})
    assert re.search(r"\S\[.*, .*\] \d+\n$", capsys.readouterr().out)
    assert examples(PAGES[0], "py", "openai", server) == examples(PAGES[1], "py", "openai", server)


def test_every_option_and_setting_of_the_server_is_told() -> None:
    from tfchat_hf.serve.command import build_parser

    for page in PAGES:
        text = Path(__file__).parents[2].joinpath(page).read_text(encoding="utf-8")
        for option in build_parser()._option_string_actions:
            if option not in ("-h", "--help", "--language"):
                assert f"{option}" in text, (page, option)
