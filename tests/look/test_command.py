# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The command that follows one sentence: what it prints, writes and refuses."""

from __future__ import annotations

import re

import pytest

from data_builders.output.terminal import display_width
from tests.finished_run import finished_run
from tfchat_hf.look.__main__ import main
from tfchat_hf.look.page import texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(finished_run(tmp_path_factory.mktemp("run"), encoder_layers=1))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_terminal_of_80_columns_shows_every_section(language, folder, capsys):
    question = "今天天气很好，Hello，你好你好你好世界，how are you today?"
    assert main([folder, question, "--language", language, "--preset", "balanced"]) == 0
    printed = capsys.readouterr().out
    titles = texts()[language]["titles"]
    places = [
        printed.index(f"── {title} ─") for name, title in titles.items() if name != "comparison"
    ]
    assert places == sorted(places) and len(places) == 10
    lines = printed.splitlines()
    assert max(map(display_width, lines)) <= 80 and not re.search(r"{[a-z]+}", printed)
    assert all(line == line.rstrip() for line in lines)


def test_what_has_no_room_is_said(folder, capsys):
    said = texts()["en"]
    assert main([folder, "你好" * 90, "--reply", "世界" * 90]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert said["more"] in lines and re.search(r"^The first \d+ tokens of the question", lines[6])
    assert main([folder, "你好", "--reply", "世界"]) == 0
    assert said["more"] not in capsys.readouterr().out


def test_nothing_in_a_sentence_steers_the_terminal(folder, capsys):
    assert main([folder, "你好\x1b[2J\t\x07", "--reply", "a\x1b[31m"]) == 0
    printed = capsys.readouterr().out
    assert all(character.isprintable() or character == "\n" for character in printed)


def test_a_given_reply_is_weighed_and_not_made(folder, capsys):
    assert main([folder, "你好", "--reply", "今天很好", "--language", "en"]) == 0
    printed = capsys.readouterr().out
    assert "given reply" in printed
    rows = re.findall(r"^  (\S+) +#\d+ +[\d.<]+%", printed, flags=re.M)
    assert "".join(rows) == "今天很好</s>"


def test_two_models_come_one_after_the_other_and_then_side_by_side(folder, tmp_path, capsys):
    page = tmp_path / "look.html"
    assert main([folder, "你好", "--compare", folder, "--language", "zh", "--html", str(page)]) == 0
    said = capsys.readouterr()
    assert said.out.count("一句话走过网络") == 2 and "两个模型有何不同" in said.out
    assert f"已写好：{page}" in said.err and page.stat().st_size > 50_000


def test_without_a_model_the_quickstart_or_the_one_in_the_package_answers(
    folder, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tfchat_hf.pretrained.SMALL_TALK", folder)
    assert main(["你好", "--language", "en"]) == 0
    assert capsys.readouterr().err.startswith(f"Loading {folder} ...")


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ([], "a model and one sentence.*got 0 words"),
        (["FOLDER", "你好", "再见"], "got 3 words"),
        (["FOLDER"], "a sentence beside .*got none"),
        (["FOLDER", "  "], "a model and one sentence"),
        (["runs/nowhere", "你好"], "no model folder runs/nowhere"),
        (["FOLDER", "你好", "--compare", "runs/nowhere"], "no model folder runs/nowhere"),
        (["FOLDER", "你好", "--preset", "blanced"], "no preset 'blanced'.*balanced"),
        (["FOLDER", "你好", "--html", "away/look.html"], "`--html`.*got away/look.html"),
        (["FOLDER", "你好", "--scheme", "char"], "`--scheme` goes with the option `--tokens`"),
        (["FOLDER", "a\udce4"], "Unicode"),
        (["FOLDER", "你好", "--reply", "长" * 1001], "at most 1,000"),
    ],
)
def test_mistakes_are_explained_in_one_line(order, says, folder, capsys):
    assert main([folder if word == "FOLDER" else word for word in order]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and re.search(says, line)
