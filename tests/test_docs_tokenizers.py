# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Everything in the chapter on tokenizers runs, in both languages, and prints what is shown.

Programs of one page share their names. A ```text block right below a command or a program is its
output, as in tests/test_docs.py.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml

from data_builders.__main__ import main as build_data
from tests.test_docs import SUFFIXES, Block, blocks, check_output, run_program
from tfchat_hf.engines.javascript_tokenizer import main as rewrite
from tfchat_hf.look.__main__ import main as explain
from tfchat_hf.settings.arguments import own_keys
from tfchat_hf.text.tokenizer_training import SCHEMES
from tfchat_hf.text.tokenizer_training import main as train

PAGES = [f"docs/tokenizers{suffix}" for suffix in SUFFIXES]
COMMANDS = {
    "data_builders": build_data,
    "tfchat_hf.look": explain,
    "tfchat_hf.text.tokenizer_training": train,
    "tfchat_hf.engines.javascript_tokenizer": rewrite,
}
CORPUS = "今天天气很好\t我们去公园散步吧\nDo you like tea?\tYes, green tea.\n" * 3


@pytest.fixture()
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / ".cache")
    Path("chat.tsv").write_text(CORPUS, encoding="utf-8")
    assert build_data(["build", "chat.tsv", "--output", "data/mine"]) == 0
    return tmp_path


def run(block: Block, names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    if block.language == "python":
        return run_program(block.text, names)
    capsys.readouterr()
    for line in block.text.replace("\\\n", " ").splitlines():
        python, option, module, *arguments = shlex.split(line)
        assert (python, option) == ("python", "-m")
        assert COMMANDS[module](arguments) == 0, capsys.readouterr().err
    return capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_page_can_be_followed_from_top_to_bottom(
    page: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {"__name__": "docs"}
    for block in blocks(page):
        if block.language == "yaml":
            assert set(yaml.safe_load(block.text)) <= set(own_keys())
        elif block.language in ("python", "bash"):
            printed = run(block, names, capsys)
            if block.output is not None:
                check_output(block.output, printed)


@pytest.mark.parametrize("page", PAGES)
def test_every_scheme_is_explained(page: str) -> None:
    text = Path(page).read_text(encoding="utf-8")
    assert all(f"| `{scheme}` |" in text for scheme in SCHEMES)
