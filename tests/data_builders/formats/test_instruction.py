# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the reader of instruction data promises: one question and one reply, in each language."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.formats import instruction
from data_builders.formats.instruction import (
    InstructionConfig,
    InstructionCorpus,
    columns_of,
    is_no_input,
)
from data_builders.reading import JsonRow
from data_builders.report import BuildReport
from tests.data_builders.formats.json_rows import (
    as_lines,
    beginning,
    deep,
    one_file,
    sample,
    texts,
)


def row(instruction: object, given_input: object, output: object, **more: object) -> dict:
    return {"instruction": instruction, "input": given_input, "output": output, **more}


BILINGUAL = {
    "en_instruction": "Name a bird.",
    "instruction": "说出一种鸟。",
    "en_input": "",
    "input": "",
    "en_output": "The heron.",
    "output": "苍鹭。",
}


def read_rows(read, *rows: object, **settings: object):
    dialogues, report = read(InstructionCorpus, json.dumps(rows), name="a.json", **settings)
    return [d.turns for d in dialogues], report


# --- the question ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_input", "question"),
    [
        ("heron", "Translate.\nheron"),
        (" heron\n", "Translate.\nheron"),
        ("", "Translate."),
        (None, "Translate."),
        ("<noinput>", "Translate."),
        ("No input required.", "Translate."),
        ("&lt;无输入&gt;", "Translate."),
        ("“&lt;无输入&gt;”", "Translate."),
        ("(n/a)", "Translate."),
        ('""', "Translate."),
        (".", "Translate."),
        (">", "Translate.\n>"),
        ("**", "Translate.\n**"),
        ("[1, 2]", "Translate.\n[1, 2]"),
        ("There is no input here", "Translate.\nThere is no input here"),
    ],
)
def test_the_input_follows_the_instruction_unless_it_says_there_is_none(
    read, given_input, question
):
    turns, report = read_rows(read, row("Translate.", given_input, "苍鹭"))
    assert turns == [(question, "苍鹭")] and not report.rejected


@given(st.text(max_size=60))
def test_a_long_input_is_never_taken_for_none(text):
    assert not is_no_input(text + "x" * 41)


@pytest.mark.parametrize(
    "names",
    [
        ("instruction", "input", "output"),
        ("instruction", "context", "response"),
        ("prompt", "input", "completion"),
    ],
)
def test_other_names_of_the_columns_are_known(read, names):
    turns, _ = read_rows(read, dict(zip(names, ("Translate.", "heron", "苍鹭"), strict=True)))
    assert turns == [("Translate.\nheron", "苍鹭")]


def test_an_input_alone_is_the_question(read):
    turns, _ = read_rows(read, {"kind": "Poem", "input": "春天", "target": "花开。"})
    assert turns == [("春天", "花开。")]


def test_history_and_system_prompt_come_first(read):
    more = {"system": "Be brief.", "history": [["Hello!", "Hi."]]}
    dialogues, _ = read(InstructionCorpus, json.dumps([row("Name a bird.", "", "Heron.", **more)]))
    assert dialogues[0].turns == ("Be brief.", "Hello!", "Hi.", "Name a bird.", "Heron.")
    assert dialogues[0].roles == ("system", "user", "assistant", "user", "assistant")


def test_instructions_have_no_roles(read):
    dialogues, _ = read(InstructionCorpus, json.dumps([row("Name a bird.", "", "Heron.")]))
    assert dialogues[0].roles == () and dialogues[0].lang is None


# --- outputs and languages ------------------------------------------------------------------


def test_each_output_of_a_list_is_a_dialogue(read):
    turns, _ = read_rows(read, row("Name a bird.", "", ["Heron.", "Owl."]))
    assert turns == [("Name a bird.", "Heron."), ("Name a bird.", "Owl.")]


def test_only_the_first_output_of_a_list_if_asked(read):
    turns, report = read_rows(
        read, row("Name a bird.", "", ["Heron.", "Owl.", "Jay."]), output_list="first"
    )
    assert turns == [("Name a bird.", "Heron.")]
    assert report.notes == {"other outputs left out": 2}


def test_a_broken_output_does_not_spoil_the_others(read):
    turns, report = read_rows(read, row("Name a bird.", "", ["Heron.", " ", 3]))
    assert turns == [("Name a bird.", "Heron.")]
    assert report.rejected == {"empty text": 1, "not a string": 1}


@pytest.mark.parametrize(
    ("columns", "langs"), [("all", ["zh", "en"]), ("zh", ["zh"]), ("en", ["en"])]
)
def test_two_languages_give_one_dialogue_each_unless_one_is_chosen(read, columns, langs):
    dialogues, _ = read(InstructionCorpus, json.dumps([BILINGUAL]), columns=columns)
    assert [d.lang for d in dialogues] == langs
    said = {"zh": ("说出一种鸟。", "苍鹭。"), "en": ("Name a bird.", "The heron.")}
    assert [d.turns for d in dialogues] == [said[lang] for lang in langs]


@pytest.mark.parametrize(
    ("keys", "langs"),
    [
        (("instruction", "output"), [None]),
        (("instruction", "output", "instruction_zh", "output_zh"), ["en", "zh"]),
        (("zh_instruction", "zh_output", "en_instruction", "en_output"), ["en", "zh"]),
        (("en_instruction", "en_output"), ["en"]),
        (("instruction", "input"), []),
        (("output",), []),
    ],
)
def test_the_mark_of_a_column_tells_its_language(keys, langs):
    assert [columns.lang for columns in columns_of(keys)] == langs


def test_one_language_is_read_whatever_is_chosen(read):
    turns, _ = read_rows(read, row("Name a bird.", "", "Heron."), columns="zh")
    assert turns == [("Name a bird.", "Heron.")]


def test_an_empty_output_in_one_language_leaves_the_other(read):
    turns, report = read_rows(read, {**BILINGUAL, "output": ""})
    assert turns == [("Name a bird.", "The heron.")] and report.rejected == {"empty text": 1}


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (3, "not an object"),
        ([], "not an object"),
        ({}, "missing field"),
        ({"instruction": "x"}, "missing field"),
        (row("", "", "x"), "empty text"),
        (row("x", "", ""), "empty text"),
        (row("x", "", []), "empty text"),
        (row("x", "", None), "not a string"),
        (row("x", "", {}), "not a string"),
        (row(3, "", "x"), "not a string"),
        (row("x", ["y"], "x"), "not a string"),
        (row("x\ud800", "", "x"), "not valid Unicode"),
        (row("x", "", "x", history="y"), "not a list"),
        (row("x", "", "x", history=[["y"]]), "no reply"),
        (row(deep(), "", "x"), "not a string"),
    ],
)
def test_a_row_that_breaks_a_rule_is_rejected_alone(monkeypatch, read, bad, rule):
    good = row("Name a bird.", "", "Heron.")
    rows = [JsonRow(number, None, value) for number, value in enumerate((good, bad, good), 1)]
    # Not by way of a file: JSON as deep as one of these cannot be written.
    monkeypatch.setattr(instruction, "json_rows", lambda *args: iter(rows))
    dialogues, report = read(InstructionCorpus, "")
    assert [d.line for d in dialogues] == [1, 3]
    assert report.rejected == {rule: 1} and report.rejects[0].line == 2


@pytest.mark.parametrize("settings", [{"output_list": "last"}, {"columns": "fr"}])
def test_an_unknown_choice_is_refused_with_the_known_ones(settings):
    with pytest.raises(UserError, match="must be one of"):
        InstructionConfig(**settings)


# --- any input ------------------------------------------------------------------------------


@one_file
@given(st.lists(st.tuples(texts, texts, texts), min_size=2, max_size=5), st.booleans())
def test_rows_are_read_back_as_written(read, triples, lines):
    rows = [row(f"Do: {a}", f"With: {b}", c) for a, b, c in triples]
    content = as_lines(*rows) if lines else json.dumps(rows)
    found, report = read(InstructionCorpus, content, name="a.json")
    assert not report.rejected
    assert [d.turns for d in found] == [
        (f"{('Do: ' + a).strip()}\n{('With: ' + b).strip()}", c.strip()) for a, b, c in triples
    ]


# --- the guess, and the real files ----------------------------------------------------------


def test_it_is_recognised_by_its_columns():
    assert InstructionCorpus.resembles(sample([row("a", "b", "c")])).score >= 0.9
    assert InstructionCorpus.resembles(sample([BILINGUAL])).score >= 0.9
    assert InstructionCorpus.resembles(sample([{"prompt": "a", "response": "b"}])).score == 0.6
    for other in ({"question": "a", "reply": "b"}, {"messages": []}, ["a", "b"], 3):
        assert InstructionCorpus.resembles(sample([other])) is None
    assert InstructionCorpus.resembles(sample([])) is None


@pytest.mark.parametrize(
    ("names", "rows", "empty"),
    [
        (("zh_instruction/carbonz0",), 10_021 + 10_444, 11),
        (("en_instruction/alpaca_data.json.gz",), 52_002, 28),
    ],
)
def test_the_real_files_are_read_whole(shared_data, names, rows, empty):
    report = BuildReport()
    config = InstructionConfig(files=tuple(str(shared_data / name) for name in names))
    found = sum(1 for _ in InstructionCorpus.read_sources(config, report))
    assert (found, report.rejected) == (rows - empty, {"empty text": empty})
    assert InstructionCorpus.resembles(beginning(config.files[0])).score >= 0.9


def test_the_bilingual_file_gives_both_languages(shared_data):
    report = BuildReport()
    path = shared_data / "zh_instruction" / "open-chinese" / "alpaca-chinese-52k.json.gz"
    langs = {"zh": 0, "en": 0}
    for raw in InstructionCorpus.read_sources(InstructionConfig(files=(str(path),)), report):
        langs[raw.lang] += 1
    # The README of the data counts the 50 empty Chinese outputs; 49 English ones are empty.
    assert langs == {"zh": 52_002 - 50, "en": 52_002 - 49}
    assert report.rejected == {"empty text": 99}
