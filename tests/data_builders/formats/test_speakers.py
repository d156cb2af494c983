# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Names come off with the brackets, numbers and marks around them; what is no name stays out."""

from __future__ import annotations

import pytest

from data_builders.formats.registry import guess_format
from data_builders.formats.scripts import ScriptCorpus
from data_builders.formats.speakers import begin_alike, speaker_and_text
from data_builders.reading import sample_of
from tests.data_builders.formats.text_formats import guess_of, read_text, source_of


@pytest.mark.parametrize(
    ("line", "name", "text"),
    [
        ("ANN: Is it dry?", "ANN", "Is it dry?"),
        ("Speaker 1 (00:01): Is it dry?", "Speaker 1", "Is it dry?"),
        ("Ann [00:01:09]: Is it dry?", "Ann", "Is it dry?"),
        ("Ann 00:01: Is it dry?", "Ann", "Is it dry?"),
        ("Ann (12): Is it dry?", "Ann", "Is it dry?"),
        ("Ann:: Is it dry?", "Ann", "Is it dry?"),
        ("Ann (host): Is it dry?", "Ann (host)", "Is it dry?"),
        ("**User:** Is it dry?", "User", "Is it dry?"),
        ("__Ann__: Is it **dry**?", "Ann", "Is it **dry**?"),
        ("- User: Is it dry?", "User", "Is it dry?"),
        ("2. **Bot:** It is.", "Bot", "It is."),
        ("Q12: Is it dry?", "Q", "Is it dry?"),
        ("A. It is.", "A", "It is."),
        ("Question 3: Is it dry?", "Question", "Is it dry?"),
        ("1、问：船在哪儿？", "问", "船在哪儿？"),
        ("答2：出海了。", "答", "出海了。"),
    ],
)
def test_a_name_with_what_is_around_it(line, name, text):
    assert speaker_and_text(line) == (name, text)


@pytest.mark.parametrize(
    "line",
    ["- dry: it is so now", "At 10:30 we go.", "(00:01): dry", "A boat. It is out.", "Q.E.D."],
)
def test_no_name(line):
    assert speaker_and_text(line) is None


@pytest.mark.parametrize(
    "block",
    [
        "Ann\tIs it {0}?\nBob\tOut at sea.\n",
        "Ann | Is it {0}?\nBob | Out at sea.\n",
        "[Ann] Is it {0}?\n[Bob] Out at sea.\n",
        "Ann> Is it {0}?\nBob> Out at sea.\n",
        "<Ann> Is it {0}?\n<Bob> Out at sea.\n",
        "> Ann: Is it {0}?\n> Bob: Out at sea.\n",
        "**Ann**\nIs it {0}?\n\n**Bob**\nOut at sea.\n\n",
        "Ann (00:0{0})\nIs it {0}?\n\nBob (00:0{0})\nOut at sea.\n\n",
        "Ann  9:0{0} AM\nIs it {0}?\nBob  9:0{0} AM\nOut at sea.\n",
        "[00:0{0}] Ann\nIs it {0}?\n\n[00:0{0}] Bob\nOut at sea.\n\n",
        "User\nIs it {0}?\n\nAssistant\nOut at sea.\n\n",
        "#### User\nIs it {0}?\n\n#### Assistant\nOut at sea.\n\n",
        "Speaker 1 (00:00:0{0}): Is it {0}?\nSpeaker 2 (00:00:0{0}): Out at sea.\n",
    ],
)
def test_marks_behind_the_names_of_those_who_take_turns(block):
    text = "".join(block.format(number) for number in range(6))
    found, report = read_text(ScriptCorpus, text)
    turns = tuple(turn for number in range(6) for turn in (f"Is it {number}?", "Out at sea."))
    assert [raw.turns for raw in found] == [turns] and not report.rejected
    assert guess_format(sample_of(source_of(text))).format == "script"


@pytest.mark.parametrize(
    ("block", "turns"),
    [
        (
            "Q. Is it {0}?\nA. Out.\nQ. And back?\nA. At 6.\n===\n",
            "Is it {0}?|Out.|And back?|At 6.",
        ),
        ("Q{0}: Is it {0}?\nA{0}: Out at sea.\n", "Is it {0}?|Out at sea."),
        ("{0}、问：第{0}条船呢？\n答：出海了。\n", "第{0}条船呢？|出海了。"),
        ("{0}. Is it {0}?\nAnswer: Out at sea.\n\n", "Is it {0}?|Out at sea."),
        ("{0}、第{0}条船呢？\n答：出海了。\n", "第{0}条船呢？|出海了。"),
    ],
)
def test_numbered_questions_and_answers(block, turns):
    found, report = read_text(ScriptCorpus, "".join(block.format(n) for n in range(1, 7)))
    assert [raw.turns for raw in found] == [
        tuple(turns.format(number).split("|")) for number in range(1, 7)
    ]
    assert not report.rejected


def test_people_without_a_colon_are_taken_from_a_file_named_by_itself_only():
    block = "{1}Ann{2}Is it {0}?\n{1}Bob{2}Out at sea.\n"
    text = "".join(block.format(number, "[", "] ") for number in range(6))
    assert guess_of(ScriptCorpus, text).alone
    assert not guess_of(ScriptCorpus, text.replace("Ann", "User").replace("Bob", "Bot")).alone


def test_choices_below_a_question_are_no_speakers():
    quiz = "Q: Where is boat {0}?\nA. out\nB. in\nC. gone\nAnswer: B\n"
    assert guess_of(ScriptCorpus, "".join(quiz.format(number) for number in range(9))) is None


def test_beginnings_of_most_lines():
    assert begin_alike(["Ann — is it dry?", "Bob — it is"] * 3)
    assert begin_alike([f"at pier {n} | a boat" for n in range(5)])
    assert begin_alike(["@ann is it dry?", "@bob it is"] * 3)
    assert begin_alike(["问 干吗", "答 干"] * 3)
    assert begin_alike([f"Ann (0:{n}) is it dry?" for n in range(5)])
    assert not begin_alike(["Yes, it is.", "No, it is not.", "Well - who knows?"] * 3)
    assert not begin_alike(["今天吃什么", "吃面吧", "- 好"] * 3)
