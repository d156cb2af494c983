# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A finished run goes to the Hub whole, once and without secrets, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import ModelCard, constants

from data_builders.errors import UserError
from tests.another_writer import another_writer
from tests.publishing.fake_hub import FakeHub, Repository, in_place_of_the_hub
from tfchat_hf.publishing import push
from tfchat_hf.publishing.__main__ import main
from tfchat_hf.publishing.push import (
    PushOrder,
    publish,
    publish_after_training,
    push_order,
)

REPOSITORY = "someone/tiny"
TOKEN = "a-token-of-the-test"
ORDER = PushOrder(REPOSITORY)

STRANGER = """
import json, sys
sys.modules["tfchat_hf"] = None     # importing it raises ImportError, as where it is missing
sys.modules["jieba"] = None
from huggingface_hub import ModelCard, hf_hub_download
text = ModelCard.load(hf_hub_download(sys.argv[1], "README.md")).text
print()
for block in text.split("```python")[1:]:
    # A pipeline needs its file in the repository.
    if "pipeline(" not in block or hasattr(model.config, "custom_pipelines"):
        exec(block.split("```")[0])
print(json.dumps({"module": type(model).__module__, "name": name}))
"""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Stand in for the Hub; whatever is asked of it, it must know the answer."""
    monkeypatch.setattr(push, "WAITS", (0.0, 0.0))
    with in_place_of_the_hub(monkeypatch, TOKEN) as hub:
        yield hub
        assert hub.unknown == []


def commits(hub: FakeHub) -> int:
    return len(hub.repositories[REPOSITORY].commits) - 1


@pytest.mark.slow  # test_push_to_hub has a stranger too
def test_a_pushed_run_answers_a_stranger_by_the_code_of_its_card(
    hub: FakeHub, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), "--hub_model_id", REPOSITORY]) == 0
    said = capsys.readouterr().out
    assert said.endswith(f"pushed: {hub.url}/{REPOSITORY}\n")
    assert commits(hub) == 1 and not hub.repositories[REPOSITORY].private
    files = hub.repositories[REPOSITORY].files
    assert files["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert not {"samples.jsonl", "notes.txt"} & set(files)
    for secret in (TOKEN, str(folder), str(tmp_path), str(Path.home()) + "/"):
        assert not [name for name, content in files.items() if secret.encode() in content], secret
    assert ModelCard(files["README.md"].decode()).data.eval_results

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "PYTHONPATH"))}
    more = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    more |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    heard = subprocess.run(
        [sys.executable, "-c", STRANGER, REPOSITORY],
        cwd=elsewhere,
        env={**kept, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert heard.returncode == 0, heard.stderr
    told = json.loads(heard.stdout.splitlines()[-1])
    assert told["name"] == REPOSITORY and told["module"].startswith("transformers_modules.")


def test_a_dry_run_lists_all_and_asks_the_hub_nothing(
    hub: FakeHub,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert main([str(folder), "--hub_model_id", REPOSITORY, "--dry_run"]) == 0
    said = capsys.readouterr().out
    assert (
        "model.safetensors" in said and "checkpoint-9/" in said and "nothing was uploaded" in said
    )
    assert hub.requests == [] and hub.repositories == {}


def test_a_run_that_is_being_trained_is_not_pushed(hub: FakeHub, folder: Path) -> None:
    with another_writer(folder) as other, pytest.raises(UserError, match=f"process {other.pid},"):
        publish(folder, ORDER, report=list)
    assert hub.requests == []


@pytest.mark.parametrize("private", [True, None])
def test_a_repository_is_as_private_as_asked(
    hub: FakeHub, folder: Path, private: bool | None
) -> None:
    publish(folder, PushOrder(REPOSITORY, private=private), report=list)
    assert hub.repositories[REPOSITORY].private is bool(private)


def test_a_public_repository_takes_no_private_push(hub: FakeHub, folder: Path) -> None:
    hub.repositories[REPOSITORY] = Repository()
    with pytest.raises(UserError, match="public already"):
        publish(folder, PushOrder(REPOSITORY, private=True), report=list)
    assert commits(hub) == 0


def test_a_repository_that_exists_keeps_other_files_and_a_second_push_changes_nothing(
    hub: FakeHub, folder: Path
) -> None:
    hub.repositories[REPOSITORY] = Repository()
    hub.repositories[REPOSITORY].commit({"mine.md": b"mine", "config.json": b"old"})
    said: list[str] = []
    publish(folder, ORDER, report=said.append)
    files = hub.repositories[REPOSITORY].files
    assert files["mine.md"] == b"mine" and files["config.json"] != b"old"
    assert any("exists" in line for line in said)
    before = commits(hub)
    publish(folder, ORDER, report=said.append)
    assert commits(hub) == before and len(hub.large_files) == len(set(hub.large_files))


def test_a_token_that_the_hub_does_not_know_uploads_nothing(hub: FakeHub, folder: Path) -> None:
    hub.token_digest = hashlib.sha256(b"another").hexdigest()
    with pytest.raises(UserError, match="hf auth login") as refused:
        publish(folder, ORDER, report=list)
    assert TOKEN not in str(refused.value)
    assert hub.repositories == {} and hub.large_files == {}


@pytest.mark.parametrize("status", [0, 503])
def test_a_commit_that_breaks_off_is_made_by_the_next_try(
    hub: FakeHub, folder: Path, status: int
) -> None:
    hub.failures = [("/commit/main", status)]
    said: list[str] = []
    publish(folder, ORDER, said.append)
    assert sum("trying again" in line for line in said) == 1
    assert commits(hub) == 1
    sent = [request for request in hub.requests if request.startswith("PUT /blobs/")]
    assert len(sent) == len(hub.large_files) == len(set(sent))


def test_weights_that_break_off_on_their_way_arrive_whole(hub: FakeHub, folder: Path) -> None:
    weights = (folder / "model.safetensors").read_bytes()
    oid = hashlib.sha256(weights).hexdigest()
    hub.failures = [(f"/blobs/{oid}", 0)]
    publish(folder, ORDER, report=list)
    assert hub.failures == [] and hub.requests.count(f"PUT /blobs/{oid}") == 2
    assert commits(hub) == 1 and hub.repositories[REPOSITORY].files["model.safetensors"] == weights


def test_an_upload_that_fails_for_good_leaves_nothing_half_done_and_the_same_command_ends_it(
    hub: FakeHub, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "WAITS", ())
    hub.failures = [("/commit/main", 0)]
    assert main([str(folder), "--hub_model_id", REPOSITORY]) == 2
    assert "same command" in capsys.readouterr().err
    assert commits(hub) == 0
    sent = len([request for request in hub.requests if request.startswith("PUT /blobs/")])
    assert main([str(folder), "--hub_model_id", REPOSITORY]) == 0
    assert commits(hub) == 1 and "model.safetensors" in hub.repositories[REPOSITORY].files
    assert len([r for r in hub.requests if r.startswith("PUT /blobs/")]) == sent


@pytest.mark.parametrize(
    ("status", "words", "waits"), [(403, "may not write", 0), (429, "Wait some minutes", 2)]
)
def test_a_refusal_is_tried_again_only_where_waiting_helps(
    hub: FakeHub, folder: Path, status: int, words: str, waits: int
) -> None:
    hub.failures = [("/commit/main", status)] * 3
    said: list[str] = []
    with pytest.raises(UserError, match=words):
        publish(folder, ORDER, report=said.append)
    assert sum("trying again" in line for line in said) == waits and commits(hub) == 0


def test_what_the_hub_says_of_a_card_with_a_wrong_header_is_passed_on(
    hub: FakeHub, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.card_problems = ['"license" must be one of [mit]']
    assert main([str(folder), "--hub_model_id", REPOSITORY]) == 2
    said = capsys.readouterr().err
    assert "README.md" in said and '"license" must be' in said
    assert commits(hub) == 0


def test_without_a_network_the_run_stays_finished_and_the_command_is_told(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (folder / "memory").mkdir()
    order = PushOrder(REPOSITORY, private=True, push_memory=True)
    assert not publish_after_training(folder, order, said.append)
    assert "HF_HUB_OFFLINE" in said[-2]
    again = f"python -m tfchat_hf.publishing {folder} --hub_model_id {REPOSITORY} --private"
    assert said[-1].endswith(f"{again} --push_memory")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="cannot be reached"):
        publish(folder, ORDER, report=list)
    assert hub.requests == []


@pytest.mark.parametrize(
    "name", ["tiny", "a/b/c", "some one/tiny", "someone/", "/tiny", "your-name/your-model", ""]
)
def test_a_name_that_is_none_is_refused_even_by_a_dry_run(folder: Path, name: str) -> None:
    with pytest.raises(UserError, match="`hub_model_id` must be owner/name"):
        publish(folder, PushOrder(name, dry_run=True), report=list)


def test_whoever_is_not_logged_in_is_told_before_anything_is_asked(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UserError, match="hf auth login"):
        publish(folder, ORDER, report=list)
    assert hub.requests == []


def test_the_trainer_never_pushes_by_itself_and_a_push_is_checked_before_training(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"push_to_hub": True, "hub_model_id": REPOSITORY, "hub_private_repo": True}
    asked |= {"push_dry_run": False, "push_memory": False}
    training = SimpleNamespace(**asked)
    assert push_order(training) == PushOrder(REPOSITORY, private=True)
    assert training.push_to_hub is False
    assert push_order(training) is None
    with pytest.raises(UserError, match="needs `hub_model_id`"):
        push_order(SimpleNamespace(**{**asked, "hub_model_id": None}))
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UserError, match="hf auth login"):
        push_order(SimpleNamespace(**asked))
    dry = SimpleNamespace(**{**asked, "push_to_hub": False, "push_dry_run": True})
    assert push_order(dry) == PushOrder(REPOSITORY, private=True, dry_run=True)
