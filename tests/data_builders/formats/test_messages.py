# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the reader of role messages promises: every known shape and role, nothing guessed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.formats.c3 import C3Corpus
from data_builders.formats.chitchat import ChitchatCorpus
from data_builders.formats.community_qa import CommunityQACorpus
from data_builders.formats.crosswoz import CrossWozCorpus
from data_builders.formats.instruction import InstructionCorpus
from data_builders.formats.kdconv import KdConvCorpus
from data_builders.formats.lccc import LcccCorpus
from data_builders.formats.messages import MessagesCorpus, parse_dialogue
from data_builders.report import RULES, BuildReport, RowError
from data_builders.rows.checks import MAX_MESSAGES, described, plain_turns
from data_builders.rows.role_messages import ROLES, parse_messages
from tests.data_builders.formats.json_rows import (
    as_lines,
    beginning,
    deep,
    json_values,
    lines_of,
    one_file,
    sample,
    texts,
)

TALK = [
    {"role": "user", "content": "Where is the spoon?"},
    {"role": "assistant", "content": "In the drawer."},
]
TURNS = ("Where is the spoon?", "In the drawer.")
BOTH = ("user", "assistant")


# --- shapes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        {"messages": TALK},
        {
            "id": "a",
            "conversations": [{"from": "human", "value": TURNS[0]}]
            + [{"from": "gpt", "value": TURNS[1]}],
        },
        {"conversation": [{"human": TURNS[0], "assistant": TURNS[1]}]},
        {"conversation": [{"assistant": TURNS[1], "human": TURNS[0]}]},
        {"dialog": [{"speaker": "用户", "text": TURNS[0]}, {"speaker": "助手", "text": TURNS[1]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": TURNS[0]}]}, TALK[1]]},
        TALK,
    ],
)
def test_each_known_shape_gives_the_same_dialogue(read, row):
    dialogues, report = read(MessagesCorpus, as_lines(row, row))
    assert [(d.turns, d.roles, d.line) for d in dialogues] == [
        (TURNS, BOTH, 1),
        (TURNS, BOTH, 2),
    ]
    assert not report.rejected


def test_a_dialogue_of_strings_has_no_roles(read):
    row = {"dialogue": ["有人吗？", "有。", "好的。"]}
    dialogues, _ = read(MessagesCorpus, as_lines(row, row))
    assert dialogues[0].turns == ("有人吗？", "有。", "好的。") and dialogues[0].roles == ()


def test_a_file_that_is_one_list_of_messages_is_one_dialogue(read):
    talk = [
        {"role": "client", "content": "我睡不好。", "annotation": "x"},
        {"role": "counselor", "content": "多久了？", "annotation": "y"},
        {"role": "client", "content": "一周。", "annotation": "z"},
    ]
    dialogues, report = read(MessagesCorpus, json.dumps(talk, indent=1), name="0.json")
    assert [d.turns for d in dialogues] == [("我睡不好。", "多久了？", "一周。")]
    assert dialogues[0].roles == ("user", "assistant", "user")
    assert report.notes == {"dialogues whose annotation was left out": 1}


def test_lists_of_messages_under_keys_are_one_dialogue_each(read):
    dialogues, _ = read(MessagesCorpus, json.dumps({"a": TALK, "b": TALK}, indent=1))
    assert [d.turns for d in dialogues] == [TURNS, TURNS]


def test_messages_on_lines_of_their_own_are_not_glued_together(read):
    dialogues, report = read(MessagesCorpus, as_lines(*TALK * 2))
    assert not dialogues and report.rejected == {"missing key": 4}


def test_an_endless_list_is_refused_without_being_kept(read):
    dialogues, report = read(MessagesCorpus, json.dumps(TALK * (MAX_MESSAGES // 2 + 1)))
    assert not dialogues and report.rejected == {"too many messages": 1}


def test_the_system_prompt_beside_the_list_comes_first(read):
    row = {"system": "Be brief.", "conversations": TALK}
    dialogues, _ = read(MessagesCorpus, as_lines(row, {**row, "system": " "}))
    assert dialogues[0].turns == ("Be brief.", *TURNS)
    assert dialogues[0].roles == ("system", *BOTH)
    assert dialogues[1].turns == TURNS


# --- messages -------------------------------------------------------------------------------


def test_neighbours_of_one_role_are_joined_by_a_newline():
    talk = [TALK[0], {"role": "human", "content": " The big one. "}, TALK[1]]
    assert parse_messages(talk) == (("Where is the spoon?\nThe big one.", TURNS[1]), BOTH)


def test_an_empty_system_prompt_is_left_out():
    assert parse_messages([{"role": "system", "content": " "}, *TALK]) == (TURNS, BOTH)


@pytest.mark.parametrize(
    ("messages", "rule"),
    [
        ("text", "not a list"),
        (["text"], "not an object"),
        ([{"role": "user"}], "missing key"),
        ([{"content": "x"}], "missing key"),
        ([{"role": "sys", "content": "x"}], "unknown role"),
        ([{"role": "narrator", "content": "x"}], "unknown role"),
        ([{"role": ["user"], "content": "x"}], "unknown role"),
        ([{"role": "user", "content": 3}], "not a string"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}], "not a string"),
        ([{"role": "user", "content": " "}, TALK[1]], "empty text"),
        ([{"role": "user", "content": "\ud800"}, TALK[1]], "not valid Unicode"),
        ([TALK[0]], "no reply"),
        ([TALK[1], TALK[0]], "no reply"),
        ([], "no reply"),
        ([*TALK, {"role": "tool", "content": "42"}], "tool message"),
        ([*TALK, {"from": "function_call", "value": "{}"}], "tool message"),
        (
            [TALK[0], {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}],
            "tool message",
        ),
    ],
)
def test_a_message_that_breaks_a_rule_rejects_the_dialogue(messages, rule):
    with pytest.raises(RowError) as error:
        parse_messages(messages)
    assert error.value.rule == rule


def test_every_rule_raised_here_has_its_advice():
    assert {"missing field", "tool message", "too many messages"} <= RULES.keys()


def test_every_role_name_is_one_that_can_be_found():
    assert all(name == name.strip().lower() for name in ROLES)
    assert set(ROLES.values()) == {"system", "user", "assistant"}
    assert "sys" not in ROLES


@given(
    st.sampled_from([name for name, role in ROLES.items() if role == "user"]),
    st.sampled_from([name for name, role in ROLES.items() if role == "assistant"]),
)
def test_role_names_are_read_in_any_case(user, assistant):
    talk = [{"role": user.upper(), "content": "a"}, {"from": assistant.title(), "value": "b"}]
    assert parse_messages(talk) == (("a", "b"), BOTH)


def test_values_too_deep_to_be_shown_are_rejected_all_the_same():
    for parse in (parse_dialogue, parse_messages, plain_turns):
        for row in (deep(), [deep()], {"messages": deep()}, [{"role": deep(), "content": deep()}]):
            with pytest.raises(RowError):
                parse(row)
    assert described(deep()) == "a list of 1"


# --- any input ------------------------------------------------------------------------------


@one_file
@given(st.lists(st.lists(st.tuples(texts, texts), min_size=1, max_size=3), min_size=2, max_size=4))
def test_dialogues_are_read_back_as_written(read, dialogues):
    rows = [
        {
            "messages": [
                {"role": role, "content": text}
                for pair in pairs
                for role, text in zip(BOTH, pair, strict=True)
            ]
        }
        for pairs in dialogues
    ]
    found, report = read(MessagesCorpus, as_lines(*rows))
    assert not report.rejected
    expected = [tuple(text.strip() for pair in pairs for text in pair) for pairs in dialogues]
    assert [dialogue.turns for dialogue in found] == expected
    assert all(dialogue.roles == BOTH * (len(dialogue.turns) // 2) for dialogue in found)


@one_file
@given(st.lists(json_values("messages", "role", "content", "from", "value", "human"), min_size=1))
def test_any_json_is_read_or_rejected(read, tmp_path, rows):
    found, report = read(MessagesCorpus, json.dumps(rows), name="a.json")
    lines = lines_of(tmp_path / "a.json")
    told = {dialogue.line for dialogue in found} | {reject.line for reject in report.rejects}
    assert told <= lines and bool(told) == bool(lines)
    MessagesCorpus.resembles(sample(rows))


# --- the guess ------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [[{"messages": TALK}], [TALK, TALK], TALK, [{"items": TALK}]])
def test_messages_with_roles_are_recognised(rows):
    assert MessagesCorpus.resembles(sample(rows)).score >= 0.9


def test_single_messages_are_recognised_in_an_array_only():
    assert MessagesCorpus.resembles(sample(TALK, layout="lines")) is None


def test_turns_without_roles_could_be_of_another_family():
    assert MessagesCorpus.resembles(sample([{"dialogue": ["a", "b"]}])).score == 0.5


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [1],
        [{"title": "a", "answer": "b"}],
        [["a", "b"]],
        [{"messages": []}],
        [{"messages": [{"role": "usr", "content": "a"}, {"role": "sys", "content": "b"}]}],
        [{"messages": [{"message": "a"}, {"message": "b"}]}],
    ],
)
def test_other_json_is_not_recognised(rows):
    assert MessagesCorpus.resembles(sample(rows)) is None


def test_the_counselling_corpus_is_read_whole(shared_data):
    path = shared_data / "zh_multiturn" / "smilechat_first2000.tar.gz"
    report = BuildReport()
    config = MessagesCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    found = list(MessagesCorpus.read_sources(config, report))
    # Three of the 2,000 hold nothing but messages of the client.
    assert len(found) == 1_997 and report.rejected == {"no reply": 3}
    assert {role for dialogue in found for role in dialogue.roles} == {"user", "assistant"}
    assert MessagesCorpus.resembles(beginning(path)).score >= 0.9


REAL_FAMILIES = {
    "zh_instruction/carbonz0/zh-data-part-00.json.gz": "instruction",
    "zh_instruction/carbonz0/zh-data-part-01.json.gz": "instruction",
    "zh_instruction/open-chinese/alpaca-chinese-52k.json.gz": "instruction",
    "en_instruction/alpaca_data.json.gz": "instruction",
    "zh_community_qa/toyhom_rekeyed_desc_answer.jsonl.gz": "community_qa",
    "zh_community_qa/baike_webtext_readme_examples.jsonl": "community_qa",
    "zh_chitchat/format_samples/LCCC.json": "lccc",
    "zh_chitchat/cdial_gpt_toy/toy_data.json": "lccc",
    "zh_multiturn/c3-d-train.json.gz": "c3",
    "zh_multiturn/crosswoz_val.json.gz": "crosswoz",
    "zh_multiturn/smilechat_first2000.tar.gz": "messages",
    "en_dialogue/chitchat_dataset.json.gz": "chitchat",
}


def test_no_real_file_looks_like_two_json_families_and_other_files_like_none(shared_data):
    families = (
        InstructionCorpus,
        CommunityQACorpus,
        LcccCorpus,
        C3Corpus,
        CrossWozCorpus,
        KdConvCorpus,
        MessagesCorpus,
        ChitchatCorpus,
    )
    found = {}
    for path in sorted(p for p in shared_data.rglob("*") if p.is_file() and p.suffix != ".md"):
        beginning_of_it = beginning(path)
        names = [family.FORMAT for family in families if family.resembles(beginning_of_it)]
        if names:
            found[path.relative_to(shared_data).as_posix()] = " ".join(names)
    assert found == REAL_FAMILIES
