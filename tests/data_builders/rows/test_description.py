# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Descriptions of rows: those of the user, and those that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data_builders.errors import UserError
from data_builders.formats.rows import KNOWN_ROWS, CsvCorpus, RowsConfig
from data_builders.formats.separated import SeparatedConfig
from tests.data_builders.formats.json_rows import PAIR, read_json, turns


def test_a_description_may_keep_rows_with_an_image(read: Any) -> None:
    assert read_json(read, {"image": "x.png"} | PAIR, describe={"drop_if": {}})[0]


def test_rows_with_too_low_a_number_are_left_out_and_counted(read: Any) -> None:
    rows = [{"title": "t", "answer": "a", "star": star} for star in (0, 2, 3, "5", None, "many")]
    found, report = read_json(read, *rows, minimum={"star": "3"})
    assert [one.line for one in found] == [3, 4, 5]
    assert report.notes == {"rows left out by their label (star below 3)": 3}


OWN = """
shop:
  title: the log of our shop
  dialogue: 记录
  roles: {user: [买家], assistant: [小二]}
  drop_if: {状态: [作废, 测试]}
  replace: {"[笑]": ""}
"""


def test_a_description_of_ones_own_needs_no_code(read: Any, tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(OWN, encoding="utf-8")
    talk = [{"from": "买家", "value": "在吗[笑]"}, {"from": "小二", "value": "在。"}]
    rows = [{"记录": talk, "状态": state} for state in ("完成", "作废", "测试")]
    found, report = read_json(read, *rows, describe=str(tmp_path / "shop.yaml"))
    assert turns(found) == [("在吗", "在。")] and found[0].roles == ("user", "assistant")
    assert sum(report.notes.values()) == 2


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"questoin": "a"}, "no key `questoin`"),
        ({"roles": {"boss": ["x"]}}, "`roles` are"),
        ({"question": "a"}, "question and reply"),
        ({"minimum": {"a": "many"}}, "must hold numbers"),
        ({"drop_if": "x"}, "must be a mapping"),
        ("nowhere.yaml", "nowhere.yaml is no description"),
        ({"minimum": 3}, "`minimum` must be a mapping"),
        ({"replace": {"x": None}}, "`replace` must hold texts"),
        ({"turn_ends": 5}, "`turn_ends` must hold texts"),
        ({"known_by": [5]}, "`known_by` must hold texts"),
    ],
)
def test_a_description_with_a_mistake_says_which(entry: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        RowsConfig(describe=entry)


def test_a_date_that_is_none_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("lang: 2024-13-45\nminimum:\n", encoding="utf-8")
    with pytest.raises(UserError, match="a.yaml is no description in YAML"):
        RowsConfig(describe=str(tmp_path / "a.yaml"))
    assert RowsConfig(describe={"minimum": None}, minimum={"star": "3"})._described.minimum == {
        "star": 3
    }


@pytest.mark.parametrize(
    "setting",
    [
        {"separator": 5},
        {"maximum_columns": "3"},
        {"columns_are_turns": "no"},
        {"header": "yes"},
        {"encoding": 8},
        {"workers": "2"},
    ],
    ids=str,
)
def test_a_setting_of_another_type_is_said(setting: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"`{next(iter(setting))}` must be a "):
        SeparatedConfig(**setting)


def test_labels_count_where_each_row_is_a_turn(read: Any) -> None:
    table = "talk,text,speaker,stars,deleted\n1,hi,a,5,\n1,hello,b,5,\n2,who?,a,1,\n2,me,b,1,\n"
    table += "3,one,a,5,true\n3,two,b,5,\n3,three,a,5,\n"
    columns = {"group": "talk", "text": "text", "speaker": "speaker"}
    found, _ = read(CsvCorpus, table, "a.csv", columns=columns, minimum={"stars": "3"})
    assert turns(found) == [("hi", "hello"), ("two", "three")]


def test_the_known_descriptions_have_a_title_and_a_mark() -> None:
    assert all(kind.TITLE and kind.NAMED.known_by for kind in KNOWN_ROWS.values())
