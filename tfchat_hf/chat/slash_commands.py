# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The commands of a talk: what they are called in both languages, and the text of `/help`."""

from __future__ import annotations

import unicodedata

from data_builders.translation import _, listed, marked, spoken_language

from ..text.console import paragraph, two_columns

# Both names always work; help shows those of the language that is spoken.
CHINESE_NAMES = {
    "/帮助": "/help",
    "/重置": "/reset",
    "/设置": "/set",
    "/预设": "/presets",
    "/历史": "/history",
    "/为什么": "/why",
    "/记忆": "/memory",
    "/退出": "/exit",
}
_HELP = (
    (
        marked("/set NAME VALUE"),
        marked("change how replies are made, e.g. /set temperature 0.7; VALUE may be default"),
    ),
    (marked("/set"), marked("show all settings; /set NAME says what one does")),
    (marked("/presets"), marked("show named sets of settings; /set preset NAME chooses one")),
    (marked("/history"), marked("show what has been said")),
    (marked("/why"), marked("say where the last reply came from")),
    (
        marked("/memory on|off"),
        marked("answer from the model's memory of its corpus, or in its own words only"),
    ),
    (marked("/reset"), marked("forget it")),
    (marked("/help"), marked("this text")),
    (marked("/exit"), marked("leave (also /quit, Ctrl-D)")),
)


def is_command(line: str) -> bool:
    """Tell a command from a message: one line with a slash, which a Chinese keyboard makes wide."""
    return line[:1] in ("/", "\uff0f") and "\n" not in line


def read_command(line: str) -> tuple[str, list[str]]:
    """Split a line that `is_command` into the English name of its command and the words after."""
    name, *arguments = unicodedata.normalize("NFKC", line).split()
    return CHINESE_NAMES.get(name, name.lower()), arguments


def known_commands() -> str:
    """List the commands in the language of the user."""
    english = dict.fromkeys(CHINESE_NAMES.values())
    return listed(CHINESE_NAMES if spoken_language() == "zh" else english)


def help_text() -> str:
    """Say what each command does, and what else can be done at the keyboard."""
    rows = [(_(name), _(about)) for name, about in _HELP]
    more = _(
        "Ctrl-C stops a reply. Lines that are pasted together are one message. To send a "
        "message that begins with /, put a blank before it."
    )
    return f"{two_columns(rows)}\n{paragraph(more)}"
