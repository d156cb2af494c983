# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a list of turns means, and what cuts it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.formats.rows import RowsConfig, RowsCorpus
from data_builders.report import RULES, BuildReport, FileReport, RowError
from data_builders.rows.dialogues import Style, Turns
from data_builders.rows.reader import JsonReaders
from data_builders.rows.turns import read_turns
from data_builders.rows.values import MAX_MESSAGES
from data_builders.rows.vocabulary import ROLES
from tests.data_builders.formats.json_rows import BOT, CALL, MORE, USER, deep, read_json, turns
from tests.data_builders.rows.test_shapes import node


def test_what_may_be_reviews_or_tests_of_a_program_is_no_talk() -> None:
    for items in (
        [{"user": "u1", "text": "Very good."}, {"user": "u2", "text": "Too small."}],
        [{"input": "1 2", "output": "3"}],
        [{"name": "Shops", "text": "A list of shops."}],
    ):
        readers = JsonReaders({}, RowsConfig().described_as())
        with pytest.raises(RowError, match="missing key"):
            readers.of({"id": "1", "things": items})


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


def test_a_list_of_speakers_beside_the_turns_is_heard(read: Any) -> None:
    talk = {"utterances": ["Hi", "Anyone?", "Yes"]}
    rows = [talk | {"speaker": ["user", "user", "bot"]}, talk | {"speaker": ["user", "bot"]}]
    found, report = read_json(read, *rows)
    assert turns(found) == [("Hi\nAnyone?", "Yes"), ("Hi", "Anyone?", "Yes")]
    assert report.notes["lists of speakers that are not as long as the turns, not used"] == 1
