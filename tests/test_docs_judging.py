# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The chapter on blind sheets runs from top to bottom, on a tiny run, and prints what is shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import datasets
import pytest

from tests.finished_run import finished_run
from tests.test_docs import SUFFIXES, blocks, check_output, run_program, tables
from tfchat_hf.judging.__main__ import main

ROOT = Path(__file__).parents[1]
PAGES = [f"docs/judging{suffix}" for suffix in SUFFIXES]
COMMAND = ["python", "-m", "tfchat_hf.judging"]
MARKS = ("mark", "分")


@pytest.mark.slow
def test_the_chapter_can_be_followed_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / ".cache")
    finished_run(tmp_path / "runs").rename("runs/quickstart")
    Path("benchmarks").symlink_to(ROOT / "benchmarks")
    for block in blocks("docs/judging.md"):
        if block.name:
            Path(block.name).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            check_output(block.output, run_program(block.text, {}))
        elif block.language == "bash":
            capsys.readouterr()
            for line in block.text.splitlines():
                words = shlex.split(line)
                assert words[:3] == COMMAND and main(words[3:]) == 0, line
            if block.output is not None:
                check_output(block.output, capsys.readouterr().out)


@pytest.mark.parametrize("page", PAGES)
def test_the_marks_are_explained_as_the_page_explains_them(page: str) -> None:
    template = (ROOT / "tfchat_hf/judging/sheet_page.html").read_text(encoding="utf-8")
    for mark, means, _ in tables(page, MARKS):
        name = {"2": "two", "1": "one", "0": "zero"}[mark]
        said = [
            text.rstrip(".。") for text in re.findall(rf'^    {name}: "(.*)",$', template, re.M)
        ]
        assert means in said
