# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What looks like a question and its answer among lines that only follow each other."""

from __future__ import annotations

import pytest

from data_builders.__main__ import main
from data_builders.selecting.pair_texts import (
    FOREIGN_NAME,
    NO_QUESTION,
    NOT_SHORT,
    REPLY_ASKS,
    broken_rule,
)
from tests.data_builders.memory_corpus import build, raw


@pytest.mark.parametrize(
    ("question", "answer", "rule"),
    [
        ("你去哪儿？", "回家。", ""),
        ("你冷吗", "有一点", ""),
        ("“你冷吗？”", "有一点", ""),
        ("Where are you going?", "Home, I think.", ""),
        ("我要回家了。", "路上小心。", NO_QUESTION),
        ("为什么这么说", "因为下雨", NO_QUESTION),
        ("I am going home.", "Take care.", NO_QUESTION),
        ("你去哪儿？", "你问这个干什么？", REPLY_ASKS),
        ("你去哪儿？", "为什么要告诉你", REPLY_ASKS),
        ("你去哪儿？", "走吧", REPLY_ASKS),
        ("Where are you going?", "Why do you ask?", REPLY_ASKS),
        ("你去哪儿？", "我" * 12, ""),
        ("你去哪儿？", "我" * 13, NOT_SHORT),
        ("我" * 25 + "？", "好", ""),
        ("我" * 26 + "？", "好", NOT_SHORT),
        ("Are you sure?", " ".join(["so"] * 13), NOT_SHORT),
        ("你看见 Bob 了吗？", "没看见", FOREIGN_NAME),
        ("Did you see Bob?", "No, I saw Ann.", ""),
    ],
)
def test_a_pair_breaks_the_first_rule_that_it_breaks(question, answer, rule):
    assert broken_rule(question, answer) == rule


def test_rows_with_roles_are_judged_by_their_replies_alone():
    talk = ["你好？", "今天想聊什么？", "天气", "外面冷吗？", "很冷。"]
    roles = ("assistant", "user", "assistant", "user", "assistant")
    built = build([raw(*talk, roles=roles)], validation_fraction=0.0, asking=(0,))
    assert [row["turns"] for row in built.rows["train"]] == [talk]
    assert not built.report.pairs_dropped


def test_it_is_an_option_of_every_format_of_files(tmp_path, capsys):
    film = tmp_path / "film.conv"
    film.write_text("E\nM 天黑了\nM 几点了？\nM 八点\nM 走路回去\n", encoding="utf-8")
    shared = ["--cache-dir", str(tmp_path / "cache"), "--questions-only"]
    for command in (["build"], ["conv"], ["build", "--format", "conv"]):
        output = ["--output", str(tmp_path / "-".join(command))]
        assert main([*command, str(film), *output, *shared]) == 0
        said = capsys.readouterr().out
        assert "1 dialogue kept" in said and "pairs left out: no question 2" in said
