# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the page shows of a reply is what the model did when it made it."""

from __future__ import annotations

import base64
import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient

from data_builders.translation import LANGUAGES
from tests.serve.small_server import small_service
from tfchat_hf.engines.model_folder import load_for_chat
from tfchat_hf.pretrained import SMALL_TALK
from tfchat_hf.serve.app import create_app
from tfchat_hf.serve.gate import Settings
from tfchat_hf.serve.page import looking, routes

MESSAGES = [{"role": "user", "content": "What do you do on a rainy day?"}]
ASKED = {"messages": MESSAGES, "preset": "balanced"}
PAGE = Path(routes.__file__).parent


@pytest.fixture(scope="module")
def service():
    with small_service() as service:
        yield service


def client_of(service, **settings):
    app = create_app(service, Settings(**settings))
    routes.add_page(app, service)
    return TestClient(app, base_url="http://127.0.0.1")


@pytest.fixture(scope="module")
def client(service):
    return client_of(service)


@pytest.fixture(scope="module")
def reply(client):
    asked = ASKED | {"return_token_ids": True, "memory": False}
    choice = client.post("/v1/chat/completions", json=asked).json()["choices"][0]
    return choice["message"]["content"], choice["token_ids"]


@pytest.fixture(scope="module")
def look(client, reply):
    return client.post("/page/look", json=ASKED | {"token_ids": reply[1]}).json()


def test_weights_and_probabilities_are_those_of_the_model(service, look, reply):
    model, tokenizer = load_for_chat(str(SMALL_TALK), "cpu")
    question = service.question([MESSAGES[0]["content"]]).ids
    written = [model.config.decoder_start_token_id, *reply[1][:-1]]
    with torch.no_grad():
        out = model(
            torch.tensor([question]),
            decoder_input_ids=torch.tensor([written]),
            output_attentions=True,
        )
    assert len(look["layers"]) == len(out.cross_attentions)
    for packed, weights in zip(look["layers"], out.cross_attentions, strict=True):
        numbers = np.frombuffer(base64.b64decode(packed["data"]), "<u2").astype(np.float32)
        found = torch.tensor(numbers / 65535).view(packed["shape"])
        torch.testing.assert_close(found, weights[0], atol=1e-5, rtol=0)
    shares = out.logits[0].softmax(-1)
    for step, token, share in zip(look["steps"], reply[1], shares, strict=True):
        (taken,) = [one for one in step["candidates"] if one["id"] == token == step["taken"]]
        assert taken["said"] == pytest.approx(float(share[token]), abs=1e-5)
    assert "AntiLanguageModelLogitsProcessor" in look["processors"]
    assert any(change["moved"] for step in look["steps"] for change in step["changes"])


def test_pieces_are_the_reply_token_by_token(look, reply):
    assert "".join(look["reply"]["pieces"]) == reply[0]
    assert len(look["reply"]["pieces"]) == len(look["reply"]["tokens"]) == len(reply[1])


def test_what_the_model_did_not_read_is_told_and_a_long_reply_is_shown_in_part(
    client, reply, monkeypatch
):
    long = [{"role": "user", "content": "rain " * 500}]
    found = client.post("/page/look", json={"messages": [*MESSAGES, *long], "token_ids": reply[1]})
    assert found.json()["question"]["left_out"]["tokens"] > 100
    assert found.json()["question"]["left_out"]["turns"] == 1
    monkeypatch.setattr(looking, "_MOST_WEIGHTS", 400)
    part = client.post("/page/look", json=ASKED | {"token_ids": reply[1]}).json()
    assert len(part["steps"]) < len(part["reply"]["tokens"]) == len(reply[1])


def test_the_queues_model_is_not_touched(service, client, reply):
    used = []
    hook = service.session.model.model.register_forward_pre_hook(lambda *given: used.append(given))
    assert client.post("/page/look", json=ASKED | {"token_ids": reply[1]}).status_code == 200
    hook.remove()
    assert used == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"token_ids": []},
        {"token_ids": [10**9]},
        {"token_ids": [-1]},
        {"token_ids": "abc"},
        {"token_ids": [5], "preset": "nobody"},
        {"token_ids": [5], "temperature": "hot"},
        {"token_ids": [5], "messages": []},
    ],
)
def test_what_cannot_be_looked_into_is_refused_as_openai_does(client, wrong):
    answer = client.post("/page/look", json=ASKED | wrong)
    assert answer.status_code == 400 and answer.json()["error"]["message"]


def test_so_many_may_wait_and_the_next_is_told_to_come_again(client, reply, monkeypatch):
    monkeypatch.setattr("threading.BoundedSemaphore.acquire", lambda *args, **how: False)
    answer = client.post("/page/look", json=ASKED | {"token_ids": reply[1]})
    assert answer.status_code == 429 and answer.headers["retry-after"]


def test_the_whole_picture_is_a_page_of_its_own_until_others_take_its_place(
    client, look, reply, monkeypatch
):
    page = client.get(f"/{look['picture']}?language=zh")
    assert (
        page.status_code == 200 and "default-src 'none'" in page.headers["content-security-policy"]
    )
    content = re.search(r'id="content">(.*?)</script>', page.text, re.S)[1]
    shown = json.loads(content)
    assert shown["language"] == "zh" and shown["journeys"][0]["reply"]["text"] == reply[0]
    assert [one[0] for one in shown["journeys"][0]["explanation"]["tokens"]][:2] == ["What", "␣do"]
    monkeypatch.setattr(looking, "_MOST_PICTURES", 0)
    gone = client.post("/page/look", json=ASKED | {"token_ids": reply[1][:1]}).json()["picture"]
    for path in (gone, look["picture"], "page/picture/x"):
        answer = client.get(f"/{path}")
        assert answer.status_code == 404 and "error" in answer.json()


def test_with_a_key_the_page_comes_and_what_it_asks_for_does_not(service, reply):
    key = "k" * 16
    locked = client_of(service, api_key=key)
    assert locked.get("/").status_code == locked.get("/page/page.js").status_code == 200
    body = ASKED | {"token_ids": reply[1][:1]}
    assert locked.get("/page/about").status_code == 401
    assert locked.post("/page/look", json=body).status_code == 401
    headers = {"Authorization": f"Bearer {key}"}
    found = locked.post("/page/look", json=body, headers=headers).json()
    # A new tab sends no key; the address is what only the asker knows.
    assert locked.get(f"/{found['picture']}").status_code == 200


def test_another_engine_than_torch_says_that_it_shows_nothing(service, reply, monkeypatch):
    monkeypatch.setitem(service.session.ways, "engine", "onnx")
    exported = client_of(service)
    about = exported.get("/page/about").json()
    assert about["engine"] == "onnx" and about["look"] is False
    answer = exported.post("/page/look", json=ASKED | {"token_ids": reply[1]})
    assert answer.status_code == 400 and "--engine" in answer.json()["error"]["message"]


def test_files_are_those_of_the_package_and_ask_nothing_of_others(client):
    home = client.get("/")
    policy = home.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';") and "unsafe" not in policy
    for path in PAGE.iterdir():
        if path.suffix in routes._KINDS and path.name != "index.html":
            found = client.get(f"/page/{path.name}")
            assert found.content == path.read_bytes()
            assert found.headers["content-security-policy"] == policy
            assert not re.findall(r"https?://(?!www\.w3\.org/)", found.text), path.name
    assert not re.findall(r"<script(?! type=\"module\" src=)|<style|style=| on\w+=", home.text)
    for path in ("routes.py", "../../config.json", "%2e%2e/app.py", "nothing.js"):
        assert client.get(f"/page/{path}").status_code == 404


def test_both_languages_have_all_texts_and_the_page_uses_each():
    texts = json.loads((PAGE / "texts.json").read_text(encoding="utf-8"))
    english, chinese = (texts[language] for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    for name in english:
        assert set(re.findall(r"{\w+}", english[name])) == set(re.findall(r"{\w+}", chinese[name]))
    files = [*PAGE.glob("*.js"), PAGE / "index.html"]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    assert [name for name in english if f'"{name}"' not in code] == []


def test_what_the_page_knows_of_settings_is_what_the_api_takes(client):
    about = client.get("/page/about").json()
    names = [one["name"] for one in about["settings"]]
    assert {"temperature", "num_candidates", "seed"} <= set(names) and "preset" not in names
    assert "mutual" not in [one["name"] for one in about["presets"]]
    for one, language in product([*about["settings"], *about["presets"]], LANGUAGES):
        assert one["about"][language]
    assert about["values"]["creative"]["do_sample"] is True
    assert about["look"] and about["memory"] and about["engine"] == "torch"


def test_only_the_origins_that_are_named_show_the_page_within_theirs(service, client) -> None:
    app = create_app(service, Settings())
    routes.add_page(app, service, ["https://one.example", "https://two.example"])
    framed = TestClient(app, base_url="http://127.0.0.1")
    policies = [one.get("/").headers["content-security-policy"] for one in (client, framed)]
    assert policies[0].endswith("; frame-ancestors 'none'")
    assert policies[1].endswith("; frame-ancestors https://one.example https://two.example")
