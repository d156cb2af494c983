# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Names of fields: those that the user gives, and those that are well known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data_builders.errors import UserError
from data_builders.formats.registry import FILE_FAMILIES, guess_format
from data_builders.formats.rows import CsvCorpus, RowsConfig, RowsCorpus
from data_builders.reading import sample_of, source_files
from data_builders.report import BuildReport
from data_builders.rows.columns import check_columns, known_columns, unknown_sentence
from data_builders.rows.reader import row_reader
from tests.data_builders.formats.json_rows import in_parquet, read_json, turns


def test_a_list_told_by_columns_makes_the_object_a_row(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text('{"id": 3, "lines": ["在吗？", "在。"], "mood": ["good"]}', encoding="utf-8")
    report, config = BuildReport(), RowsConfig(files=(str(path),), columns={"dialogue": "lines"})
    assert turns(list(RowsCorpus.read_sources(config, report))) == [("在吗？", "在。")]
    assert not report.rejected


def test_the_keys_of_a_refusal_name_what_is_nearest() -> None:
    names = ["question_id", "category", "question", "reference", "replyType"]
    assert "(nearest: question = question)." in unknown_sentence("a.json", names)
    assert "nearest" not in unknown_sentence("a.json", ["question_id", "answer_ids"])


def test_columns_are_named_for_json_too(read: Any) -> None:
    rows = [{"问": {"文": "店开吗？"}, "客服": ["开。", "x"], "id": 1}]
    columns = {"question": "问.文", "reply": "客服.0"}
    assert turns(read_json(read, *rows, columns=columns)[0]) == [("店开吗？", "开。")]
    with pytest.raises(UserError, match="no column 'wer'.*it has 问, 客服, id"):
        read_json(read, *rows, columns={"question": "wer", "reply": "客服"})


def test_columns_decide_the_container_alone(tmp_path: Path) -> None:
    columns = {"question": "said", "reply": "heard"}
    for name, content in (
        ("a.csv", b"said;heard\na;b\n"),
        ("a.json", b'[{"said": "a", "heard": "b"}]'),
        ("a.parquet", in_parquet([{"said": "a", "heard": "b"}])),
    ):
        (tmp_path / name).write_bytes(content)
        beginning = sample_of(next(source_files([str(tmp_path / name)])))
        guess = guess_format(beginning, {"columns": columns})
        family = FILE_FAMILIES[guess.format]
        config = family.BUILDER_CONFIG_CLASS(files=(str(tmp_path / name),), columns=columns)
        assert turns(list(family.read_sources(config, BuildReport()))) == [("a", "b")]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"answer": "a"}, "no part 'answer'"),
        ({"question": "a"}, "question and reply"),
        ({"messages": "a", "reply": "b"}, "messages"),
        ({"question": "a", "reply": ""}, "reply"),
        ({"group": "a"}, "group and text"),
        ("question", "by part"),
    ],
)
def test_columns_that_make_no_dialogue_are_refused(columns: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_columns(columns)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("question,reply", "question = question, reply = reply"),
        ("Question;Answer;source", "question = Question, reply = Answer"),
        ("instruction,input,output", "question = instruction+input, reply = output"),
        ("department,title,ask,answer", "question = ask|title, reply = answer"),
        ("prompt,completion", "question = prompt, reply = completion"),
        ("问题,回答", "question = 问题, reply = 回答"),
        ("messages", "dialogue = messages"),
        ("context,response", "question = context, reply = response"),
        ("name,age", None),
        ("question,context", None),
        ("text", None),
    ],
)
def test_well_known_names_are_found(names: str, said: str | None) -> None:
    assert known_columns(names.replace(";", ",").split(",")) == said


@pytest.mark.parametrize(("written", "question"), [("a+b", "x\ny"), ("b|a", "y"), ("none|b", "y")])
def test_several_columns_make_one_part(read: Any, written: str, question: str) -> None:
    columns = {"question": written, "reply": "r"}
    found, _ = read(CsvCorpus, "a,b,none,r\nx,y, ,r\n", name="a.csv", columns=columns)
    assert turns(found) == [(question, "r")]


def test_context_history_and_system_stand_where_they_belong() -> None:
    parts = {"system": "s", "history": "h", "question": "q", "context": "c", "reply": "r"}
    row = dict(s="Be kind.", h=[["u1", "a1"]], q="u2", c="see", r="a2")
    (found,) = row_reader(list(row), parts, "a table").read(row)
    assert found.turns == ("Be kind.", "u1", "a1", "u2\nsee", "a2")
    assert found.roles == ("system", "user", "assistant", "user", "assistant")
