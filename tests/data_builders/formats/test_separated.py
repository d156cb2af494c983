# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Readers of pairs on one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.formats.separated import (
    SEARCHED_LINES,
    SEPARATORS,
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
        ("barbarianj_qa_chat.txt", "=", 35_713, 0, 9),
        # Three lines are blank. Of the 20,085 with two columns 23 have an empty one, and four
        # more are nothing but the tab.
        ("chicken_and_gossip.txt", "\t", 20_149 - 3, 57, 27),
        ("ptt/Gossiping-QA-Dataset_10000.txt", "\t", 10_001, 0, 0),
        ("cdial_gpt_toy/toy_train.txt", "\t", 10_000, 0, 0),
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
