# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the reader of C3 promises: what was said, without speakers and exam questions."""

from __future__ import annotations

import json

import pytest

from data_builders.formats.c3 import C3Corpus, split_speaker
from data_builders.report import BuildReport, RowError
from tests.data_builders.formats.json_rows import (
    beginning,
    deep,
    sample,
)

ASKED = [{"question": "他们在哪儿?", "choice": ["船上", "车上"], "answer": "船上"}]


def test_speakers_and_exam_questions_are_left_out(read):
    rows = [[["女：船开了吗?", "男：刚开。"], ASKED * 2, "1-1"]]
    dialogues, report = read(C3Corpus, json.dumps(rows, indent=1), name="d.json")
    assert [d.turns for d in dialogues] == [("船开了吗?", "刚开。")]
    assert dialogues[0].roles == ()
    assert report.notes == {"exam questions left out": 2}


@pytest.mark.parametrize(
    ("line", "speaker", "text"),
    [
        ("男：你好。", "男", "你好。"),
        ("  女 : 你好。", "女", "你好。"),
        ("船长：出发！", "船长", "出发！"),
        ("A: Hello.", "A", "Hello."),
        ("现在12:30了。", None, "现在12:30了。"),
        ("他来了，说：好。", None, "他来了，说：好。"),
        ("没有说话人。", None, "没有说话人。"),
    ],
)
def test_the_speaker_is_what_stands_before_the_first_colon(line, speaker, text):
    assert split_speaker(line) == (speaker, text)


def test_lines_of_one_speaker_are_joined(read):
    lines = ["女：第一句。", "女：第二句。", "还有一句。", "男：好。"]
    dialogues, report = read(C3Corpus, json.dumps([[lines, [], "1"]]))
    assert [d.turns for d in dialogues] == [("第一句。\n第二句。\n还有一句。", "好。")]
    assert report.notes["lines joined to the one before, of the same speaker"] == 2


def test_a_line_before_the_first_speaker_is_left_out_and_counted(read):
    dialogues, report = read(
        C3Corpus, json.dumps([[["在船上。", "女：冷吗？", "男：不。"], [], "1"]])
    )
    assert [d.turns for d in dialogues] == [("冷吗？", "不。")]
    assert report.notes["lines before the first speaker left out"] == 1


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ([["从前有一条船，走得很慢。"], ASKED, "m1"], "fewer than two turns"),
        ([["第一段。", "第二段。"], ASKED, "m2"], "fewer than two turns"),
        ([["女：一。", "女：二。"], ASKED, "d"], "fewer than two turns"),
        ([[], ASKED, "d"], "fewer than two turns"),
        ([["女：", "男：好。"], ASKED, "d"], "empty text"),
        ([["女：好。", 3], ASKED, "d"], "not a string"),
        (["女：好。", "男：好。"], "missing field"),
        ({"a": 1}, "missing field"),
    ],
)
def test_what_is_no_dialogue_is_rejected_alone(read, row, rule):
    good = [["女：冷吗？", "男：不。"], ASKED, "1"]
    dialogues, report = read(C3Corpus, json.dumps([good, row]))
    assert [d.turns for d in dialogues] == [("冷吗？", "不。")]
    assert report.rejected == {rule: 1}


def test_values_too_deep_to_be_shown_are_rejected_all_the_same():
    with pytest.raises(RowError):
        split_speaker(deep())


def test_it_is_recognised_by_its_three_parts():
    row = [["女：好。", "男：好。"], ASKED, "1"]
    assert C3Corpus.resembles(sample([row, row])).score >= 0.9
    for other in (["a", "b"], [["a"], ["b"], "c"], {"a": 1}, []):
        assert C3Corpus.resembles(sample([other])) is None
    assert C3Corpus.resembles(sample([])) is None


def test_the_training_file_is_read_whole(shared_data):
    path = shared_data / "zh_multiturn" / "c3-d-train.json.gz"
    report = BuildReport()
    config = C3Corpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    found = list(C3Corpus.read_sources(config, report))
    assert len(found) == 4_885 and not report.rejected
    joined = report.notes["lines joined to the one before, of the same speaker"]
    assert sum(len(d.turns) for d in found) + joined == 15_268
    assert not any("：" in turn[:3] for d in found for turn in d.turns)
    assert C3Corpus.resembles(beginning(path)).score >= 0.9
