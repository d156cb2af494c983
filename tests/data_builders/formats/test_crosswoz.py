# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the reader of CrossWOZ promises: its two roles, and nothing of the annotation."""

from __future__ import annotations

import json

import pytest

from data_builders.formats.crosswoz import CrossWozCorpus, parse_task_dialogue
from data_builders.formats.messages import MessagesCorpus
from data_builders.report import BuildReport, RowError
from tests.data_builders.formats.json_rows import (
    beginning,
    deep,
    sample,
)

BOTH = ("user", "assistant")


def task(*said: str) -> dict:
    roles = ("usr", "sys") * len(said)
    return {
        "goal": [[1, "茶馆", "名称", "", False]],
        "messages": [
            {"content": text, "role": role, "dialog_act": [["Inform", text]]}
            for text, role in zip(said, roles, strict=False)
        ],
        "type": "x",
    }


def test_the_one_called_sys_is_the_assistant(read):
    content = json.dumps({"7": task("找个茶馆。", "湖边有一家。"), "9": task("Thanks.", "Bye.")})
    dialogues, report = read(CrossWozCorpus, content, name="val.json")
    assert [(d.turns, d.roles) for d in dialogues] == [
        (("找个茶馆。", "湖边有一家。"), BOTH),
        (("Thanks.", "Bye."), BOTH),
    ]
    assert report.notes == {"dialogues whose annotation was left out": 2}


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("x", "not an object"),
        ({"goal": []}, "missing field"),
        ({"messages": {}}, "not a list"),
        (task("only a question"), "no reply"),
        ({"messages": [{"role": "gpt", "content": "x"}]}, "unknown role"),
    ],
)
def test_what_breaks_a_rule_is_rejected(row, rule):
    with pytest.raises(RowError) as error:
        parse_task_dialogue(row)
    assert error.value.rule == rule


def test_values_too_deep_to_be_shown_are_rejected_all_the_same():
    for row in (deep(), {"messages": deep()}, {"messages": [{"role": "usr", "content": deep()}]}):
        with pytest.raises(RowError):
            parse_task_dialogue(row)


def test_it_is_told_from_other_messages():
    rows = [task("a", "b", "c")]
    assert CrossWozCorpus.resembles(sample(rows)).score >= 0.9
    assert MessagesCorpus.resembles(sample(rows)) is None
    rows = [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}]
    assert CrossWozCorpus.resembles(sample(rows)) is None
    assert CrossWozCorpus.resembles(sample([])) is None


def test_the_validation_file_is_read_whole(shared_data):
    path = shared_data / "zh_multiturn" / "crosswoz_val.json.gz"
    report = BuildReport()
    config = CrossWozCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    found = list(CrossWozCorpus.read_sources(config, report))
    assert len(found) == 500 and not report.rejected
    assert all(d.roles == BOTH * (len(d.turns) // 2) for d in found)
    assert CrossWozCorpus.resembles(beginning(path)).score >= 0.9
