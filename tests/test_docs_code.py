# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The map of the code agrees with the code, in both languages, and its commands run."""

from __future__ import annotations

import io
import re
import shlex
import sys
import threading
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from tests.code_lines import PAGES, ROOT, ROW, SUM, lines_of, minutes, renewed
from tests.finished_run import finished_run
from tests.test_docs import blocks
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.chat.session import load_session
from tfchat_hf.chat.terminal import Terminal
from tfchat_hf.look.__main__ import main
from tfchat_hf.look.network_picture import draw_network
from tfchat_hf.look.structure import Structure
from tfchat_hf.settings.parsing import parse_arguments

TEXTS = [page.read_text(encoding="utf-8") for page in PAGES]
# A file may grow a little before the page is wrong.
SLACK = 20
# What stands behind a name in the last table.
NAMED = re.compile(r"\[`(\w+)`\]\(\.\./(\S+?\.py)\)")


@pytest.mark.parametrize("text", TEXTS, ids=[page.name for page in PAGES])
def test_files_are_as_long_as_the_page_says(text: str) -> None:
    rows = ROW.findall(text)
    assert len(rows) > 20
    for name, path, lines, time, _ in rows:
        assert Path(path).name == name
        assert abs(int(lines) - lines_of(path)) < SLACK, f"{path}: run python -m tests.code_lines"
        assert int(time) == minutes(int(lines))


def test_tables_add_up_and_both_languages_agree() -> None:
    for text in TEXTS:
        for section in text.split("\n## ")[1:]:
            lines = [int(row[2]) for row in ROW.findall(section)]
            for _, total, time in SUM.findall(section):
                assert (int(total), int(time)) == (sum(lines), minutes(sum(lines)))
    english, chinese = ([row[:4] for row in ROW.findall(text)] for text in TEXTS)
    assert english == chinese
    assert NAMED.findall(TEXTS[0]) == NAMED.findall(TEXTS[1])
    commands = [[block.text for block in blocks(f"docs/{page.name}")] for page in PAGES]
    assert commands[0] == commands[1] and len(commands[0]) == 3


def test_renewing_puts_numbers_right_and_changes_nothing_else() -> None:
    (name, path, lines, time, _) = ROW.findall(TEXTS[0])[0]
    wrong = TEXTS[0].replace(f"| {lines} | {time} |", "| 7 | 9 |", 1)
    assert wrong != TEXTS[0] and renewed(wrong) == renewed(TEXTS[0])
    assert re.sub(r"\d+", "", renewed(TEXTS[0])) == re.sub(r"\d+", "", TEXTS[0])


@pytest.mark.parametrize("text", TEXTS, ids=[page.name for page in PAGES])
def test_what_one_looks_for_is_there(text: str) -> None:
    named = NAMED.findall(text)
    assert len(named) > 15
    for name, path in named:
        code = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^ *(def|class) {name}\b", code, flags=re.M), f"{name} in {path}"


def test_the_readmes_say_the_minutes_of_the_map() -> None:
    _, network, reply, *_ = (int(time) for _, _, time in SUM.findall(TEXTS[0]))
    first = int(SUM.findall(TEXTS[0])[0][2])
    for name in ("README.md", "README.zh-CN.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        section = next(part for part in text.split("\n## ")[1:] if "(docs/code" in part)
        told = [int(number) for number in re.findall(r"(\d+) (?:minutes|分钟)", section)]
        assert told == [network, first + network + reply], name


def test_the_commands_of_the_page_write_their_pictures(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    run = finished_run(tmp_path / "runs", encoder_layers=1, decoder_layers=1)
    run.rename("runs/quickstart")
    for block in blocks("docs/code.md"):
        for line in block.text.splitlines():
            words = shlex.split(line)
            assert words[:3] == ["python", "-m", "tfchat_hf.look"]
            # What an untrained model says is longer than the picture of a reply is wide.
            if "--animation" not in words:
                assert main(words[3:]) == 0, capsys.readouterr().err
    for file in ("network.svg", "layer.svg"):
        ElementTree.parse(tmp_path / file)


@pytest.mark.parametrize(("page", "language"), [("network.svg", "en"), ("network.zh-CN.svg", "zh")])
def test_the_drawing_in_the_docs_is_of_the_quickstart_model(page: str, language: str) -> None:
    run = parse_arguments([str(ROOT / "configs" / "quickstart.yaml")])
    run.model.vocab_size = run.data.vocab_size
    structure = Structure(TFChatForConditionalGeneration(run.model))
    drawn = draw_network(structure, "runs/quickstart", language)
    assert drawn == (ROOT / "docs" / page).read_text(encoding="utf-8"), "make pictures"


def test_files_are_listed_in_the_order_in_which_a_message_meets_them(tmp_path) -> None:
    run = finished_run(tmp_path, encoder_layers=1, decoder_layers=1)
    session = load_session(str(run), "cpu")
    session.settings.set("max_new_tokens", "4")
    met: list[str] = []

    def note(frame: Any, event: str, argument: Any) -> None:
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(str(ROOT / "tfchat_hf")) and path not in met:
            met.append(path)

    terminal = Terminal(session, io.StringIO(), io.StringIO())
    threading.setprofile(note)  # the reply is made in a thread of its own
    sys.setprofile(note)
    try:
        terminal.answer("你好")
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    (section,) = [part for part in TEXTS[0].split("\n## ") if "streaming.py" in part]
    road = [str(ROOT / path) for _, path, *_ in ROW.findall(section)]
    assert [path for path in met if path in road] == road
