# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The Chit-Chat Challenge out of its package, of which nothing is run."""

from __future__ import annotations

import json
import sys

import pytest

from data_builders.errors import UserError
from data_builders.formats.chitchat import ChitchatPackageConfig, ChitchatPackageCorpus
from data_builders.report import BuildReport


def chat(*turns: list[str]) -> dict:
    """Turns of two senders, each a list of short messages."""
    messages = [
        [{"text": text, "sender": sender, "timestamp": "2020"} for text in turn]
        for turn, sender in zip(turns, ("s1", "s2") * len(turns), strict=False)
    ]
    return {"messages": messages, "prompt": "Rain?", "start": "2020"}


@pytest.fixture()
def package(tmp_path, monkeypatch):
    """A package of that name whose code must not be run."""
    folder = tmp_path / "site" / "chitchat_dataset"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('was run')")
    content = json.dumps({"a": chat(["hey"], ["hi"]), "b": chat(["anyone?"])})
    (folder / "dataset.json").write_text(content)
    monkeypatch.delitem(sys.modules, "chitchat_dataset", raising=False)
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def test_the_package_is_read_without_running_it(package):
    report = BuildReport()
    found = list(ChitchatPackageCorpus.read_sources(ChitchatPackageConfig(), report))
    assert [(d.turns, d.source) for d in found] == [(("hey", "hi"), "chitchat-dataset")]
    assert report.rejected == {"fewer than two turns": 1}
    assert "chitchat_dataset" not in sys.modules


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install chitchat-dataset"):
        ChitchatPackageConfig()


def test_a_package_without_its_data_is_named_with_its_command(package):
    (package / "dataset.json").unlink()
    with pytest.raises(UserError, match="no file dataset.json.*pip install chitchat-dataset"):
        ChitchatPackageConfig()


def test_files_of_ones_own_belong_to_the_other_format(package):
    with pytest.raises(UserError, match="choose the format .chitchat."):
        ChitchatPackageConfig(files=("my.json",))
