# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`push_to_hub` makes a repository that people without this package can load and talk to."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.finished_run import TEXTS
from tests.publishing.fake_hub import FakeHub, in_place_of_the_hub
from tests.strangers import run_elsewhere
from tests.tiny import tiny_model
from tfchat_hf.text.tokenizer_training import train_tokenizer

TOKEN = "hf_test"
REPOSITORY = "someone/tiny"

# Sampled tokens depend on every weight; greedy ones of an untrained model hardly do.
SPEAK = """
import json, torch
def speak(model, tokenizer):
    inputs = tokenizer(["你好", "Hello"], padding=True, return_tensors="pt")
    greedy = model.generate(**inputs, max_new_tokens=8, do_sample=False)
    torch.manual_seed(0)
    sampled = model.generate(**inputs, max_new_tokens=24, do_sample=True, top_k=0)
    return {"greedy": greedy.tolist(), "sampled": sampled.tolist()}
"""

STRANGER = """
import sys
sys.modules["tfchat_hf"] = None     # importing it raises ImportError, as where it is missing
sys.modules["jieba"] = None
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
model = AutoModelForSeq2SeqLM.from_pretrained(sys.argv[1], trust_remote_code=True)
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
print()
print(json.dumps({"said": speak(model, tokenizer), "module": type(model).__module__}))
"""


def heard_by_a_stranger(hub: FakeHub, cwd: Path, home: Path) -> dict:
    """Load the repository where this package is missing; return what the model says there."""
    dropped = ("HF_", "HUGGING_FACE_", "PYTHONPATH", "TRANSFORMERS_OFFLINE")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    environment |= {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    for folder in (cwd, home):
        folder.mkdir()
    done = run_elsewhere(SPEAK + STRANGER, REPOSITORY, cwd=cwd, environment=environment)
    assert done.returncode == 0, f"{done.stderr}\nunanswered: {hub.unknown}"
    return json.loads(done.stdout.splitlines()[-1])


def assert_token_is_nowhere(hub: FakeHub) -> None:
    for repository in hub.repositories.values():
        for files in repository.commits.values():
            leaks = [path for path, content in files.items() if TOKEN.encode() in content]
            assert leaks == []
    assert not [oid for oid, content in hub.large_files.items() if TOKEN.encode() in content]
    assert TOKEN not in repr(vars(hub))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with in_place_of_the_hub(monkeypatch, TOKEN) as hub:
        yield hub


def test_what_is_pushed_loads_for_a_stranger_and_says_the_same(
    hub: FakeHub, tmp_path: Path
) -> None:
    tokenizer = train_tokenizer(TEXTS, scheme="subword-bpe", vocab_size=400)
    model = tiny_model(vocab_size=len(tokenizer))
    model.push_to_hub(REPOSITORY)
    tokenizer.push_to_hub(REPOSITORY)
    names: dict[str, Any] = {}
    exec(SPEAK, names)
    told = names["speak"](model, tokenizer)
    files = hub.repositories[REPOSITORY].files
    assert {"configuration_tfchat.py", "modeling_tfchat.py", "generation_tfchat.py"} <= set(files)
    assert {"model.safetensors", "generation_config.json", "README.md"} <= set(files)
    assert {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"} <= set(files)
    assert not [path for path in files if path.endswith((".bin", ".pt", ".pkl"))]
    auto_map = json.loads(files["config.json"])["auto_map"]
    assert set(auto_map) == {"AutoConfig", "AutoModel", "AutoModelForSeq2SeqLM"}
    # A repository name in front would send everyone there for the code.
    assert not [target for target in auto_map.values() if "--" in target]
    assert list(hub.large_files.values()) == [files["model.safetensors"]]
    assert_token_is_nowhere(hub)

    heard = heard_by_a_stranger(hub, tmp_path / "elsewhere", tmp_path / "home")
    assert heard["module"].startswith("transformers_modules.")
    assert heard["said"] == told
    assert len({token for row in heard["said"]["sampled"] for token in row}) > 4
    assert hub.unknown == []


def test_the_hub_takes_nothing_without_a_token(hub: FakeHub) -> None:
    # So the token did reach the hub above, and looking for what is left of it means something.
    asked = json.dumps({"organization": "someone", "name": "tiny"}).encode()
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        direct.open(f"{hub.url}/api/repos/create", asked)
    refused.value.close()
    assert hub.repositories == {}
