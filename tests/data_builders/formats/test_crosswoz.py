# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the reader of CrossWOZ promises: its two roles, and nothing of the annotation."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.formats.crosswoz import CrossWozCorpus, parse_task_dialogue
from data_builders.formats.messages import MessagesCorpus
from data_builders.report import BuildReport, RowError
from tests.data_builders.formats.test_messages import (
    beginning,
    deep,
    json_values,
    lines_of,
    one_file,
    sample,
    texts,
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


@one_file
@given(st.lists(st.lists(texts, min_size=2, max_size=5), min_size=1, max_size=3))
def test_dialogues_are_read_back_as_written(read, dialogues):
    content = json.dumps({str(number): task(*said) for number, said in enumerate(dialogues)})
    found, report = read(CrossWozCorpus, content, name="a.json")
    assert not report.rejected
    assert [d.turns for d in found] == [tuple(t.strip() for t in said) for said in dialogues]


@one_file
@given(st.lists(json_values("messages", "role", "content"), min_size=1))
def test_any_json_is_read_or_rejected(read, tmp_path, rows):
    found, report = read(CrossWozCorpus, json.dumps(rows), name="a.json")
    told = {d.line for d in found} | {reject.line for reject in report.rejects}
    assert told == lines_of(tmp_path / "a.json")
    CrossWozCorpus.resembles(sample(rows))


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
