# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Scripts with names before the speeches, and the texts of ParlAI."""

from __future__ import annotations

import pytest

from data_builders.formats.registry import guess_format
from data_builders.formats.scripts import ParlaiCorpus, ScriptCorpus
from data_builders.reading import sample_of
from tests.data_builders.formats.text_formats import guess_of, read_text, rejected, source_of


def turns_of(corpus, text):
    found, report = read_text(corpus, text)
    return [raw.turns for raw in found], report


@pytest.mark.parametrize(
    ("block", "times", "turns"),
    [
        (
            "Q: Where is it?\nA: Out.\nQ: And back?\nA: At 6.\n===\n",
            3,
            "Where is it?|Out.|And back?|At 6.",
        ),
        ("Q: Where is it?\nA: It is out.\n", 3, "Where is it?|It is out."),
        ("问：船在哪儿？\n答：出海了。\n", 3, "船在哪儿？|出海了。"),
        ("### Human: Sing.\n### Assistant: La la.\n\n", 3, "Sing.|La la."),
        ("### Instruction:\nSing.\n\n### Response:\nLa la.\nLa.\n\n", 3, "Sing.|La la.\nLa."),
        (
            "ANN: Is it dry?\nBOB: Yes, but\nthe door is stuck.\n\n",
            3,
            "Is it dry?|Yes, but\nthe door is stuck.",
        ),
        ("小明：今天吃什么？\n小明：面？\n小红：吃面吧。\n---\n", 3, "今天吃什么？\n面？|吃面吧。"),
        ("ANN: Who is it?\n(a pause)\nBOB: Me.\nCAT: And me.\n***\n", 3, "Who is it?|Me.|And me."),
        ("ANN: Is it dry?\n\nBOB: It is.\n\n", 1, "Is it dry?|It is."),
    ],
)
def test_names_are_taken_off(block, times, turns):
    found, report = turns_of(ScriptCorpus, block * times)
    assert found == [tuple(turns.split("|"))] * times and not report.rejected
    assert times == 1 or guess_of(ScriptCorpus, block * times).score > 0.7


PLAY = (
    "The Ferry\n\nACT I\n\nSCENE I. A pier\n\nANNA.\nIs it far?\nIs it: dry?\n\nBORIS.\nAcross.\n\n"
    "Enter a dog and\na cat.\n\nBORIS.\nIt is not.\n\nANNA.\nGood.\n\nSCENE II. A boat\n\n"
    "CAPTAIN.\nSit down.\n\nOLD MAN.\nNo.\n\nExit CAPTAIN.\n\nANNA.\nWhy?\n\n"
    "OLD MAN.\nIt is wet.\n\n"
)


@pytest.mark.parametrize("dot", [".", ":", ""])
def test_names_above_the_speeches_of_a_play(dot):
    text = PLAY
    for name in ("ANNA", "BORIS", "CAPTAIN", "OLD MAN"):
        text = text.replace(f"\n{name}.\n", f"\n{name}{dot}\n")
    found, report = turns_of(ScriptCorpus, text * 2)
    scenes = [
        ("Is it far?\nIs it: dry?", "Across.\nIt is not.", "Good."),
        ("Sit down.", "No.", "Why?", "It is wet."),
    ]
    assert found == scenes * 2
    assert report.notes == {"stage directions left out": 7}
    assert rejected(report) == [(1, "no speaker")]
    guessed = guess_format(sample_of(source_of(text * 2)))
    assert guessed.format == "script" and not guessed.guess.alone


def test_names_above_what_two_people_say():
    talk = "User:\n船在哪儿？\n\n我没看见。\n\nAssistant:\n出海了。\n\n"
    found, report = turns_of(ScriptCorpus, talk * 2)
    assert found == [("船在哪儿？\n我没看见。", "出海了。") * 2] and not report.notes
    text = "ANN:\nIs it dry?\nBOB:\nIt is.\nReally.\n\n" * 3
    assert turns_of(ScriptCorpus, text)[0] == [("Is it dry?", "It is.\nReally.")] * 3
    assert guess_of(ScriptCorpus, talk * 2).alone is False
    recipe = "Ingredients:\nmilk and eggs\n\nMethod:\nStir it well.\n\n"
    guessed = guess_format(sample_of(source_of(recipe * 4)))
    assert guessed.guess.alone
    headings = "INTRODUCTION\nIt is dry.\n\nMETHOD\nIt is wet.\n\nRESULTS\nIt is out.\n\n"
    assert guess_of(ScriptCorpus, headings) is None


def test_blank_lines_between_all_speeches_do_not_cut():
    found, _ = turns_of(ScriptCorpus, "ANN: Is it dry?\n\nBOB: It is.\n\nANN: Good.\n\n")
    assert found == [("Is it dry?", "It is.", "Good.")]


def test_lines_before_the_first_speaker_are_rejected():
    _, report = turns_of(ScriptCorpus, "Act one\nANN: Is it?\nBOB: It is.\n")
    assert rejected(report) == [(1, "no speaker")]


@pytest.mark.parametrize(
    "text",
    [
        "host: a\nport: 1\nhost: b\nport: 2\n",
        "From: ann\nTo: bob\nSubject: hello you\nFrom: bob\nTo: ann\nSubject: hello me\n",
        "INFO: it is done\nERROR: it is not\nINFO: it is done\nERROR: it is not\n",
        "One more thing: we go.\nAnother thing entirely.\nNothing else to say.\n",
    ],
)
def test_what_is_no_script(text):
    assert guess_of(ScriptCorpus, text) is None


def test_parlai_episodes():
    text = (
        "text:your persona: i row.\\nHello.\tlabels:Hi!|Hey.\n"
        "text:How are you?\tlabels:Fine.\tepisode_done:True\n"
        "text:你好\teval_labels:你好呀\tlabel_candidates:a|b\tepisode_done:True\n"
        "what\n"
    )
    found, report = turns_of(ParlaiCorpus, text)
    assert found == [("Hello.", "Hi!", "How are you?", "Fine."), ("你好", "你好呀")]
    assert rejected(report) == [(4, "unknown marker")]
    assert report.notes == {"lines of a persona left out": 1}
    assert guess_of(ParlaiCorpus, text.replace("what\n", "")).score > 0.9


@pytest.mark.parametrize("mark", ["<SILENCE>", "__SILENCE__", "__null__"])
def test_after_silence_the_same_speaker_goes_on(mark):
    text = (
        f"1 {mark}\tHello.\n2 {mark}\tA table?\n3 For two.\tFine.\n4 {mark}\tWhere?\n1 Hi.\tHo.\n"
    )
    found, report = turns_of(ParlaiCorpus, text)
    assert found == [("Hello.\nA table?", "For two.", "Fine.\nWhere?"), ("Hi.", "Ho.")]
    assert not report.rejected and not report.notes


def test_fbdialog_numbers_begin_episodes():
    text = (
        "1 your persona: i row.\n2 Hello.\tHi!\t\tHey.|Hi!\n3 __SILENCE__\tStill there?\n"
        "4 Yes.\tGood.\n1 Ann is out.\n2 Where is Ann?\tOut.\n3 Bye.\n"
    )
    found, report = turns_of(ParlaiCorpus, text)
    assert found == [
        ("Hello.", "Hi!\nStill there?", "Yes.", "Good."),
        ("Ann is out.\nWhere is Ann?", "Out."),
    ]
    assert report.notes["texts without a reply left out"] == 1
    assert guess_of(ParlaiCorpus, text).score > 0.9
    assert guess_of(ParlaiCorpus, "1 apple\n2 pears\n3 plums\n") is None
