# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a row of named fields means: pairs, histories, labels, images, options, intents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data_builders.formats.rows import RowsCorpus
from data_builders.report import BuildReport
from data_builders.rows.columns import known_columns
from data_builders.sources.sources import find_sources
from tests.data_builders.formats.json_rows import BOT, PAIR, USER, read_json, turns


def test_of_replies_with_labels_the_bad_ones_are_told(read: Any) -> None:
    answers = [
        {"text": "九点。"},
        {"text": "不知道", "is_deleted": True},
        {"text": "对", "label": 0},
    ]
    found, report = read_json(read, {"question": "几点关门？", "answers": answers})
    assert turns(found) == [("几点关门？", "九点。")]
    assert report.rejected == {"bad by its label": 2}


@pytest.mark.parametrize("blank", ["", None, " ", "<noinput>", "No input required.", "N/A", "无"])
def test_what_only_says_that_there_is_nothing_is_left_out(read: Any, blank: str | None) -> None:
    row = {
        "instruction": "Go.",
        "input": blank,
        "output": "Gone.",
        "system": blank,
        "history": blank,
    }
    assert turns(read_json(read, row)[0]) == [("Go.", "Gone.")]


@pytest.mark.parametrize(
    ("title", "body", "question"),
    [
        ("Moss?", "How do I get it off?", "How do I get it off?"),
        ("Moss?", "", "Moss?"),
        ("有苔藓？", "如题", "有苔藓？"),
        ("有苔藓？", "无。", "有苔藓？"),
        ("Moss on it?", "moss on it", "Moss on it?"),
    ],
)
def test_a_body_that_says_nothing_gives_way_to_the_title(
    read: Any, title: str, body: str, question: str
) -> None:
    found, _ = read_json(read, {"title": title, "desc": body, "answer": "Brush it."})
    assert turns(found) == [(question, "Brush it.")]


def test_a_list_of_replies_gives_a_dialogue_each(read: Any) -> None:
    found, report = read_json(read, {"question": "q", "answer": ["a", " ", "b", True]})
    assert turns(found) == [("q", "a"), ("q", "b")]
    assert report.rejected == {"empty text": 1, "not a string": 1}
    first = {"alternatives": "first"}
    found, _ = read_json(read, {"question": "q", "answer": ["a", "b"]}, describe=first)
    assert turns(found) == [("q", "a")]


@pytest.mark.parametrize("reply", ["", "#N/A", "NULL", "None", "[deleted]", None])
def test_a_reply_that_is_missing_is_none(read: Any, reply: str | None) -> None:
    found, report = read_json(read, {"question": "q", "answer": reply})
    assert not found and report.rejected == {"empty text": 1}


@pytest.mark.parametrize("asked", ["How many are left?", "Any questions?", "还有几个？"])
@pytest.mark.parametrize("reply", ["None", "None.", "没有"])
def test_none_answers_a_question(read: Any, asked: str, reply: str) -> None:
    assert len(read_json(read, {"question": asked, "answer": reply})[0]) == 1


def test_unrolled_histories_are_learned_once(read: Any) -> None:
    rows = [
        {"instruction": "a", "output": "b", "history": []},
        {"instruction": "c", "output": "d", "history": [["a", "b"]]},
        {"instruction": "e", "output": "f", "history": [["a", "b"], ["c", "d"]]},
        {"instruction": "a", "output": "z", "history": []},
    ]
    found, report = read_json(read, *rows)
    assert turns(found) == [tuple("abcdef"), ("a", "z")]
    assert report.notes == {"rows whose turns stand in the history of the next one": 2}


def test_a_broken_turn_of_the_history_costs_what_is_before_it(read: Any) -> None:
    row = {"query": "q", "response": "r", "history": [["a", "b"], ["c", ""], ["d", "e"]]}
    assert turns(read_json(read, row)[0]) == [("d", "e", "q", "r")]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"label": 0}, "label 0"),
        ({"label": False}, "label False"),
        ({"is_correct": "false"}, "is_correct false"),
        ({"weight": 0.0}, "weight 0.0"),
        ({"deleted": True}, "deleted True"),
    ],
)
def test_a_label_that_says_no_is_obeyed_and_counted(
    read: Any, more: dict[str, Any], said: str
) -> None:
    pair = {"question": "q", "answer": "a"}
    found, report = read_json(read, pair | more, pair | {next(iter(more)): None})
    assert len(found) == 1 and f"rows left out by their label ({said})" in report.notes


@pytest.mark.parametrize(
    "row",
    [
        {"image": "x.png"} | PAIR,
        {"image_path": ["a.jpg"]} | PAIR,
        {"audio": {"path": None, "bytes": "UklG"}} | PAIR,
        {"question": "<image>\nWhat is it?", "answer": "A hat."},
        {"question": "Picture 1: <img>a.jpg</img>\n这是什么？", "answer": "帽子。"},
        {"messages": [{**USER, "images": ["a.jpg"]}, BOT]},
        {"messages": [{**USER, "content": "What is it?\n<video>"}, BOT]},
    ],
)
def test_rows_about_an_image_are_rejected(read: Any, row: dict[str, Any]) -> None:
    found, report = read_json(read, row, row)
    assert (found, report.rejected) == ([], {"image": 2})


@pytest.mark.parametrize(
    "row",
    [
        {"image": "", "images": [], "audio": {"path": None}} | PAIR,
        {"question": "What does <img> do in HTML?", "answer": "It shows an image."},
        {"question": "<video> in HTML: who made it?", "answer": "Opera."},
        {"messages": [{**USER, "images": []}, BOT]},
    ],
)
def test_rows_without_the_image_are_kept(read: Any, row: dict[str, Any]) -> None:
    assert len(read_json(read, row)[0]) == 1


def test_numbers_are_texts_but_neither_truth_values_nor_counts(read: Any) -> None:
    rows = [{"question": "How many?", "answer": answer} for answer in (3, 3.0, 0.5, True, None)]
    found, report = read_json(read, *rows)
    assert [one.turns[1] for one in found] == ["3", "3", "0.5"]
    assert report.rejected == {"not a string": 1, "empty text": 1}
    assert len(read_json(read, *rows, columns={"question": "question", "reply": "answer"})[0]) == 3
    assert known_columns(["user", "text", "replies"], {"replies": "number"}) is None


OPTIONS = {"A": "grass", "B": "blood", "C": "sky", "D": "snow"}

LISTED = ["A. grass", "B. blood"]

ARC = {"text": ["grass", "blood"], "label": ["A", "B"]}


@pytest.mark.parametrize(
    ("options", "answer", "reply"),
    [
        (OPTIONS, "B", "blood"),
        ({"option_a": "grass", "optionB": "blood"}, "(b)", "blood"),
        ({"options": LISTED}, "B.", "blood"),
        ({"选项": OPTIONS}, "B", "blood"),
        ({"choices": ARC}, "B", "blood"),
        ({"choices": ["2", "3"]}, 3, "3"),
        ({"A": 4, "B": 5}, "B", "5"),
        (OPTIONS, "It is blood.", "It is blood."),
        (OPTIONS, "AC", None),
        (OPTIONS, "E", None),
        ({"options": LISTED}, 1, None),
        ({"options": []}, "B", "B"),
    ],
)
def test_the_letter_of_an_option_gives_its_text(
    read: Any, options: dict[str, Any], answer: Any, reply: str | None
) -> None:
    found, report = read_json(read, {"question": "Which is red?", **options, "answer": answer})
    assert turns(found) == ([("Which is red?", reply)] if reply else [])
    assert report.rejected == ({} if reply else {"letter of an option": 1})


def test_an_option_is_no_reply_whatever_the_name_of_the_letter() -> None:
    assert known_columns(["question", *OPTIONS, "label"]) is None


def test_pairs_of_a_list_are_separate_unless_somebody_speaks(read: Any) -> None:
    pairs = [{"q": "Open?", "a": "Yes."}, {"q": "几点关门？", "a": "九点。"}]
    apart = [("Open?", "Yes."), ("几点关门？", "九点。")]
    found, report = read_json(read, {"qas": [*pairs, {"q": "x", "a": ""}]}, {"items": pairs})
    assert turns(found) == apart * 2 and report.rejected == {"empty text": 1}
    talk = [{"user": one["q"], "bot": one["a"]} for one in pairs]
    rows = [{"id": 1, "dialogue": pairs}, {"id": 2, "rounds": talk}]
    assert turns(read_json(read, *rows)[0]) == [apart[0] + apart[1]] * 2


def test_each_way_to_ask_is_answered_by_each_reply(read: Any, tmp_path: Path) -> None:
    intents = [
        {
            "tag": "a",
            "patterns": ["Hi", "你好", ""],
            "responses": ["Hey!", "您好！"],
            "context": [],
        },
        {"tag": "b", "patterns": [], "responses": ["What?"]},
    ]
    (tmp_path / "intents.json").write_text(json.dumps({"intents": intents}))
    (spec,) = find_sources([str(tmp_path)])
    report = BuildReport()
    found = list(RowsCorpus.read_sources(spec.config(), report))
    assert turns(found) == [("Hi", "Hey!"), ("Hi", "您好！"), ("你好", "Hey!"), ("你好", "您好！")]
    assert report.rejected == {"empty text": 1} and report.pieces == 3
    assert sum(report.notes.values()) == 3  # two ways to ask, one file with other fields
