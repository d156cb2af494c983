# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Readers of plain lines: alternating, in blocks, and after the marker `M`."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.formats.alternating import (
    LOOKAHEAD,
    AlternatingCorpus,
    BlockCorpus,
    ConvCorpus,
)
from data_builders.formats.plain_text import MAX_TURNS
from data_builders.formats.small_talk import small_talk_rows
from data_builders.reading import Reading
from data_builders.report import BuildReport
from tests.data_builders.formats.text_formats import (
    arbitrary_lines,
    dialogues,
    guess_of,
    pairs,
    read_text,
    rejected,
    source_of,
)


def turns_of(text, **settings):
    found, report = read_text(AlternatingCorpus, text, **settings)
    return [raw.turns for raw in found], report


@given(pairs)
def test_written_and_read_back(expected):
    text = "\n".join(line for pair in expected for line in pair)
    found, report = turns_of(text, encoding="utf-8")
    assert found == expected
    assert not report.rejected


@given(pairs, st.lists(st.integers(0, 2), min_size=9, max_size=9))
def test_blank_lines_between_pairs_change_nothing(expected, blanks):
    lines = []
    for number, pair in enumerate(expected):
        lines += [""] * blanks[number] + list(pair)
    found, report = turns_of("\n".join(lines), encoding="utf-8")
    assert found == expected
    assert not report.rejected


@given(st.lists(st.booleans(), min_size=2, max_size=20), st.integers(0, 19), st.sampled_from("qr"))
def test_an_empty_half_costs_one_pair_and_nothing_slips(sizes, place, half):
    expected = [(f"question {n}", f"reply {n}") for n in range(len(sizes))]
    lost = expected.pop(place % len(sizes))
    halves = ("", lost[1]) if half == "q" else (lost[0], "")
    lines = [line for pair in expected for line in pair]
    at = 2 * (place % len(sizes))
    # A line end after the last one: an empty last reply is a line of its own.
    text = "".join(f"{line}\n" for line in [*lines[:at], *halves, *lines[at:]])
    found, report = turns_of(text)
    assert found == expected
    assert sum(report.rejected.values()) == 1


@given(arbitrary_lines)
def test_each_line_is_yielded_or_rejected(lines):
    found, report = turns_of("\n".join(lines), encoding="utf-8")
    filled = sum(bool(line.strip()) for line in lines)
    assert filled == 2 * len(found) + sum(report.rejected.values())


def test_odd_last_line_has_no_reply():
    found, report = turns_of("你好\n你好呀\nAnd now?\n")
    assert found == [("你好", "你好呀")]
    assert rejected(report) == [(3, "no reply")]


def test_stray_blank_far_from_any_other_is_an_empty_question():
    pair_lines = "".join(f"q{n}\nr{n}\n" for n in range(LOOKAHEAD))
    found, report = turns_of("q\nr\n\nlost\n" + pair_lines)
    assert found[:2] == [("q", "r"), ("q0", "r0")] and len(found) == LOOKAHEAD + 1
    assert rejected(report) == [(4, "empty text")]


def test_line_that_cannot_be_decoded_keeps_its_place():
    for broken in (b"\xff\xfe\xff\nr1\n", b"q1\n\xff\xfe\xff\n"):
        found, report = turns_of(b"q0\nr0\n" + broken + b"q2\nr2\n", encoding="utf-8")
        assert found == [("q0", "r0"), ("q2", "r2")]
        assert report.rejected["missing line"] == 1 and sum(report.rejected.values()) == 2


def test_guess_is_a_weak_one():
    assert 0.2 < guess_of(AlternatingCorpus, "how are you\nfine\nand you\nfine too\n").score < 0.5
    assert guess_of(AlternatingCorpus, "a\tb\nc\td\n") is None
    assert guess_of(AlternatingCorpus, '{"a": 1}\n{"a": 2}\n') is None
    assert guess_of(AlternatingCorpus, "id,ask,answer\n1,how,so\n2,why,thus\n") is None


TOPICS = [
    "茶",
    "雨",
    "书",
    "猫",
    "海",
    "山",
    "花",
    "鱼",
    "船",
    "灯",
    "tea",
    "rain",
    "books",
    "cats",
]


def talk(pairs: int, seed: int = 0) -> list[str]:
    """Make lines of questions and replies that a reader could tell apart by their words."""
    draw = random.Random(seed)
    asks = ["你喜欢{}吗？", "{}在哪里？", "为什么要说{}？", "Do you like {}?", "Where is the {}?"]
    replies = ["我觉得{}很好。", "{}就在那边。", "因为{}有意思。", "I like {}.", "Next to the {}."]
    lines = []
    for number in range(pairs):
        topic = f"{draw.choice(TOPICS)}{number}"
        lines += [draw.choice(asks).format(topic), draw.choice(replies).format(topic)]
    return lines


def wrong_way(found: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """List the pairs whose first half is no question."""
    return [pair for pair in found if not pair[0].endswith(("？", "?"))]


@pytest.mark.parametrize("lost", [1_000, 1_001])
def test_pairs_after_a_lost_line_are_put_right_and_the_place_is_said(lost):
    lines = talk(900)
    del lines[lost]
    found, report = turns_of("\n".join(lines), encoding="utf-8")
    assert len(found) >= 896 and len(wrong_way(found)) <= 3
    [(note, pairs)] = report.notes.items()
    first = int(
        re.search(r"a.txt lines ([\d,]+) to 1,799 were out of step", note)[1].replace(",", "")
    )
    assert abs(first - lost) <= 6 and abs(pairs - 400) <= 3
    assert [reject.rule for reject in report.rejects][:1] == ["missing line"]


def test_a_second_lost_line_ends_the_stretch():
    lines = talk(1_500)
    del lines[2_001], lines[1_000]
    found, report = turns_of("\n".join(lines), encoding="utf-8")
    assert len(found) >= 1_494 and len(wrong_way(found)) <= 6
    [note] = report.notes
    first, last = (int(n.replace(",", "")) for n in re.findall(r"\d,\d+", note))
    assert abs(first - 1_001) <= 6 and abs(last - 2_000) <= 6


def test_parity_can_be_kept_as_it_stands():
    lines = talk(900)
    del lines[1_000]
    found, report = turns_of("\n".join(lines), encoding="utf-8", parity="keep")
    assert len(wrong_way(found)) == 399 and not report.notes
    assert rejected(report) == [(1_799, "no reply")]
    with pytest.raises(UserError, match="parity"):
        turns_of("a\nb", parity="guess")


def test_strict_stops_at_the_line_that_is_left_over():
    lines = talk(900)
    del lines[1_001]
    report, config = BuildReport(strict=True), AlternatingCorpus.BUILDER_CONFIG_CLASS()
    with pytest.raises(UserError, match=r"a\.txt:\d{3,4}: missing line"):
        file = Reading(source_of("\n".join(lines)), report)
        list(AlternatingCorpus.read_file(file, config))


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3, 4))]
)
def test_a_file_in_good_order_stays_as_it_is(seed):
    for lines in (talk(1_500, seed), turned_topics(seed), [f"第{n}句" for n in range(3_000)]):
        found, report = turns_of("\n".join(lines), encoding="utf-8")
        assert found == list(zip(lines[::2], lines[1::2], strict=True))
        # Another topic may be doubted, and said so; nothing is turned.
        assert not report.rejected and not any("anew" in note for note in report.notes)


def turned_topics(seed: int) -> list[str]:
    """Make talk with a part whose replies are as short as the questions elsewhere."""
    draw = random.Random(seed)
    digits = [line for n in range(300) for line in (f"号码{n}", str(draw.randrange(10**6)))]
    return talk(600, seed) + digits + talk(600, seed + 1)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_our_own_small_talk_is_in_good_order_and_can_be_put_back_in_it(language):
    rows = (row for row in small_talk_rows(language, "train") if "question" in row)
    pairs = [(row["question"], row["reply"]) for row in rows][:1_500]
    lines = [line for pair in pairs for line in pair]
    found, report = turns_of("\n".join(lines), encoding="utf-8")
    assert found == pairs and not report.notes
    del lines[1_500]
    found, report = turns_of("\n".join(lines), encoding="utf-8")
    assert len(set(pairs) - set(found)) <= 12


def test_few_lines_are_never_doubted():
    lines = talk(60)
    del lines[40]
    found, report = turns_of("\n".join(lines), encoding="utf-8")
    assert not report.notes and rejected(report) == [(119, "no reply")]


@pytest.mark.parametrize(
    ("name", "pairs", "turned", "rejects"),
    [
        # Places and numbers as a reader finds them in the files.
        pytest.param("train.enc", 37_164, [(11_514, 42_177)], 2, marks=pytest.mark.slow),
        pytest.param(
            "train.dec",
            27_649,
            [(21_685, 26_661), (34_162, 43_831), (52_361, 55_304)],
            6,
            marks=pytest.mark.slow,
        ),
        pytest.param("test.enc", 13_869, [(23_689, 27_739)], 1, marks=pytest.mark.slow),
        ("test.dec", 11_058, [], 0),
    ],
)
def test_real_files(
    shared_data: Path, name: str, pairs: int, turned: list[tuple[int, int]], rejects: int
):
    path = shared_data / "zh_chitchat" / "kenhenry_zh" / name
    report = BuildReport()
    config = AlternatingCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    assert sum(1 for _ in AlternatingCorpus.read_sources(config, report)) == pairs
    assert sum(report.rejected.values()) == rejects
    places = [re.findall(r"\d+,\d+", note) for note in report.notes if "paired anew" in note]
    found = sorted(tuple(int(n.replace(",", "")) for n in place) for place in places)
    assert len(found) == len(turned)
    for place, expected in zip(found, turned, strict=True):
        assert place == pytest.approx(expected, abs=6)


@given(arbitrary_lines)
def test_blocks_each_line_is_yielded_or_rejected(lines):
    found, report = read_text(BlockCorpus, "\n".join(lines), encoding="utf-8")
    filled = sum(bool(line.strip()) for line in lines)
    assert filled == sum(len(raw.turns) for raw in found) + sum(report.rejected.values())


def test_blocks_lone_utterance_is_rejected_where_it_stands():
    found, report = read_text(BlockCorpus, "\n你好\n你好呀\n \nalone\n\n\none\ntwo\nthree")
    assert [(raw.line, raw.turns) for raw in found] == [
        (2, ("你好", "你好呀")),
        (8, ("one", "two", "three")),
    ]
    assert rejected(report) == [(5, "fewer than two turns")]


def test_blocks_line_that_cannot_be_decoded_cuts():
    content = b"a\nb\n\xff\xfe\xff\nc\nd\n"
    found, _ = read_text(BlockCorpus, content, encoding="utf-8")
    assert [raw.turns for raw in found] == [("a", "b"), ("c", "d")]


def test_blocks_guess():
    talk = "Hi there.\nhello\n\nBye now.\nsee you\nsoon\n\nYes?\nNo, thanks.\n\n"
    assert guess_of(BlockCorpus, talk).score > 0.6
    assert guess_of(BlockCorpus, "hi\nhello\nbye\n") is None
    assert guess_of(BlockCorpus, "one line.\n\nanother one.\n\nand one more.\n\n") is None
    assert guess_of(BlockCorpus, talk, name="a.md") is None


def test_blocks_real_file(shared_data: Path):
    path = shared_data / "zh_chitchat" / "format_samples" / "xiaohuangjie.txt"
    report = BuildReport()
    config = BlockCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    found = list(BlockCorpus.read_sources(config, report))
    # 1,001 lines, 200 of them blank.
    assert len(found) == 201 and not report.rejected
    assert sum(len(raw.turns) for raw in found) == 801
    assert found[0].source == "xiaohuangjie.txt" and found[0].file == str(path)


@given(dialogues)
def test_conv_written_and_read_back(expected):
    lines = [line for turns in expected for line in ["E", *(f"M {turn}" for turn in turns)]]
    found, report = read_text(ConvCorpus, "\n".join(lines), encoding="utf-8")
    assert [raw.turns for raw in found] == expected
    assert not report.rejected


@given(arbitrary_lines)
def test_conv_each_line_is_yielded_or_rejected_or_a_beginning(lines):
    found, report = read_text(ConvCorpus, "\n".join(lines), encoding="utf-8")
    begins = sum(line[:1] == "E" and line[1:2] in ("", " ", "\t") for line in lines)
    filled = sum(bool(line.strip()) for line in lines)
    turns = sum(len(raw.turns) for raw in found)
    assert filled == turns + begins + sum(report.rejected.values())


def test_conv_line_is_where_the_dialogue_begins():
    found, _ = read_text(ConvCorpus, "E\nM 你好\nM 你也好\n\nE\nM one\nM two\n")
    assert [(raw.line, raw.turns) for raw in found] == [
        (2, ("你好", "你也好")),
        (6, ("one", "two")),
    ]


def test_conv_mixed_line_ends_and_no_first_marker():
    found, _ = read_text(ConvCorpus, "M one\r\nM two\nE\r\nM three\nM four")
    assert [raw.turns for raw in found] == [("one", "two"), ("three", "four")]


def test_conv_empty_utterance_cuts_the_block():
    found, report = read_text(ConvCorpus, "E\nM a\nM b\nM \nM c\nM d\nM\nM e\n")
    assert [raw.turns for raw in found] == [("a", "b"), ("c", "d")]
    assert rejected(report) == [(4, "empty text"), (7, "empty text"), (8, "fewer than two turns")]


def test_conv_unknown_marker_is_rejected_and_cuts():
    found, report = read_text(ConvCorpus, "E\nM a\nM b\nX c\nM d\nM f\nMore\n")
    assert [raw.turns for raw in found] == [("a", "b"), ("d", "f")]
    assert rejected(report) == [(4, "unknown marker"), (7, "unknown marker")]


def test_conv_line_that_cannot_be_decoded_cuts():
    content = "E\nM 早\nM 早啊\n".encode() + b"M \xff\xfe\xff\n" + "M 晚\nM 安\n".encode()
    found, report = read_text(ConvCorpus, content, encoding="utf-8")
    assert [raw.turns for raw in found] == [("早", "早啊"), ("晚", "安")]
    assert sum(report.rejected.values()) == 1


def test_conv_lone_utterances_and_empty_blocks_are_counted():
    found, report = read_text(ConvCorpus, "E\nE\nM alone\nE 2\nM a\nM b\nE\n")
    assert [raw.turns for raw in found] == [("a", "b")]
    assert rejected(report) == [(3, "fewer than two turns")]
    assert report.notes == {"blocks without an utterance": 2, "texts after E left out": 1}


def test_conv_endless_block_is_cut():
    found, report = read_text(ConvCorpus, "M a\n" * (2 * MAX_TURNS + 2))
    assert [len(raw.turns) for raw in found] == [MAX_TURNS, MAX_TURNS, 2]
    assert sum(report.notes.values()) == 2


def test_conv_guess_needs_both_markers_to_be_sure():
    assert guess_of(ConvCorpus, "E\nM a\nM b\n").score > 0.9
    assert guess_of(ConvCorpus, "M a\nM b\n").score < 0.9
    assert guess_of(ConvCorpus, "Every day\nMany people\n") is None
    assert guess_of(ConvCorpus, "E\nE\n") is None


@pytest.mark.parametrize(
    ("name", "utterances"),
    [
        pytest.param("lost", 61_007, marks=pytest.mark.slow),
        pytest.param("fanzxl", 74_014, marks=pytest.mark.slow),
        pytest.param("laoyj", 43_276, marks=pytest.mark.slow),
        pytest.param("haosys", 41_711, marks=pytest.mark.slow),
        pytest.param("juemds", 27_994, marks=pytest.mark.slow),
        ("prisonb", 19_394),
    ],
)
def test_conv_real_files(shared_data: Path, name: str, utterances: int):
    path = shared_data / "zh_chitchat" / "dgk_lost_conv" / f"{name}.conv.gz"
    report = BuildReport()
    config = ConvCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    turns = sum(len(raw.turns) for raw in ConvCorpus.read_sources(config, report))
    # What is rejected are utterances alone in their block.
    assert list(report.rejected) == ["fewer than two turns"]
    assert turns + report.rejected["fewer than two turns"] == utterances


@pytest.mark.slow
def test_conv_real_blocks(shared_data: Path):
    path = shared_data / "zh_chitchat" / "dgk_lost_conv" / "lost.conv.gz"
    report = BuildReport()
    config = ConvCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    found = sum(1 for _ in ConvCorpus.read_sources(config, report))
    # Each block of this file has an utterance at least.
    assert found + report.rejected["fewer than two turns"] == 13_511
