# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Sheets hide whose replies are, and only the right key opens them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from data_builders.errors import UserError
from tfchat_hf.judging.sheet import Key, make_key, read_marks, write_sheet

QUESTIONS = [["你好"], ["hi", "Hello!", "why?"]]
REPLIES = {
    "model": ["你好呀。", 'He said "tea",\nthen\tleft.'],
    "look-up": ["你好呀。", "Because you said hi."],
}
MARKS = {"你好呀。": "2", REPLIES["model"][1]: "0", "Because you said hi.": "1"}


@pytest.fixture()
def key(tmp_path: Path) -> Key:
    key = make_key(QUESTIONS, REPLIES, seed=1)
    key.write(tmp_path / "key.json")
    write_sheet(key, tmp_path / "sheet.tsv")
    return key


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter="\t"))


def save(path: Path, rows: list[list[str]], encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows(rows)
    return path


def mark(path: Path) -> list[list[str]]:
    head, *rows = rows_of(path)
    return [head, *([MARKS[row[3]], *row[1:]] for row in rows)]


def test_equal_replies_stand_on_the_sheet_once_and_belong_to_both(key: Key) -> None:
    assert [row.of for row in key.rows if row.number == 1] == [["model", "look-up"]]
    assert sorted(row.of for row in key.rows if row.number == 2) == [["look-up"], ["model"]]


def test_no_name_of_a_system_is_on_the_sheet(key: Key, tmp_path: Path) -> None:
    text = (tmp_path / "sheet.tsv").read_text(encoding="utf-8")
    assert "model" not in text and "look-up" not in text
    assert rows_of(tmp_path / "sheet.tsv")[1] == ["", "1", "你好", "你好呀。"]


def test_the_order_of_replies_is_drawn_for_each_question() -> None:
    replies = {"first": ["a"] * 40, "second": ["b"] * 40}
    key = make_key([[str(number)] for number in range(40)], replies, seed=3)
    ahead = sum(row.of == ["first"] for row in key.rows[::2])
    assert 8 < ahead < 32  # all but one of 10,000 draws
    assert key.rows != make_key([[str(n)] for n in range(40)], replies, seed=4).rows


def test_marks_come_back_in_the_order_of_the_key_whatever_that_of_the_sheet(
    key: Key, tmp_path: Path
) -> None:
    head, *rows = mark(tmp_path / "sheet.tsv")
    expected = [int(MARKS[row.reply]) for row in key.rows]
    for order in (rows, rows[::-1]):
        path = save(tmp_path / "marked.tsv", [head, *order])
        assert read_marks(path, key, tmp_path / "key.json") == expected


def test_digits_in_full_width_and_with_blanks_are_marks(key: Key, tmp_path: Path) -> None:
    head, *rows = mark(tmp_path / "sheet.tsv")
    wide = {"0": "０", "1": " 1 ", "2": "２"}
    path = save(tmp_path / "m.tsv", [head, *([wide[row[0]], *row[1:]] for row in rows)])
    assert read_marks(path, key, tmp_path / "key.json") == [int(MARKS[r.reply]) for r in key.rows]


def test_a_missing_mark_is_named_by_its_line_also_behind_a_reply_of_two_lines(
    key: Key, tmp_path: Path
) -> None:
    head, *rows = mark(tmp_path / "sheet.tsv")
    long = next(row for row in rows if "\n" in row[3])
    others = [row for row in rows if row is not long]
    others[-1][0] = ""
    path = save(tmp_path / "m.tsv", [head, long, *others])
    with pytest.raises(UserError, match=r"m\.tsv:5: the mark must be 0, 1 or 2 \(got ''\)"):
        read_marks(path, key, tmp_path / "key.json")
    for row in rows:
        row[0] = "3"
    path = save(tmp_path / "m.tsv", [head, *rows])
    with pytest.raises(UserError, match=r"m\.tsv:2: .* \(got '3', and so in 2 more rows\)"):
        read_marks(path, key, tmp_path / "key.json")


def test_a_key_of_another_sheet_is_refused(key: Key, tmp_path: Path) -> None:
    other = make_key(QUESTIONS, {"model": ["你好呀。", "Who knows."]}, seed=1)
    path = save(tmp_path / "m.tsv", mark(tmp_path / "sheet.tsv"))
    with pytest.raises(UserError, match=r"m\.tsv:3: .*key\.json does not know this row"):
        read_marks(path, other, tmp_path / "key.json")


def test_rows_that_were_lost_or_doubled_are_missed(key: Key, tmp_path: Path) -> None:
    head, *rows = mark(tmp_path / "sheet.tsv")
    path = save(tmp_path / "m.tsv", [head, *rows[1:]])
    with pytest.raises(UserError, match="lacks 1 of the 3 rows"):
        read_marks(path, key, tmp_path / "key.json")
    path = save(tmp_path / "m.tsv", [head, rows[0], *rows])
    with pytest.raises(UserError, match=r"m\.tsv:3: .* does not know this row"):
        read_marks(path, key, tmp_path / "key.json")


def test_what_is_no_sheet_is_refused(key: Key, tmp_path: Path) -> None:
    head, *rows = mark(tmp_path / "sheet.tsv")
    place = tmp_path / "key.json"
    with pytest.raises(UserError, match=r":1: the columns must be mark, number, turns, reply"):
        read_marks(save(tmp_path / "m.tsv", rows), key, place)
    with pytest.raises(UserError, match=r":3: a row has 4 cells \(got 2\)"):
        read_marks(save(tmp_path / "m.tsv", [head, rows[0], ["1", "2"]]), key, place)
    with pytest.raises(UserError, match="is not UTF-8"):
        read_marks(save(tmp_path / "m.tsv", [head, *rows], "utf-16"), key, place)
    with pytest.raises(UserError, match="nowhere.tsv is not there"):
        read_marks(tmp_path / "nowhere.tsv", key, place)


def test_a_key_is_read_as_it_was_written(key: Key, tmp_path: Path) -> None:
    assert Key.read(tmp_path / "key.json") == key


@pytest.mark.parametrize("text", ["[]", "{}", "no JSON", '{"systems": [], "rows": [1]}'])
def test_a_file_that_is_no_key_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(text)
    with pytest.raises(UserError, match="is no key of a sheet"):
        Key.read(tmp_path / "key.json")


def test_a_key_that_was_changed_is_refused(key: Key, tmp_path: Path) -> None:
    content = json.loads((tmp_path / "key.json").read_text(encoding="utf-8"))
    content["rows"][0]["reply"] += "!"
    (tmp_path / "key.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="was changed"):
        Key.read(tmp_path / "key.json")


def test_as_many_replies_as_questions_are_needed() -> None:
    with pytest.raises(UserError, match="model: 1 replies to 2 questions"):
        make_key([["a"], ["b"]], {"model": ["x"]}, seed=1)
