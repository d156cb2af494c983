# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the reader of KdConv promises: what was said, without the facts."""

from __future__ import annotations

import json

import pytest

from data_builders.formats.kdconv import KdConvCorpus, parse_knowledge_dialogue
from data_builders.formats.messages import MessagesCorpus
from data_builders.report import RowError
from tests.data_builders.formats.json_rows import (
    deep,
    sample,
)


def talk(*said: str) -> dict:
    return {"messages": [{"message": text} for text in said], "name": "湖"}


def test_the_facts_are_left_out_and_said_so(read):
    rows = [talk("知道《湖》吗？", "知道。"), talk("Old?", "Yes.", "Good?")]
    rows[0]["messages"][1]["attrs"] = [{"name": "湖", "attrname": "年份", "attrvalue": "1998"}]
    dialogues, report = read(KdConvCorpus, json.dumps(rows, indent=2), name="film.json")
    assert [d.turns for d in dialogues] == [("知道《湖》吗？", "知道。"), ("Old?", "Yes.", "Good?")]
    assert all(d.roles == () for d in dialogues)
    assert report.notes == {"dialogues whose annotation was left out": 1}


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (["x"], "not an object"),
        ({"name": "x"}, "missing field"),
        ({"messages": "x"}, "not a list"),
        ({"messages": ["x", "y"]}, "not an object"),
        ({"messages": [{"attrs": []}]}, "missing field"),
        (talk("x"), "fewer than two turns"),
        (talk("x", " "), "empty text"),
        ({"messages": [{"message": "x"}, {"message": 3}]}, "not a string"),
    ],
)
def test_what_breaks_a_rule_is_rejected(row, rule):
    with pytest.raises(RowError) as error:
        parse_knowledge_dialogue(row)
    assert error.value.rule == rule


def test_values_too_deep_to_be_shown_are_rejected_all_the_same():
    for row in (deep(), {"messages": deep()}, {"messages": [{"message": deep()}] * 2}):
        with pytest.raises(RowError):
            parse_knowledge_dialogue(row)


def test_it_is_told_from_other_messages():
    assert KdConvCorpus.resembles(sample([talk("a", "b")])).score >= 0.9
    assert MessagesCorpus.resembles(sample([talk("a", "b")])) is None
    rows = [{"messages": [{"role": "user", "message": "a"}, {"role": "bot", "message": "b"}]}]
    assert KdConvCorpus.resembles(sample(rows)) is None
    assert MessagesCorpus.resembles(sample(rows)).score >= 0.9
    assert KdConvCorpus.resembles(sample([])) is None
