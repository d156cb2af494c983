# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The chapters on decoding and serving run from top to bottom, and print what is shown.

Programs of one page share their names. A ```text block right below a command or a program is its
output, as in tests/test_docs.py. What compares presets wants models that were trained for hours:
its options are read, and nothing is decoded.
"""

from __future__ import annotations

import io
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import datasets
import pytest

import chat_hf
import train_hf
from tests.engines.exported import trace_no_more, traced_run
from tests.finished_run import blank_curves, finished_run
from tests.test_docs import SUFFIXES, Block, blocks, check_output, run_program, tables
from tests.tiny import tiny_model
from tfchat_hf.compare.__main__ import read_options
from tfchat_hf.compare.decode import read_setting
from tfchat_hf.engines import export
from tfchat_hf.fast import decoding
from tfchat_hf.fast.reranking import RERANK_SETTINGS
from tfchat_hf.model.generation_tfchat import OWN_SETTINGS
from tfchat_hf.publishing import card
from tfchat_hf.serve.command import build_parser

ROOT = Path(__file__).parents[1]
PAGES = [f"docs/decoding{suffix}" for suffix in SUFFIXES]
PRESET_TABLE = ("preset", "预设")
CHATS = (
    "今天天气很好\t我们去公园散步吧\nDo you like tea?\tYes, green tea.\n你好\t你好，很高兴见到你\n"
)


def read_comparison(arguments: Sequence[str]) -> int:
    """Read the command of a comparison as far as it goes without its run."""
    for text in read_options(arguments).settings:
        read_setting(tiny_model(), text)
    return 0


COMMANDS: dict[tuple[str, ...], Callable[[Sequence[str]], int]] = {
    ("python", "train_hf.py"): train_hf.main,
    ("python", "chat_hf.py"): chat_hf.main,
    ("python", "-m", "tfchat_hf.engines.export"): export.main,
    ("python", "-m", "tfchat_hf.compare"): read_comparison,
    # Run by tests/serve/test_api_docs.py and test_api_command.py, at a free port.
    ("python", "-m", "tfchat_hf.serve"): lambda words: not build_parser().parse_args(words),
    ("python", "-c"): lambda words: 0,
    # Run by tests/publishing/test_space.py, against a Hub of its own.
    ("python", "-m", "tfchat_hf.publishing"): lambda arguments: 0,
}


def run_command(line: str) -> None:
    words = shlex.split(line)
    (known,) = [command for command in COMMANDS if tuple(words[: len(command)]) == command]
    assert COMMANDS[known](words[len(known) :]) == 0, line


def follow(chapter: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Write the files of a page, run its commands and programs, compare what is shown."""
    names: dict[str, Any] = {"__name__": "docs"}
    for block in blocks(f"docs/{chapter}.md"):
        if block.name:
            Path(block.name).write_text(block.text, encoding="utf-8")
        elif block.language in ("python", "bash"):
            printed = run(block, names, capsys)
            if block.output is not None:
                check_output(block.output, printed)


def run(block: Block, names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    """Run one block; gives what it printed, on either stream."""
    if block.language == "python":
        return run_program(block.text, names)
    capsys.readouterr()
    for line in block.text.replace("\\\n", " ").splitlines():
        run_command(line)
    said = capsys.readouterr()
    return said.out + said.err


@pytest.fixture()
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Stand in an empty folder with a cache of its own, and nobody at the keyboard."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(card, "draw_curves", blank_curves)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / ".cache")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    yield tmp_path
    datasets.enable_progress_bars()


@pytest.mark.slow
def test_the_chapter_on_decoding_can_be_followed_from_top_to_bottom(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("chats.tsv").write_text(CHATS, encoding="utf-8")
    follow("decoding", capsys)
    assert (place / "runs/tiny_reverse/model.safetensors").exists()


@pytest.mark.slow
def test_the_chapter_on_engines_can_be_followed_from_top_to_bottom(
    place: Path,
    shared: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("ctranslate2")
    trace_no_more(run := traced_run(shared), monkeypatch)
    shutil.copytree(run, "runs/quickstart", ignore=shutil.ignore_patterns("onnx"))
    shutil.copytree("runs/quickstart", "runs/toy")
    follow("engines", capsys)
    assert len(Path("replies.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_the_chapter_on_serving_can_be_followed_from_top_to_bottom(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fastapi")
    monkeypatch.setattr("tfchat_hf.serve.server.Server.run", lambda server, sockets: None)
    monkeypatch.setattr("webbrowser.get", MagicMock())
    finished_run(place / "runs", encoder_layers=1, decoder_layers=1).rename("runs/quickstart")
    follow("serving", capsys)


@pytest.mark.parametrize("page", PAGES)
def test_the_table_of_presets_has_every_preset_and_no_other(page: str) -> None:
    # Those of the comparison have more columns, and rows that are no presets.
    named = [row[0].strip("`") for row in tables(page, PRESET_TABLE) if len(row) == 3]
    assert sorted(named) == sorted(decoding.ABOUT)


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_of_this_projects_own_is_named(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = [
        name
        for name in (*OWN_SETTINGS, *RERANK_SETTINGS)
        if not re.search(rf"`[^`\n]*\b{name}\b", text)
    ]
    assert not missing
