# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What rows of named fields promise: the same in every container, and nothing lost unsaid."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as pq

from data_builders.errors import UserError
from data_builders.formats.registry import FILE_FAMILIES, guess_format
from data_builders.formats.rows import KNOWN_ROWS, CsvCorpus, RowsConfig, RowsCorpus
from data_builders.formats.yaml_corpus import is_corpus, parsed_yaml
from data_builders.reading import sample_of, source_files
from data_builders.report import RULES, BuildReport, FileReport, RowError
from data_builders.rows.columns import check_columns, known_columns, unknown_sentence
from data_builders.rows.reader import JsonReaders, row_reader
from data_builders.rows.turns import MAX_MESSAGES, Style, Turns, read_turns
from data_builders.rows.vocabulary import ROLES
from data_builders.sources.sources import find_sources
from tests.data_builders.formats.json_rows import (
    as_lines,
    deep,
    json_values,
    lines_of,
    one_file,
    sample,
    texts,
)
from tests.data_builders.rows.test_shapes import SHAPES, Whole, node, read

USER, BOT = {"role": "user", "content": "在吗？"}, {"role": "assistant", "content": "在。"}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
MORE = [{"role": "user", "content": "Open?"}, {"role": "assistant", "content": "Yes."}]


def turns(found: list[Any]) -> list[tuple[str, ...]]:
    return [one.turns for one in found]


def read_json(read: Any, *rows: Any, **settings: Any) -> tuple[list[Any], BuildReport]:
    return read(RowsCorpus, as_lines(*rows), name="a.jsonl", **settings)


# --- one row in every container ---------------------------------------------------------------


def in_csv(rows: list[dict[str, Any]]) -> bytes:
    file = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(file)
    writer.writerow(names)
    for row in rows:
        cells = [row.get(name) for name in names]
        writer.writerow(
            ["" if c is None else c if isinstance(c, str) else json.dumps(c) for c in cells]
        )
    return file.getvalue().encode()


def in_parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


# Arrow cannot hold an array of texts and numbers, and a dict of many keys is a row of its own.
NOT_IN_TABLES = {"BlendedSkillTalk of ParlAI", "OASST", "ChatGPT export"}
TABLES = [
    pytest.param(shape[1], id=shape[0])
    for shape in SHAPES
    if isinstance(shape[1], dict) and not isinstance(shape[1], Whole)
    if shape[0] not in NOT_IN_TABLES
]


@pytest.mark.parametrize("row", TABLES)
def test_a_row_means_the_same_in_every_container(tmp_path: Path, row: dict[str, Any]) -> None:
    rows = [row, row]
    contents = {
        "a.json": json.dumps(rows).encode(),
        "a.jsonl": as_lines(*rows).encode(),
        "a.csv": in_csv(rows),
        "a.parquet": in_parquet(rows),
    }
    found = {}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        config = RowsConfig(files=(str(tmp_path / name),))
        dialogues = list(RowsCorpus.read_sources(config, BuildReport()))
        found[name] = [(one.turns, one.roles) for one in dialogues]
    assert found["a.json"] and all(rows == found["a.json"] for rows in found.values())


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
def test_any_pairs_mean_the_same_in_json_and_in_a_table(pairs: list[tuple[str, str]]) -> None:
    readers = JsonReaders({}, RowsConfig().described_as())
    table = row_reader(["问题", "回答"], {}, "a table")
    for question, reply in pairs:
        row = {"问题": question, "回答": reply}
        report, again = BuildReport(), BuildReport()
        ours = table.read_row(row, 1, FileReport("a", report))
        assert ours == readers.of(row).read_row(row, 1, FileReport("a", again))
        assert report.rejected == again.rejected


def test_of_replies_with_labels_the_bad_ones_are_told(read: Any) -> None:
    answers = [
        {"text": "九点。"},
        {"text": "不知道", "is_deleted": True},
        {"text": "对", "label": 0},
    ]
    found, report = read_json(read, {"question": "几点关门？", "answers": answers})
    assert turns(found) == [("几点关门？", "九点。")]
    assert report.rejected == {"bad by its label": 2}


def test_questions_alone_are_taken_only_when_told(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    rows = [{"question_id": i, "turns": ["写一封信。", "再短一些。"]} for i in range(3)]
    path.write_text(as_lines(*rows), encoding="utf-8")
    assert guess_format(sample_of(next(source_files([str(path)])))) is None
    report = BuildReport()
    config = RowsConfig(files=(str(path),), columns={"dialogue": "turns"})
    assert len(list(RowsCorpus.read_sources(config, report))) == 3


def test_a_list_told_by_columns_makes_the_object_a_row(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text('{"id": 3, "lines": ["在吗？", "在。"], "mood": ["good"]}', encoding="utf-8")
    report, config = BuildReport(), RowsConfig(files=(str(path),), columns={"dialogue": "lines"})
    assert turns(list(RowsCorpus.read_sources(config, report))) == [("在吗？", "在。")]
    assert not report.rejected


def test_columns_of_different_length_are_told(read: Any) -> None:
    data = json.dumps({"questions": ["a", "b"], "answers": ["c"]}).encode()
    found, report = read(RowsCorpus, data, name="a.json")
    assert not found and report.rejected == {"not an object": 3}


def test_what_may_be_reviews_or_tests_of_a_program_is_no_talk() -> None:
    for items in (
        [{"user": "u1", "text": "Very good."}, {"user": "u2", "text": "Too small."}],
        [{"input": "1 2", "output": "3"}],
        [{"name": "Shops", "text": "A list of shops."}],
    ):
        readers = JsonReaders({}, RowsConfig().described_as())
        with pytest.raises(RowError, match="missing key"):
            readers.of({"id": "1", "things": items})


# --- lists of turns -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([USER, BOT, *MORE], [("在吗？", "在。", "Open?", "Yes.")]),
        ([USER, {**USER, "content": "喂？"}, BOT], [("在吗？\n喂？", "在。")]),
        ([USER, BOT, MORE[0], CALL, *MORE], [("在吗？", "在。", "Open?"), ("Open?", "Yes.")]),
        ([USER, BOT, {"role": "tool", "content": "42"}], [("在吗？", "在。")]),
        ([USER, {**BOT, "content": " "}, *MORE], [("Open?", "Yes.")]),
        ([USER, BOT, {"role": "narrator", "content": "Rain."}], [("在吗？", "在。")]),
        ([{"role": "system", "content": " "}, USER, BOT], [("在吗？", "在。")]),
        # A reply that carries no weight is context, and never learned.
        ([USER, {**BOT, "weight": 0}, *MORE], [("在吗？", "在。", "Open?", "Yes.")]),
        ([*MORE, USER, {**BOT, "weight": 0}], [("Open?", "Yes.")]),
        ([USER, {**BOT, "deleted": True}, *MORE], [("Open?", "Yes.")]),
        # The one who answers may be called system.
        ([USER, {"role": "system", "content": "有。"}], [("在吗？", "有。")]),
        (["A: x", "B: y"], [("A: x", "B: y")]),
        (["用户：在吗？", "助手：在。"], [("在吗？", "在。")]),
        ([["a", "b"], ["c"]], [("a", "b", "c")]),
        ([{"speaker": "Ann", "text": "a"}, {"speaker": "Ann", "text": "b"},
          {"speaker": "Bo", "text": "c"}], [("a\nb", "c")]),
        # Keys of a speaker that are made of well-known words.
        *(
            ([{who: n, "text": t} for n, t in ((a, "a"), (a, "b"), (b, "c"))], [("a\nb", "c")])
            for who, a, b in [
                ("senderWorkerId", 956, 957), ("userId", "u1", "u2"),
                ("interlocutor_id", "AA", "AB"),
                ("Author Name", "Ann", "Bo"), ("who", "Ann", "Bo"), ("is_user", True, False),
                ("sender", {"id": 1}, {"id": 2}), ("fromUserName", "安", "波"),
            ]
        ),
        # The one that is the same in all turns is of the file, and no speaker of a turn.
        ([{"user_id": 7, "speakerName": n, "text": t} for n, t in ("Aa", "Ab", "Bc")],
         [("a\nb", "c")]),
        # No speaker, however much it looks like one.
        ([{"user_rating": 1, "text": "a"}, {"user_rating": 1, "text": "b"}], [("a", "b")]),
        # [speaker, text, what else is known]
        ([["A", "a"], ["B", "b"], ["B", "c", ["backchannel", 0.5]]], [("a", "b\nc")]),
        ([["Ann", "Is it open?"], ["Bo", "Until nine."], ["Ann", "And Sundays?"], ["Bo", "No."]],
         [("Is it open?", "Until nine.", "And Sundays?", "No.")]),
        ([["Hi", "Hello"], ["Is it open?", "Yes."]], [("Hi", "Hello", "Is it open?", "Yes.")]),
        # A text of each role: the one who answers is called system.
        ([{"user utterance": "a", "system response": "b"}, {"user utterance": "c",
          "system response": "d"}], [("a", "b", "c", "d")]),
        # The user begins, and then each item has the answer before the next question.
        ([{"user_utterance": {"text": "a", "tokens": ["a"]}, "user_acts": []},
          {"user_utterance": {"text": "c"}, "system_utterance": {"text": "b"}}], [("a", "b", "c")]),
        ([{"system_transcript": "", "transcript": "a"}, {"system_transcript": "b",
          "transcript": "c"}], [("a", "b", "c")]),
    ],
)  # fmt: skip
def test_what_a_list_of_turns_gives(messages: list[Any], expected: list[tuple[str, ...]]) -> None:
    assert [found.turns for found in read_turns(messages, Style())] == expected


def test_the_system_prompt_stands_before_each_piece() -> None:
    talk = [{"role": "system", "content": "Be kind."}, USER, BOT, CALL, *MORE]
    first, second = read_turns(talk, Style())
    assert first.roles == second.roles == ("system", "user", "assistant")
    assert first.turns[0] == second.turns[0] == "Be kind."


def test_a_reply_of_no_weight_is_context_and_said(read: Any) -> None:
    found, report = read_json(read, {"messages": [USER, {**BOT, "weight": 0}, *MORE]})
    # Only what the assistant says is learned.
    assert [one.roles for one in found] == [("user", "user", "user", "assistant")]
    assert report.notes == {"replies of weight 0 that are context and not learned": 1}


@pytest.mark.parametrize(
    ("kind", "recipient", "role"),
    [
        ("code", "python", "assistant"),
        ("text", "browser", "assistant"),
        ("execution_output", "all", "tool"),
        ("tether_quote", "all", "tool"),
    ],
)
def test_what_a_tool_did_before_the_answer_of_an_export_is_left_out(
    read: Any, kind: str, recipient: str, role: str
) -> None:
    step = node("t", "a", role, "print(41)")
    step["message"] |= {"recipient": recipient, "content": {"content_type": kind, "parts": ["x"]}}
    nodes = [node("a", None, "user", "在吗？"), step, node("b", "t", "assistant", "在。")]
    talk = {"current_node": "b", "mapping": {n["id"]: n for n in nodes}}
    found, report = read_json(read, talk)
    assert turns(found) == [("在吗？", "在。")]
    assert report.notes["messages of tools before an answer left out"] == 1
    # Where the next question follows at once, nobody knows the answer.
    nodes += [node("c", "t", "user", "Open?"), node("d", "c", "assistant", "Yes.")]
    talk = {"current_node": "d", "mapping": {n["id"]: n for n in nodes}}
    found, report = read_json(read, talk)
    assert turns(found) == [("Open?", "Yes.")]
    assert report.notes["turns that cut a dialogue in two (tool message)"] == 1


@pytest.mark.parametrize("name", ["text", "样本"])
@pytest.mark.parametrize(
    "cell",
    [
        "<s>Human: 几点关门？\n用户：你好\n</s><s>Assistant: 九点。\n</s>",
        "<s>[INST] 几点关门？\n用户：你好 [/INST] 九点。 </s>",
    ],
)
def test_a_table_of_one_column_holds_texts_with_marks(tmp_path: Path, name: str, cell: str) -> None:
    path = tmp_path / "one.csv"
    path.write_bytes(in_csv([{name: cell}] * 3))
    found, report, kind = read(path)
    assert kind == "csv" and not report.rejected
    assert turns(found) == [("几点关门？\n用户：你好", "九点。")] * 3
    config = RowsConfig(files=(str(path),), columns={"dialogue": name})
    assert turns(list(CsvCorpus.read_sources(config, BuildReport()))) == turns(found)


@pytest.mark.parametrize(
    ("text", "talks"),
    [
        ("# ours\n---\n- instruction: >-\n    在吗？\n    Hello\n  input: ''\n  response: 在。\n",
         [("在吗？ Hello", "在。")]),
        ("- question: 在吗？\n  answer: 在。\n- question: Open?\n  answer: 'Yes.'\n",
         [("在吗？", "在。"), ("Open?", "Yes.")]),
        ("- - 在吗？\n  - 在。\n- - Open?\n  - 'Yes.'\n", [("在吗？", "在。"), ("Open?", "Yes.")]),
        ("- messages:\n  - {role: user, content: 在吗？}\n  - {role: assistant, content: 在。}\n",
         [("在吗？", "在。")]),
    ],
)  # fmt: skip
def test_a_list_in_yaml_is_read_as_rows(tmp_path: Path, text: str, talks: Any) -> None:
    path = tmp_path / "talk.yaml"
    path.write_text(text, encoding="utf-8")
    found, report, kind = read(path)
    assert kind == "yaml" and not report.rejected and is_corpus(path)
    assert turns(found) == talks


@pytest.mark.parametrize(
    "text",
    ["- " + "[" * 100_000, "- " * 5_000 + "a", "- &a [*a]", "- &a [b]\n- &c [*a, *a]\n- [*c, *c]"],
)
def test_yaml_that_would_fill_the_memory_or_the_stack_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="nested deeper"):
        parsed_yaml(text.encode(), "a.yaml")


def test_the_keys_of_a_refusal_name_what_is_nearest() -> None:
    names = ["question_id", "category", "question", "reference", "replyType"]
    assert "(nearest: question = question)." in unknown_sentence("a.json", names)
    assert "nearest" not in unknown_sentence("a.json", ["question_id", "answer_ids"])


def test_turns_without_a_speaker_are_said(read: Any) -> None:
    found, report = read_json(read, {"dialogue": [{"text": "在吗？"}, {"text": "在。"}]})
    assert turns(found) == [("在吗？", "在。")]
    assert report.notes == {"dialogues whose turns do not say who speaks, taken turn by turn": 1}


def test_a_cut_is_counted_and_stops_a_strict_build(read: Any) -> None:
    row = {"messages": [USER, BOT, CALL, *MORE]}
    found, report = read_json(read, row)
    assert len(found) == 2 and not report.rejected
    assert report.notes == {"turns that cut a dialogue in two (tool message)": 1}
    with pytest.raises(UserError, match="tool message"):
        report = BuildReport(strict=True)
        reader = JsonReaders({}, RowsConfig().described_as()).of(row)
        reader.read_row(row, 1, FileReport("a", report))


@pytest.mark.parametrize(
    ("messages", "rule"),
    [
        ("text", "not a list"),
        ([], "fewer than two turns"),
        (["alone"], "fewer than two turns"),
        (["a", ""], "empty text"),
        (["a", None], "not a string"),
        ([3, 4], "not a string"),
        ([{"x": "y"}], "missing key"),
        ([USER], "no reply"),
        ([BOT, USER], "no reply"),
        ([USER, CALL], "tool message"),
        ([{"from": "function_call", "value": "{}"}], "tool message"),
        ([USER, {"role": "assistant", "content": "\ud800"}], "not valid Unicode"),
        ([USER, BOT, {"role": "user", "content": [{"type": "image_url"}]}], "image"),
        ([USER, BOT] * MAX_MESSAGES, "too many messages"),
        (deep(), "not a string"),
        ([{"role": deep(), "content": deep()}], "not a string"),
    ],
)
def test_a_list_without_a_dialogue_breaks_a_rule(messages: Any, rule: str) -> None:
    with pytest.raises(RowError) as error:
        read_turns(messages, Style())
    assert error.value.rule == rule and rule in RULES


def test_every_role_name_is_one_that_can_be_found() -> None:
    assert all(name == name.strip().lower() for name in ROLES)
    assert set(ROLES.values()) == {"system", "user", "assistant"}


@given(st.sampled_from([n for n, r in ROLES.items() if r == "user"]),
       st.sampled_from([n for n, r in ROLES.items() if r == "assistant"]))  # fmt: skip
def test_role_names_are_read_in_any_case(user: str, assistant: str) -> None:
    talk = [{"role": user.upper(), "content": "a"}, {"from": assistant.title(), "value": "b"}]
    assert read_turns(talk, Style()) == [Turns(("a", "b"), ("user", "assistant"))]


def test_messages_on_lines_of_their_own_are_not_glued_together(read: Any) -> None:
    found, report = read_json(read, *[USER, BOT] * 2)
    assert not found and sum(report.rejected.values()) == 4


def test_a_file_that_is_one_list_of_messages_is_one_dialogue(read: Any) -> None:
    found, _ = read(RowsCorpus, json.dumps([USER, BOT, *MORE], indent=1), name="0.json")
    assert turns(found) == [("在吗？", "在。", "Open?", "Yes.")]


# --- pairs --------------------------------------------------------------------------------------


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


PAIR = {"question": "What colour is it?", "answer": "Green."}


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


def test_a_description_may_keep_rows_with_an_image(read: Any) -> None:
    assert read_json(read, {"image": "x.png"} | PAIR, describe={"drop_if": {}})[0]


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


def test_a_list_of_speakers_beside_the_turns_is_heard(read: Any) -> None:
    talk = {"utterances": ["Hi", "Anyone?", "Yes"]}
    rows = [talk | {"speaker": ["user", "user", "bot"]}, talk | {"speaker": ["user", "bot"]}]
    found, report = read_json(read, *rows)
    assert turns(found) == [("Hi\nAnyone?", "Yes"), ("Hi", "Anyone?", "Yes")]
    assert report.notes["lists of speakers that are not as long as the turns, not used"] == 1


@pytest.mark.parametrize(
    "content",
    [
        [["big", "large", "huge"], ["small", "tiny"]],
        [["高兴", "快乐", "开心"], ["巨大", "大"]],
        {"animals": ["cat", "dog"]},
    ],
)
def test_lists_of_single_words_count_only_for_a_file_named_by_itself(
    tmp_path: Path, content: Any
) -> None:
    path = tmp_path / "synonyms.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="no file of a known format"):
        find_sources([str(tmp_path)])
    assert find_sources([str(path)])


def test_single_values_beside_the_rows_are_no_rejects(tmp_path: Path) -> None:
    path = tmp_path / "faq.json"
    path.write_text(json.dumps({"version": "1.0", "data": [PAIR], "count": 1}))
    (spec,) = find_sources([str(tmp_path)])
    report = BuildReport()
    assert len(list(RowsCorpus.read_sources(spec.config(), report))) == 1
    assert not report.rejected and 2 in report.notes.values()


def test_a_broken_row_among_rows_by_key_is_a_reject(read: Any) -> None:
    found, report = read(RowsCorpus, json.dumps({"1": PAIR, "2": "x", "3": PAIR}), name="a.json")
    assert len(found) == 2 and report.rejected == {"not an object": 1}


def test_rows_with_too_low_a_number_are_left_out_and_counted(read: Any) -> None:
    rows = [{"title": "t", "answer": "a", "star": star} for star in (0, 2, 3, "5", None, "many")]
    found, report = read_json(read, *rows, minimum={"star": "3"})
    assert [one.line for one in found] == [3, 4, 5]
    assert report.notes == {"rows left out by their label (star below 3)": 3}


@pytest.mark.parametrize("name", ["EmpatheticDialogues", "OASST"])
def test_rows_of_one_turn_are_put_together(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.csv"
    if name == "OASST":
        path = tmp_path / "a.jsonl"
        nodes = [("1", None, "prompter", "q"), ("2", "1", "assistant", "a"),
                 ("3", "1", "assistant", "b"), ("4", "2", "prompter", "c")]  # fmt: skip
        keys = ("message_id", "parent_id", "role", "text")
        path.write_text(as_lines(
            *({"message_tree_id": "1", **dict(zip(keys, node, strict=True))} for node in nodes)
        ))  # fmt: skip
        expected = [("q", "a", "c"), ("q", "b")]
    else:
        path.write_text(
            "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags\n"
            "h:1_c:2,1,proud,I won_comma_ once,1,I won_comma_ at last!,5|5,\n"
            "h:1_c:2,2,proud,I won_comma_ once,0,Well done.,5|5,\n"
            "h:2_c:3,1,sad,Lost,7,I lost.,5|5,\n"
            "h:2_c:3,2,sad,Lost,8,Oh no.,5|5,\n"
        )
        expected = [("I won, at last!", "Well done."), ("I lost.", "Oh no.")]
    assert turns(read(path)[0]) == expected


def test_the_random_replies_of_ubuntu_are_left_out(tmp_path: Path) -> None:
    rows = ["Context,Utterance,Label"]
    for n in range(4):
        context = f"how do i mount {n} __eou__ __eot__ which fs __eou__ and why __eou__ __eot__"
        rows.append(f'"{context}","ext{n} __eou__",{float(n % 2)}')
    (tmp_path / "ubuntu.csv").write_text("\n".join(rows) + "\n")
    found, report, format = read(tmp_path / "ubuntu.csv")
    assert format == "csv" and list(report.notes.values()) == [2]
    assert turns(found) == [(f"how do i mount {n}", "which fs\nand why", f"ext{n}") for n in (1, 3)]


# --- names that the user gives ------------------------------------------------------------------


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


# --- the guess ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows",
    [
        [1, 2],
        ["a", "b"],
        [{"name": "a", "age": 3}],
        [{"news_id": "1", "title": "a", "content": "b", "desc": "c"}],
        [{"text": "A long page of a book."}],
        [{"id": 1, "title": "a", "url": "u", "text": "b"}],
        [["a"], [["b"], [], "c"]],
        # An export of a messenger has stamps and names, and readers of its own.
        [{"messages": [{"id": 1, "date": "2024", "from": "Ann", "text": "hi"}] * 3}],
        [],
    ],
)
def test_other_json_resembles_no_rows(rows: list[Any]) -> None:
    for family in (RowsCorpus, *KNOWN_ROWS.values()):
        assert family.resembles(sample(rows)) is None or family.resembles(sample(rows)).alone


@pytest.mark.parametrize(
    "rows",
    [[{"source": "a", "target": "b"}], [{"input": "a", "output": "b"}]],
)
def test_names_of_anything_count_only_for_a_file_named_by_itself(rows: list[Any]) -> None:
    assert guess_format(sample(rows * 3)).guess.alone


def test_what_was_guessed_says_which_field_is_what() -> None:
    guess = guess_format(sample([{"query": "a", "response": "b", "history": []}] * 3))
    said = guess.sentence("a.jsonl")
    assert said.startswith("a.jsonl: format json (question = query, reply = response, history")


# --- any input ------------------------------------------------------------------------------------

KEYS = ("messages", "role", "content", "from", "value", "human", "text", "sender", "question")
KEYS += ("reply", "instruction", "input", "output", "history", "chosen", "mapping", "replies")


@pytest.mark.parametrize("name", ["json", "c3", "chitchat", "instruction", "lccc", "ubuntu"])
@one_file
@given(data=st.data())
def test_any_json_is_read_or_told(read: Any, tmp_path: Path, name: str, data: Any) -> None:
    value = json_values(*KEYS)
    rows = data.draw(st.lists(value | st.tuples(value, value), min_size=1))
    found, report = read(FILE_FAMILIES[name], json.dumps(rows), name="a.json")
    told = {one.line for one in found} | {reject.line for reject in report.rejects}
    assert told <= lines_of(tmp_path / "a.json")
    assert all(len(one.turns) > 1 and all(t.strip() for t in one.turns) for one in found)
    assert all(len(one.roles) in (0, len(one.turns)) for one in found)
    FILE_FAMILIES[name].resembles(sample(rows))


@one_file
@given(talks=st.lists(st.lists(texts, min_size=2, max_size=5), min_size=2, max_size=4))
def test_talks_are_read_back_as_written(read: Any, talks: list[list[str]]) -> None:
    who = ("user", "assistant") * 3
    rows = [
        {"messages": [{"role": r, "content": t} for r, t in zip(who, talk, strict=False)]}
        for talk in talks
    ]
    found, report = read_json(read, *rows)
    assert not report.rejected
    assert turns(found) == [tuple(text.strip() for text in talk) for talk in talks]
