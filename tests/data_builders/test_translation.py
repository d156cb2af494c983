# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The Chinese of what commands show: complete, with the same values in it, chosen by the locale."""

from __future__ import annotations

import errno
import gettext
import os
import re
from string import Formatter

import pytest

from data_builders import command_line, translation
from data_builders.errors import UserError

catalogue = pytest.importorskip("tests.catalogue", reason="needs the extra dev")

_PERCENT = re.compile(r"%\([a-z_]+\)[sdr]|%[sdr]")


def texts(message):
    """A text and its Chinese, or a singular and a plural and theirs, in pairs."""
    if isinstance(message.id, str):
        return [(message.id, message.string)]
    return [(one, message.string[0]) for one in message.id]


def places(text):
    """The names of the values in a text, in both of the ways to write them."""
    try:
        braces = {field for _, field, _, _ in Formatter().parse(text) if field}
    except ValueError:  # braces that are only braces
        braces = set()
    return braces | set(_PERCENT.findall(text))


def test_every_text_of_the_code_has_its_chinese_and_no_other_is_kept():
    kept = catalogue.read_catalogue()
    assert {m.id for m in kept} == {m.id for m in catalogue.texts_of_the_code()}
    assert [m.id for m in kept if catalogue.lacks_chinese(m)] == []


def test_the_chinese_has_the_same_values_in_it():
    different = [
        (text, chinese)
        for message in catalogue.read_catalogue()
        if message.id
        for text, chinese in texts(message)
        if places(text) - {"number"} != places(chinese) - {"number"}
    ]
    assert different == []


def test_what_is_read_is_what_is_written():
    with catalogue.MO.open("rb") as file:
        read = gettext.GNUTranslations(file)
    for message in catalogue.read_catalogue():
        if isinstance(message.id, str):
            assert read.gettext(message.id) == message.string
        else:
            assert read.ngettext(*message.id, 2) == message.string[0]


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.Big5"}, "zh"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_the_locale_chooses_the_language(environment, language):
    assert translation.language_of(environment) == language


def test_values_stand_where_the_chinese_has_them():
    translation.use_language("zh")
    assert translation._("there is no command `{name}`.", name="x{y}") == "没有命令 `x{y}`。"
    assert translation._("no such text {in} the catalogue") == "no such text {in} the catalogue"


@pytest.mark.parametrize("words", [["--language", "zh", "--nam"], ["--nam", "--language=zh"]])
def test_the_option_speaks_first_wherever_it_stands(words, capsys):
    parser = command_line.CommandParser(speaks=True)
    parser.add_argument("--name", help="folder of a finished run")
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert capsys.readouterr().err == "错误：没有选项 `--nam`。你是不是想写 `--name`？\n"


def test_the_language_is_no_setting_of_the_command():
    parser = command_line.CommandParser(speaks=True)
    assert vars(parser.parse_args(["--language", "zh"])) == vars(parser.parse_args([])) == {}


def test_help_is_in_the_language_that_was_asked_for(capsys):
    translation.use_language("zh")
    parser = command_line.CommandParser(speaks=True)
    with pytest.raises(SystemExit):
        parser.parse_args(["--help", "--language", "en"])
    assert "show this help" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        parser.parse_args(["--help", "--language", "zh"])
    shown = capsys.readouterr().out
    assert "用法" in shown and "show" not in shown


def test_a_language_that_is_not_spoken_is_refused():
    with pytest.raises(UserError, match="must be one of en, zh"):
        command_line.without_language(["--language", "fr"])


def test_a_message_after_two_dashes_chooses_nothing():
    assert command_line.without_language(["--", "--language", "zh"]) == ["--", "--language", "zh"]


def test_what_code_without_the_catalogue_says_is_said_again():
    rules = ["there is no option `{name}`.", "there is no command `{name}`."]
    translation.use_language("zh")
    assert translation.retold("there is no command `x.y`.", rules) == "没有命令 `x.y`。"
    assert translation.retold("there is nothing.", rules) == "there is nothing."
    translation.use_language("en")
    assert translation.retold("there is no command `x`.", rules) == "there is no command `x`."


def test_reasons_of_the_system_are_said_where_they_are_known():
    translation.use_language("zh")
    for number, said in ((errno.ENOSPC, "磁盘已满"), (errno.EXDEV, os.strerror(errno.EXDEV))):
        assert translation.reason_of(OSError(number, os.strerror(number))) == said
    assert translation.reason_of(OSError("of a library")) == "of a library"


def test_a_language_is_spoken_for_a_while():
    with pytest.raises(RuntimeError), translation.speaking("zh"):
        assert translation.listed(["一", "二"]) == "一，二"
        raise RuntimeError
    assert translation.listed(["1", "2"]) == "1, 2"
