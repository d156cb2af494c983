# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The help of a command in Chinese: all of it, and no wider than the terminal."""

from __future__ import annotations

import importlib
import re

import pytest

from data_builders.commands.options import make_parser
from data_builders.translation import use_language
from data_builders.widths import display_width

COMMANDS = [
    "chat.command",
    "compare.__main__",
    "convert.__main__",
    "engines.export",
    "engines.javascript_tokenizer",
    "judging.__main__",
    "judging.__main__ relevance",
    "judging.__main__ scores",
    "judging.__main__ sheet",
    "memory.__main__",
    "memory.__main__ ask",
    "memory.__main__ build",
    "pretrained.__main__",
]


def has_english(shown):
    """Whether words follow each other that are of no command."""
    told = "\n".join(line for line in shown.splitlines() if "python" not in line)
    return re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", told)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_all_chinese_and_fits(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    module, *words = command.split()
    main = importlib.import_module(f"tfchat_hf.{module}").main
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help", "--language", "zh"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0 and shown.startswith("用法：")
    assert not has_english(shown)
    options = shown[shown.index("选项:") :]
    assert max(map(display_width, options.splitlines())) <= 60


@pytest.mark.parametrize("command", ["", "build", "separated", "hub", "inspect", "weigh", "push"])
def test_help_of_the_data_builders_is_all_chinese(command, capsys):
    use_language("zh")
    with pytest.raises(SystemExit):
        make_parser().parse_args([*command.split(), "--help"])
    shown = capsys.readouterr().out
    assert shown.startswith("用法：") and not has_english(shown[shown.index("选项:") :])
