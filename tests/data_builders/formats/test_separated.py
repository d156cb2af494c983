# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Readers of pairs on one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.formats.separated import (
    FALSE_REPLIES,
    SEARCHED_LINES,
    SEPARATORS,
    DailyDialogCorpus,
    DoubanCorpus,
    SeparatedConfig,
    SeparatedCorpus,
    find_separator,
)
from data_builders.report import BuildReport
from tests.data_builders.formats.text_formats import (
    arbitrary_lines,
    dialogues,
    guess_of,
    pairs,
    read_text,
    rejected,
)

separators = st.sampled_from(SEPARATORS)


def turns_of(text, **settings):
    found, report = read_text(SeparatedCorpus, text, **settings)
    return [raw.turns for raw in found], report


@given(pairs, separators)
def test_written_and_read_back(expected, separator):
    text = "\n".join(separator.join(pair) for pair in expected)
    found, report = turns_of(text, separator=separator, encoding="utf-8", header=False)
    assert found == expected
    assert not report.rejected


@given(pairs.filter(bool), separators)
def test_separator_is_found(expected, separator):
    text = "\n".join(separator.join(pair) for pair in expected)
    found, report = turns_of(text, encoding="utf-8", header=False)
    # "a" + "-> b" cannot be told from "a-" + "> b", but there is a pair for each line.
    assert len(found) == len(expected) and not report.rejected


@given(dialogues, separators)
def test_columns_are_turns(expected, separator):
    text = "\n".join(separator.join(turns) for turns in expected)
    found, report = turns_of(
        text, separator=separator, encoding="utf-8", columns_are_turns=True, header=False
    )
    assert found == expected
    assert not report.rejected


@given(arbitrary_lines, separators | st.none(), st.booleans(), st.integers(2, 4) | st.none())
def test_each_line_is_yielded_or_rejected_or_noted(lines, separator, are_turns, most):
    found, report = read_text(
        SeparatedCorpus,
        "\n".join(lines),
        separator=separator,
        columns_are_turns=are_turns,
        maximum_columns=most,
        encoding="utf-8",
    )
    told = {raw.line for raw in found} | {line for line, _ in rejected(report)}
    headers = report.notes.get("header lines left out", 0)
    filled = {number for number, line in enumerate(lines, 1) if line.strip()}
    assert told >= filled - {1} and (1 in told or headers or 1 not in filled)
    assert len(told) == len({raw.line for raw in found}) + sum(report.rejected.values())


def test_several_separators_are_not_guessed_at():
    found, report = turns_of("你会算吗=会一点\n2+2=?=4\nno sign\n=x\n", separator="=")
    assert found == [("你会算吗", "会一点")]
    assert rejected(report) == [
        (2, "wrong number of columns"),
        (3, "wrong number of columns"),
        (4, "empty text"),
    ]


def test_more_columns():
    text = "q\tr\tx\nq\tr\tx\ty\n"
    found, report = turns_of(text, maximum_columns=3, separator="tab")
    assert found == [("q", "r")]
    assert report.notes == {"columns after the reply left out": 1}
    assert rejected(report) == [(2, "wrong number of columns")]


def test_turns_in_columns_of_unequal_number():
    text = "a\tb\tc\t\t\nd\te\t\tf\tg\nh\t\t\n"
    found, report = turns_of(text, separator="\\t", columns_are_turns=True)
    assert found == [("a", "b", "c"), ("d", "e"), ("f", "g")]
    assert rejected(report) == [(3, "wrong number of columns")]
    assert report.notes == {"empty turns, where a dialogue was cut": 1}


def test_header_is_left_out():
    found, report = turns_of("Question\tAnswer\n天冷吗\t很冷\n")
    assert found == [("天冷吗", "很冷")]
    assert report.notes == {"header lines left out": 1}


def test_header_can_be_kept_or_forced():
    assert turns_of("问\t答\n天冷吗\t很冷\n", header=False)[0] == [("问", "答"), ("天冷吗", "很冷")]
    assert turns_of("one\ttwo\n天冷吗\t很冷\n", header=True)[0] == [("天冷吗", "很冷")]


def test_file_without_separator_is_rejected_line_by_line():
    found, report = turns_of("just\nsome\nlines\n")
    assert not found
    assert report.rejected == {"wrong number of columns": 3}
    assert report.notes == {"files with no separator found, read as if it were a tab": 1}


def test_separator_is_found_from_the_first_lines_only():
    found, report = turns_of("a | b\n" * SEARCHED_LINES + "a\tb\n" * 10 * SEARCHED_LINES)
    assert len(found) == SEARCHED_LINES
    assert report.rejected == {"wrong number of columns": 10 * SEARCHED_LINES}


def test_longer_separator_wins():
    assert find_separator(["a | b", "c | d"]) == " | "
    assert find_separator(["a|b", "c|d"]) == "|"
    assert find_separator(["a=1\tb", "c\td"]) == "\t"
    assert find_separator(["a", "b=c"]) is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"separator": ""}, "`separator`"),
        ({"separator": "\n"}, "`separator`"),
        ({"maximum_columns": 1}, "`maximum_columns`"),
    ],
)
def test_wrong_settings_are_refused(settings, words):
    with pytest.raises(UserError, match=words):
        SeparatedConfig(files=("a",), **settings)


def test_guess_names_the_separator():
    assert guess_of(SeparatedCorpus, "a::b\nc::d\n").options == {"separator": "::"}
    assert guess_of(SeparatedCorpus, "a\tb\tc\nd\te\tf\n").options["columns_are_turns"]
    assert guess_of(SeparatedCorpus, "plain\nlines\n") is None
    assert guess_of(SeparatedCorpus, '{"a":\n{"b": "x=y"}}\n') is None
    assert guess_of(SeparatedCorpus, "u0 +++$+++ ['L1', 'L2']\n") is None


@pytest.mark.parametrize(
    ("name", "separator", "lines", "wrong", "empty"),
    [
        pytest.param("barbarianj_qa_chat.txt", "=", 35_713, 0, 9, marks=pytest.mark.slow),
        # Three lines are blank. Of the 20,085 with two columns 23 have an empty one, and four
        # more are nothing but the tab.
        pytest.param("chicken_and_gossip.txt", "\t", 20_149 - 3, 57, 27, marks=pytest.mark.slow),
        pytest.param(
            "ptt/Gossiping-QA-Dataset_10000.txt", "\t", 10_001, 0, 0, marks=pytest.mark.slow
        ),
        pytest.param("cdial_gpt_toy/toy_train.txt", "\t", 10_000, 0, 0, marks=pytest.mark.slow),
        ("cdial_gpt_toy/toy_valid.txt", "\t", 2_000, 0, 0),
        ("format_samples/tieba.dialogues", "\t", 1_000, 0, 0),
        ("format_samples/qin_yun.csv", " | ", 1_000, 0, 0),
    ],
)
def test_real_files(shared_data: Path, name, separator, lines, wrong, empty):
    path = shared_data / "zh_chitchat" / name
    report = BuildReport()
    config = SeparatedConfig(files=(str(path),))
    found = list(SeparatedCorpus.read_sources(config, report))
    assert len(found) == lines - wrong - empty
    assert report.rejected.get("wrong number of columns", 0) == wrong
    assert report.rejected.get("empty text", 0) == empty
    assert not report.notes
    assert guess_of(SeparatedCorpus, path.read_bytes()[:9_000]).options == {"separator": separator}


@given(arbitrary_lines)
def test_dailydialog_each_line_is_yielded_or_rejected(lines):
    found, report = read_text(DailyDialogCorpus, "\n".join(lines), encoding="utf-8")
    filled = {number for number, line in enumerate(lines, 1) if line.strip()}
    assert {raw.line for raw in found} | {number for number, _ in rejected(report)} == filled
    assert len({raw.line for raw in found}) + sum(report.rejected.values()) == len(filled)


def test_dailydialog_annotations_are_left_out_and_counted():
    found, report = read_text(DailyDialogCorpus, "远吗？__eou__不远。__eou__\t3\t2 1\t0 0\n")
    assert [raw.turns for raw in found] == [("远吗？", "不远。")]
    assert report.notes == {"annotation columns left out": 3}


def test_dailydialog_columns_of_turns_are_one_dialogue():
    found, report = read_text(DailyDialogCorpus, "7\ta __eou__ b __eou__\tc __eou__\n")
    assert [raw.turns for raw in found] == [("a", "b", "c")]
    assert report.notes == {"annotation columns left out": 1}


def test_dailydialog_empty_turn_cuts():
    found, report = read_text(DailyDialogCorpus, "a__eou__b__eou__ __eou__c__eou__d__eou__\n")
    assert [(raw.line, raw.turns) for raw in found] == [(1, ("a", "b")), (1, ("c", "d"))]
    assert report.notes == {"empty turns, where a dialogue was cut": 1}


def test_dailydialog_lone_or_empty_turns_are_rejected():
    found, report = read_text(DailyDialogCorpus, "a__eou__\n__eou__\nno mark\na__eou____eou__b\n")
    assert not found
    assert rejected(report) == [
        (1, "fewer than two turns"),
        (2, "empty text"),
        (3, "fewer than two turns"),
        (4, "empty text"),
    ]


def test_dailydialog_guess():
    assert guess_of(DailyDialogCorpus, "a __eou__ b __eou__\n" * 3).score > 0.9
    assert guess_of(DailyDialogCorpus, "a\nb\n") is None
    assert guess_of(DailyDialogCorpus, '{"text": "a __eou__ b"}\n' * 3) is None


@pytest.mark.parametrize(
    ("name", "dialogues", "columns"),
    [
        ("en_dialogue/dailydialog_validation.txt", 1_000, 0),
        ("zh_multiturn/xdailydialog_zh_dev_human.txt", 995, 3 * 995),
    ],
)
def test_dailydialog_real_files(shared_data: Path, name: str, dialogues: int, columns: int):
    report = BuildReport()
    config = DailyDialogCorpus.BUILDER_CONFIG_CLASS(files=(str(shared_data / name),))
    found = list(DailyDialogCorpus.read_sources(config, report))
    assert len(found) == dialogues and not report.rejected
    assert report.notes.get("annotation columns left out", 0) == columns
    assert not any("__eou__" in turn or "\t" in turn for raw in found for turn in raw.turns)


@given(dialogues, st.lists(st.booleans(), min_size=6, max_size=6))
def test_douban_true_ones_are_read_back_and_false_ones_counted(written, labels):
    labelled = list(zip(written, labels, strict=False))
    text = "\n".join("\t".join([str(int(label)), *turns]) for turns, label in labelled)
    found, report = read_text(DoubanCorpus, text, encoding="utf-8")
    assert [raw.turns for raw in found] == [turns for turns, label in labelled if label]
    assert report.notes.get(FALSE_REPLIES, 0) == sum(not label for _, label in labelled)
    assert not report.rejected


@given(arbitrary_lines)
def test_douban_each_line_is_yielded_or_rejected_or_false(lines):
    found, report = read_text(DoubanCorpus, "\n".join(lines), encoding="utf-8")
    filled = sum(bool(line.strip()) for line in lines)
    false = report.notes.get(FALSE_REPLIES, 0)
    assert filled == len({raw.line for raw in found}) + sum(report.rejected.values()) + false


def test_douban_broken_lines():
    text = "1\t一\t二\n2\ta\tb\n1\talone\n1\t\tx\nlabel\tq\tr\n\n0\n"
    found, report = read_text(DoubanCorpus, text)
    assert [raw.turns for raw in found] == [("一", "二")]
    assert rejected(report) == [
        (2, "unknown label"),
        (3, "fewer than two turns"),
        (4, "empty text"),
        (5, "unknown label"),
    ]
    assert report.notes == {FALSE_REPLIES: 1}


def test_douban_guess():
    assert guess_of(DoubanCorpus, "1\ta\tb\n0\ta\tc\n0\ta\td\n").score > 0.9
    assert guess_of(DoubanCorpus, "1\ta\n0\tb\n1\tc\n") is None
    assert guess_of(DoubanCorpus, "a\tb\tc\nd\te\tf\n") is None


def test_douban_real_file(shared_data: Path):
    path = shared_data / "zh_chitchat" / "format_samples" / "douban.txt"
    report = BuildReport()
    config = DoubanCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    found = list(DoubanCorpus.read_sources(config, report))
    # 2,000 lines in all.
    assert len(found) + report.notes[FALSE_REPLIES] == 2_000 and not report.rejected
    assert len(found) == 253


def test_pairs_about_a_picture_are_rejected(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text(
        "Picture 1: <img>boat.jpg</img> What is it?\tA boat.\n"
        "Write it in HTML.\t<p>A boat.</p><img src='boat.jpg'>\n"
    )
    report = BuildReport()
    config = SeparatedCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    found = list(SeparatedCorpus.read_sources(config, report))
    assert [raw.line for raw in found] == [2]
    assert rejected(report) == [(1, "image")]
