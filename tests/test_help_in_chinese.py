# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The help of a command in Chinese: all of it, and no wider than the terminal."""

from __future__ import annotations

import importlib
import re

import pytest

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


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_all_chinese_and_fits(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    module, *words = command.split()
    main = importlib.import_module(f"tfchat_hf.{module}").main
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help", "--language", "zh"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0 and shown.startswith("用法：")
    told = "\n".join(line for line in shown.splitlines() if "python" not in line)
    assert not re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", told)
    options = shown[shown.index("选项:") :]
    assert max(map(display_width, options.splitlines())) <= 60
