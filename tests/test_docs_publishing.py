# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Everything in the chapter on publishing runs, in both languages, and prints what is shown.

The sizes shown are those of a model worth publishing; here a tiny one takes its place. How many
files of code it has is no matter of that chapter either.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from tests.finished_run import finished_run
from tests.publishing.fake_hub import FakeHub, in_place_of_the_hub
from tests.strangers import run_elsewhere
from tests.test_docs import SUFFIXES, Block, blocks
from tfchat_hf.publishing.__main__ import main

PAGES = [f"docs/publishing{suffix}" for suffix in SUFFIXES]
COMMAND = ["python", "-m", "tfchat_hf.publishing"]
SIZE = re.compile(r"\d[\d.]* [kMG]?B\b|(?<=: )\d+(?= files, )")


def printed_by(block: Block, hub: FakeHub, capsys: pytest.CaptureFixture[str]) -> str:
    if block.language == "python":
        return said_elsewhere(block.text, hub)
    for line in block.text.splitlines():
        words = shlex.split(line)
        assert words[:3] == COMMAND, f"not run by this test: {line}"
        assert main(words[3:]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def said_elsewhere(program: str, hub: FakeHub) -> str:
    """Run a program where this package is not installed."""
    settings = {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(Path("home").absolute()),
    }
    hidden = 'import sys; sys.modules["tfchat_hf"] = None\n'
    done = run_elsewhere(hidden + program, environment={**os.environ, **settings})
    assert done.returncode == 0, done.stderr
    return done.stdout


def without_sizes(text: str) -> list[str]:
    return [" ".join(SIZE.sub("SIZE", line).split()) for line in text.splitlines()]


@pytest.mark.slow
def test_the_chapter_can_be_followed_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [block for block in blocks(PAGES[0]) if block.language in ("bash", "python")]
    assert len(found) == 3
    finished_run(tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    with in_place_of_the_hub(monkeypatch, "a-token-of-the-test") as hub:
        for block in found:
            printed = printed_by(block, hub, capsys).replace(hub.url, "https://huggingface.co")
            shown = [line for line in without_sizes(block.output) if line != "..."]
            assert shown and not set(shown) - set(without_sizes(printed)), printed
        assert hub.repositories["someone/chat"].private
