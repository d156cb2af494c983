# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The look-up baseline and the sheets for blind readings, worked out by hand."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import look_up  # noqa: E402
import reading  # noqa: E402

PAIRS = [("今天天气怎么样", "我看不见窗外。"), ("吃了吗", "我吃电。"), ("how are you", "Humming.")]


@pytest.fixture(scope="module")
def index():
    return look_up.LookUp(PAIRS)


@pytest.mark.parametrize(
    ("question", "reply"),
    [("天气怎样", "我看不见窗外。"), ("你吃了吗？", "我吃电。"), ("How are you?!", "Humming.")],
)
def test_the_reply_to_the_most_similar_question_is_given(index, question, reply):
    assert index.nearest(question)[0] == reply


def test_the_same_question_has_a_cosine_of_one_and_nothing_in_common_one_of_none(index):
    assert index.nearest("HOW are you")[1] == pytest.approx(1)
    assert index.nearest("龘")[1] == index.nearest("?!")[1] == 0


def test_the_cosine_is_that_of_weights_by_hand():
    # "ab" against "ab" and "ac": grams a, b, ab; a stands in both, so its weight is ln 1 + 1.
    index = look_up.LookUp([("ab", "x"), ("ac", "y")])
    rare = 1 + 0.6931471805599453
    norm = (1 + 2 * rare**2) ** 0.5
    assert index.nearest("a")[1] == pytest.approx(1 / norm)


def test_a_sheet_hides_whose_replies_are_and_shows_equal_ones_once(tmp_path, capsys):
    files = {}
    for name, rows in {
        "questions": [{"question": "你好"}, {"dialogue": ["hi", "Hello!", "why?"]}],
        "a": [{"reply": "你好呀。"}, {"reply": "为什么？"}],
        "b": [{"reply": "你好呀。"}, {"reply": "Because you said hi."}],
    }.items():
        files[name] = tmp_path / f"{name}.jsonl"
        files[name].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    place = ["--sheet", str(tmp_path / "sheet.tsv"), "--key", str(tmp_path / "key.json")]
    replies = ["--replies", f"model={files['a']}", f"look-up={files['b']}"]
    assert reading.main(["sheet", "--questions", str(files["questions"]), *replies, *place]) == 0
    with open(place[1], encoding="utf-8", newline="") as file:
        header, *sheet = csv.reader(file, delimiter="\t")
    assert len(sheet) == 3 and "model" not in Path(place[1]).read_text(encoding="utf-8")

    with pytest.raises(SystemExit, match=r"sheet.tsv:2: the mark must be 0, 1 or 2"):
        reading.main(["table", *place])
    marks = {"你好呀。": "2", "为什么？": "0", "Because you said hi.": "1"}
    with open(place[1], "w", encoding="utf-8", newline="") as file:
        rows = [[marks[row[3]], *row[1:]] for row in sheet]
        csv.writer(file, delimiter="\t").writerows([header, *rows])
    assert reading.main(["table", *place]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "| en | 1, several turns | look-up | 100% (21% to 100%) | 0% | 100% |" in lines
    assert "| en | 1, several turns | model | 0% (0% to 79%) | 0% | 0% |" in lines
    assert "| zh | 1, one turn | model | 100% (21% to 100%) | 100% | 100% |" in lines


def test_as_many_replies_as_questions_are_needed():
    with pytest.raises(SystemExit, match="model: 1 replies to 2 questions"):
        reading.make_sheet([["a"], ["b"]], {"model": ["x"]}, seed=1)


def test_wilsons_interval_is_the_one_of_the_textbook():
    # 10 of 100: 0.0552 to 0.1744 (Brown, Cai and DasGupta, 2001).
    low, high = reading.wilson(0.1, 100)
    assert (round(low, 4), round(high, 4)) == (0.0552, 0.1744)
