# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a person sees: the greeting, commands however they are typed, and nothing that steers."""

from __future__ import annotations

import io
import json

import pytest

from tfchat_hf.chat import terminal as chat_terminal
from tfchat_hf.chat.slash_commands import is_command
from tfchat_hf.chat.terminal import Terminal, welcome


@pytest.fixture
def terminal(session):
    out = io.StringIO()
    return Terminal(session, out, out)


def test_the_greeting_speaks_of_this_model(session, tmp_path):
    assert "Trained" not in welcome(session) and "tiny" in welcome(session)
    session.name = str(tmp_path)
    (tmp_path / "metrics.json").write_text("[]", "utf-8")
    assert "Trained" not in welcome(session)
    data = {"train": {"pairs": 1234}, "languages": ["zh"]}
    (tmp_path / "metrics.json").write_text(json.dumps({"data": data}), "utf-8")
    assert "Trained on 1,234 pairs of question and reply (zh)." in welcome(session)


def test_a_large_model_is_not_told_to_remember_its_corpus(session, monkeypatch):
    assert "mostly remembers its corpus" in welcome(session)
    monkeypatch.setattr(chat_terminal, "SMALL", 1)
    assert "remembers" not in welcome(session)


def test_wide_letters_of_a_chinese_keyboard_are_commands(terminal):
    assert is_command("／ｓｅｔ") and is_command("/set") and not is_command(" /set")
    assert not is_command("/usr/bin\n/usr/lib"), "pasted lines are a message"
    terminal.command("／ｓｅｔ　ｔｏｐ＿ｐ　０.５")
    assert terminal.session.settings.value("top_p") == 0.5


def test_what_a_setting_turns_on_is_said(terminal):
    terminal.command("/set temperature 0.7")
    terminal.command("/set temperature 0.8")
    assert terminal.out.getvalue().count("do_sample = true") == 1


def test_an_empty_reply_is_shown_and_stands_in_the_history(terminal):
    terminal.session._generate_in_thread = lambda ids: iter(())
    terminal.answer("你好")
    terminal.command("/history")
    assert "(the model has no reply)" in terminal.out.getvalue()
    assert "you> 你好\nmodel> (no reply)\n" in terminal.out.getvalue()


def test_no_name_and_no_turn_steers_the_terminal(terminal):
    terminal.session.name = "a\x1b]0;b\x07\u202e"
    terminal.session.history[:] = ["q\x1b[31m", "r\u202e"]
    terminal.say(welcome(terminal.session))
    terminal.command("/history")
    assert not {"\x1b", "\x07", "\u202e"} & set(terminal.out.getvalue())


def test_a_failed_reply_is_told_whole(terminal):
    def fail(ids):
        raise RuntimeError("first line\nthe reason")
        yield

    terminal.session._generate_in_thread = fail
    terminal.answer("你好")
    assert "This reply failed: first line the reason" in terminal.out.getvalue()
    assert terminal.session.history == []
