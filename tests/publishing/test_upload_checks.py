# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What goes to the Hub can be loaded by a stranger, and tells nothing of this machine."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from data_builders.errors import UserError
from tests.training.test_tensorboard import make_trainer
from tfchat_hf.publishing.push import PushOrder, publish
from tfchat_hf.publishing.upload_plan import plan_upload

REPOSITORY = "someone/tiny"
TOKEN = "a-token-of-the-test"


def refused(folder: Path, **switches: bool) -> str:
    with pytest.raises(UserError) as error:
        publish(folder, PushOrder(REPOSITORY, dry_run=True, **switches), report=list)
    return str(error.value)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_weights_as_pickle_are_refused_by_name(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert re.search(r"pytorch_model\.bin.*can run code", refused(folder))


@pytest.mark.parametrize("name", ["tokenizer.json", "README.md", "layers_tfchat.py"])
def test_a_file_that_a_stranger_needs_is_missed_by_name(folder: Path, name: str) -> None:
    (folder / name).rename(folder / "aside")
    assert f"lacks {name}" in refused(folder)


@pytest.mark.parametrize(
    "name",
    [
        *("model.safetensors", "config.json", "generation_config.json", "tokenizer.json"),
        *("tokenizer_config.json", "metrics.json"),
        *("modeling_tfchat.py", "layers_tfchat.py", "samples.jsonl"),
    ],
)
def test_a_file_that_is_cut_off_is_named_and_never_a_traceback(folder: Path, name: str) -> None:
    cut(folder / name)
    assert name in refused(folder, with_logs=True)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("generation_config.json", b'{"num_beams": "four"}', "`num_beams` must be a whole number"),
        ("config.json", b"[]", "must hold an object"),
        ("metrics.json", b"\xef\xbb\xbf{}", "byte order mark"),
        ("run_config.yaml", b"seed: 1\na: b: c", "run_config.yaml:2: not valid YAML"),
        ("README.md", b"\xff\xfe", "README.md is not UTF-8"),
        ("curves.png", b"\x89PNG\r\n", "no whole picture"),
        ("modeling_tfchat.py", b"", "lacks `TFChatForConditionalGeneration`"),
    ],
)
def test_a_file_with_something_else_in_it_is_refused_with_the_place(
    folder: Path, name: str, content: bytes, words: str
) -> None:
    (folder / name).write_bytes(content)
    assert words in refused(folder)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("README.md", f"by me with {TOKEN}", "an access token"),
        ("metrics.json", '{"from": "hf_' + "x" * 30 + '"}', "an access token"),
        ("config.json", '{"_name_or_path": "FOLDER/checkpoint-9"}', "a path of a machine"),
        ("README.md", "see /home/somebody/data", "a path of a machine"),
        ("README.md", "trained on gpu-box-7.", "the name of a machine"),
    ],
)
def test_a_secret_in_a_file_is_named_with_its_line_and_not_repeated(
    folder: Path, name: str, text: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu-box-7.example.org")
    (folder / name).write_text("\n\n" + text.replace("FOLDER", str(folder)), encoding="utf-8")
    said = refused(folder)
    assert f"{name}, line 3: {kind}" in said and "Take that out of the files" in said
    assert not [secret for secret in (TOKEN, "somebody", "gpu-box") if secret in said]


def test_what_nobody_can_edit_is_refused_with_the_switch_to_leave_out(folder: Path) -> None:
    (folder / "tensorboard").mkdir()
    (folder / "tensorboard" / "events.out.tfevents.1.box.2.0").write_bytes(b"\0/home/somebody/x\n")
    said = refused(folder, with_logs=True)
    assert "tfevents.1.2.0: a path of a machine" in said
    assert "Push without --with_logs" in said and "Take that out" not in said


def test_training_curves_of_tensorboard_go_without_paths_and_names(folder: Path) -> None:
    pytest.importorskip("tensorboard")
    make_trainer(folder, 1).train()
    (event_file,) = (folder / "tensorboard").iterdir()
    plan = plan_upload(folder, REPOSITORY, with_logs=True)
    (sent,) = (upload for upload in plan.uploads if upload.source == event_file)
    host = socket.gethostname()
    assert f".{host}." in event_file.name and f".{host}." not in sent.name
    assert str(folder) not in sent.read_text() and "max_steps" in sent.read_text()
