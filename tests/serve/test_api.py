# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The API as OpenAI's own client sees it."""

from __future__ import annotations

import openai
import pytest

from tests.serve.small_server import SmallServer, small_service

QUESTION = [{"role": "user", "content": "hello, how are you?"}]
MODEL = {"model": "small-talk", "extra_body": {"memory": False}}


@pytest.fixture(scope="module")
def server():
    with small_service() as service, SmallServer(service) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as one:
        yield one


def test_a_reply_in_pieces_is_the_reply(client) -> None:
    whole = client.chat.completions.create(messages=QUESTION, **MODEL)
    pieces = client.chat.completions.create(messages=QUESTION, **MODEL, stream=True)
    said = "".join(chunk.choices[0].delta.content for chunk in pieces)
    assert said == whole.choices[0].message.content != ""
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
