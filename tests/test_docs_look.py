# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The chapter that follows a sentence through a model: its commands run and print what is shown.

The model is the one that comes with this package. A ```text block right below a command or a
program is its output, as in tests/test_docs.py.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from data_builders.translation import spoken_language, use_language
from tests.test_docs import SUFFIXES, blocks, check_output, run_program
from tfchat_hf.look.__main__ import main
from tfchat_hf.look.page import texts

PAGES = [f"docs/look{suffix}" for suffix in SUFFIXES]
LANGUAGES = dict(zip(PAGES, ("en", "zh"), strict=True))


@pytest.fixture()
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = spoken_language()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    use_language(before)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_page_can_be_followed_from_top_to_bottom(
    page: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_language(LANGUAGES[page])
    for block in blocks(page):
        if block.language == "python":
            check_output(block.output or "", run_program(block.text, {"__name__": "docs"}))
        elif block.language == "bash":
            python, option, module, *arguments = shlex.split(block.text)
            assert (python, option, module) == ("python", "-m", "tfchat_hf.look")
            assert main(arguments) == 0
            check_output(block.output or "", capsys.readouterr().out)
    assert (place / "look.html").is_file()


@pytest.mark.parametrize("page", PAGES)
def test_the_table_has_a_row_for_each_section_of_the_page(page: str) -> None:
    rows = [row for row in Path(page).read_text(encoding="utf-8").splitlines() if row[:1] == "|"]
    titles = [title for name, title in texts()[LANGUAGES[page]]["titles"].items()][:-1]
    assert len(rows) - 2 == len(titles)
    assert Path(page.replace(".md", ".png")).is_file()
