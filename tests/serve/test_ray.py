# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Ray Serve: the same server in several processes, of which each answers a share."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from tests.serve.started import free_port, started
from tfchat_hf.serve.ray import _size, main

ROOT = Path(__file__).parents[2]
QUESTION = [{"role": "user", "content": "hello, how are you?"}]


def test_without_ray_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([]) == 2
    assert 'pip install "tfchat-hf[ray]"' in capsys.readouterr().err


def test_what_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--replicas", "0"]) == 2
    assert main(["--replicas", "3", "--max-replicas", "2"]) == 2
    assert main(["--host", "0.0.0.0"]) == 2
    said = capsys.readouterr().err
    assert "`--replicas` must be at least 1" in said
    assert "`--max-replicas` must be at least 3" in said
    assert "`--no-api-key`" in said


def test_a_replica_takes_all_that_its_queue_holds_and_says_itself_when_that_is_full() -> None:
    class Asked:
        max_batch_size, max_waiting, replicas, max_replicas = 4, 8, 2, None

    assert _size(Asked) == {"num_replicas": 2, "max_ongoing_requests": 12}
    Asked.max_replicas = 5
    assert _size(Asked)["autoscaling_config"]["target_ongoing_requests"] == 4


@pytest.mark.slow
def test_two_replicas_share_the_callers_and_stream(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    said = tmp_path / "said.txt"
    command = [sys.executable, "-m", "tfchat_hf.serve.ray", "--replicas", "2"]
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0", "PYTHONPATH": str(ROOT)}
    with (
        started([*command, "--port", str(free_port())], said, env=settings) as url,
        openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client,
        ThreadPoolExecutor(8) as callers,
    ):
        asked = {"messages": QUESTION, "model": "small-talk", "extra_body": {"memory": False}}
        whole = client.chat.completions.create(**asked).choices[0].message.content
        pieces = [chunk for chunk in client.chat.completions.create(**asked, stream=True)]
        assert len(pieces) > 2
        assert "".join(chunk.choices[0].delta.content for chunk in pieces if chunk.choices) == whole
        made = callers.map(lambda _: client.chat.completions.create(**asked), range(32))
        assert {one.choices[0].message.content for one in made} == {whole}
    replicas = re.findall(r"pid=(\d+)\)\S* .*POST /v1/chat/completions 200", said.read_text())
    assert len(set(replicas)) == 2
