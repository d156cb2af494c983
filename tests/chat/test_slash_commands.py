# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Commands by their Chinese names, and a talk in Chinese that lines up in a narrow terminal too."""

from __future__ import annotations

import io
import re

import pytest

from data_builders.translation import use_language
from data_builders.widths import display_width
from tfchat_hf.chat.settings import SETTINGS
from tfchat_hf.chat.slash_commands import CHINESE_NAMES, help_text, read_command
from tfchat_hf.chat.terminal import Terminal, run_terminal, welcome

HANZI = re.compile("[\u4e00-\u9fff]")


@pytest.fixture
def terminal(session):
    out = io.StringIO()
    return Terminal(session, out, out)


def shown(terminal, *lines):
    """What commands show."""
    terminal.out.truncate(0)
    terminal.out.seek(0)
    for line in lines:
        terminal.command(line)
    return terminal.out.getvalue()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_both_names_of_a_command_do_the_same_in_both_languages(terminal, language):
    use_language(language)
    for chinese, english in CHINESE_NAMES.items():
        assert shown(terminal, chinese) == shown(terminal, english)
    assert terminal.done, "/退出"


def test_values_may_be_chinese_words(terminal):
    terminal.command("/设置 do_sample 开")
    assert terminal.session.settings.value("do_sample") is True
    terminal.command("／设置　do_sample　默认")
    assert not terminal.session.settings.chosen


def test_help_names_every_command_in_the_language_that_is_spoken():
    english = help_text()
    assert all(name in english for name in CHINESE_NAMES.values())
    assert not HANZI.search(english)
    use_language("zh")
    listed = [line.split()[0] for line in help_text().splitlines() if line.startswith("/")]
    assert set(listed) == set(CHINESE_NAMES)
    assert all(read_command(name)[0] in english for name in listed)


def test_an_unknown_command_is_told_which_there_are(terminal):
    assert "/help, /reset" in shown(terminal, "/nothing")
    use_language("zh")
    assert "没有命令 /nothing。可用的命令：/帮助，/重置" in shown(terminal, "/nothing")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("columns", [40, 80])
def test_no_line_of_a_table_is_wider_than_the_terminal(terminal, monkeypatch, language, columns):
    use_language(language)
    monkeypatch.setenv("COLUMNS", str(columns))
    for command in ("/help", "/set", "/presets"):
        lines = shown(terminal, command).splitlines()
        assert max(map(display_width, lines)) <= columns


def test_chinese_tables_line_up(terminal, monkeypatch):
    use_language("zh")
    monkeypatch.setenv("COLUMNS", "80")
    lines = shown(terminal, "/设置").splitlines()
    places = {
        display_width(line[: line.index(allowed)])
        for line, allowed in zip(
            lines, (terminal.session.settings.describe(name)[1] for name in SETTINGS), strict=True
        )
    }
    assert len(places) == 1


def test_a_talk_in_chinese_has_no_english_sentence(terminal):
    use_language("zh")
    terminal.say(welcome(terminal.session))
    terminal.session._generate_in_thread = lambda ids: iter(())
    terminal.answer("你好")
    talk = terminal.out.getvalue()
    talk += shown(terminal, "/历史", "/设置 temperature 0", "/设置 seed 默认", "/预设")
    talk += shown(terminal, "/为什么", "/记忆", "/重置", "/什么")
    assert "模型> （模型没有回复）" in talk and "你> 你好" in talk
    assert not re.search(r"[a-z]{3,}[ ,]+[a-z]{2,} [a-z]{2,}", talk)


def test_the_prompt_is_chinese(session, monkeypatch, capsys):
    use_language("zh")
    prompts = []
    monkeypatch.setattr("builtins.input", lambda prompt: prompts.append(prompt) or "/退出")
    assert run_terminal(session, keep_lines=False) == 0
    assert prompts == ["你> "]
    assert "直接输入就能聊；/帮助 列出命令，/退出 离开。" in capsys.readouterr().out
