# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The Chinese of what commands show: complete, with the same values in it, chosen by the locale."""

from __future__ import annotations

import ast
import errno
import gettext
import os
import re
from string import Formatter

import pytest

from data_builders import command_line, translation
from data_builders.__main__ import main
from data_builders.errors import UserError
from data_builders.report import RULES, said_note

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


def calls():
    """All calls in both packages: the file, the name of the function, and the call."""
    for path in sorted(path for root in catalogue.SPEAKING for path in root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                yield path, ast.unparse(node.func).rpartition(".")[2], node


def is_put_together(text):
    """Whether a text is no literal: it cannot be in the catalogue."""
    parts = list(ast.walk(text))
    formatted = any(isinstance(one, ast.Attribute) and one.attr == "format" for one in parts)
    in_pieces = isinstance(text, ast.BinOp) or any(isinstance(one, ast.JoinedStr) for one in parts)
    return formatted or in_pieces


def test_what_is_looked_up_is_a_literal():
    takes = catalogue.TAKING | {"counted_text"}
    lines = [
        f"{path.name}:{call.lineno}"
        for path, name, call in calls()
        if name in takes and is_put_together(call.args[0])
    ]
    assert lines == []


def test_what_is_said_at_once_is_looked_up():
    lines = [
        f"{path.name}:{call.lineno}"
        for path, name, call in calls()
        if name in ("say", "tell") and isinstance(call.func, ast.Name)
        for part in getattr(call.args[0], "values", [call.args[0]])
        if isinstance(part, ast.Constant) and re.search(r"[A-Za-z]{2} |[A-Za-z]{4}", part.value)
    ]
    assert lines == []


def test_every_note_that_names_something_has_its_chinese():
    translation.use_language("zh")
    for _path, name, call in calls():
        if name == "note" and isinstance(call.args[0], ast.JoinedStr):
            parts = call.args[0].values
            told = [p.value if isinstance(p, ast.Constant) else "a lines 1 to 2" for p in parts]
            assert said_note("".join(told)) != "".join(told)


def test_no_two_rules_have_one_name_in_chinese():
    with translation.speaking("zh"):
        names = [translation._(rule) for rule in RULES]
    assert len(set(names)) == len(RULES)


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "build chat.tsv --encoding klingon",
            "错误：`encoding` 必须是 Python 认得的编码（现在是 'klingon'）。"
            "可以写 utf-8、gb18030、utf-16 或 latin-1，也可以去掉它。",
        ),
        (
            "csv chat.csv --delimiter ;;",
            "错误：`delimiter` 必须是引号以外的一个字符（现在是 ';;'）。"
            "请用逗号，或去掉它让程序判断。",
        ),
        (
            "build chat.rar",
            "错误：chat.rar：不能读 RAR 文件。请先解压。",
        ),
        (
            "mix twice.yaml",
            "错误：twice.yaml:3：第 2 个来源写了 chat.csv，而第 1 个来源也写了它。"
            "请只写一次；它的对话写几遍由 `weight` 决定。",
        ),
    ],
)
def test_the_data_builders_say_in_chinese_what_is_wrong(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chat.tsv").write_text("你好吗？\t我很好。\n" * 9, encoding="utf-8")
    (tmp_path / "chat.csv").write_text("question,reply\n你好,嗯\n", encoding="utf-8")
    (tmp_path / "chat.rar").write_bytes(b"Rar!\x1a\x07")
    one = "  - {format: csv, files: chat.csv}\n"
    (tmp_path / "twice.yaml").write_text("sources:\n" + 2 * one, encoding="utf-8")
    translation.use_language("zh")
    assert main([*words.split(), "--output", "out", "--cache-dir", "cache"]) == 2
    assert capsys.readouterr().err == said + "\n"


def test_a_build_and_what_it_passes_over_are_told_in_chinese(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chats").mkdir()
    lines = [f"你好吗，第{n}位？\t我很好，第{n}位。\n" for n in range(60)]
    (tmp_path / "chats/chat.tsv").write_text("".join(lines), encoding="gb18030")
    (tmp_path / "chats/old.rar").write_bytes(b"Rar!\x1a\x07")
    translation.use_language("zh")
    options = ["--output", "out", "--cache-dir", "cache", "--workers", "1"]
    assert main(["build", "chats", *options]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == [
        "chat.tsv：格式 separated，separator '\\t'（制表符把行分成两半），按 gb18030 读取",
        "old.rar：跳过，不能读 RAR 文件。请先解压",
    ]
    assert told[-1] == "已写入 out"
    assert not any(re.search("[a-z]{3} [a-z]{3}", line) for line in told)
