# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Descriptions of rows: those of the user, and those that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data_builders.errors import UserError
from data_builders.formats.rows import KNOWN_ROWS, RowsConfig
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
    ],
)
def test_a_description_with_a_mistake_says_which(entry: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        RowsConfig(describe=entry)


def test_the_known_descriptions_have_a_title_and_a_mark() -> None:
    assert all(kind.TITLE and kind.NAMED.known_by for kind in KNOWN_ROWS.values())
