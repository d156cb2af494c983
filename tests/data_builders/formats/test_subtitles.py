# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Subtitles are read as cues."""

from __future__ import annotations

import pytest
from hypothesis import given

from data_builders.errors import UserError
from data_builders.formats.subtitles import SubtitlesConfig, SubtitlesCorpus
from tests.data_builders.formats.text_formats import arbitrary_lines, guess_of, read_text, rejected


def srt(*texts: str, step: int = 2) -> str:
    """Write cues of one second that follow each other."""
    stamp = "00:{:02}:{:02},000 --> 00:{:02}:{:02},900"
    starts = [divmod(step * number, 60) for number in range(len(texts))]
    cues = zip(starts, texts, strict=True)
    return "".join(
        f"{n}\n{stamp.format(*at, *at)}\n{text}\n\n" for n, (at, text) in enumerate(cues, 1)
    )


def turns_of(text, **settings):
    found, report = read_text(SubtitlesCorpus, text, **settings)
    return [raw.turns for raw in found], report


@pytest.mark.parametrize(
    ("texts", "turns"),
    [
        (
            ["<i>Where</i> to?", "{\\an8}Home.", "<font color='red'>Now</font>?"],
            "Where to?|Home.|Now?",
        ),
        (["It is late and\nwe must go.", "去哪\n儿？"], "It is late and we must go.|去哪儿？"),
        (["- Where to?\n- Home.", "Good."], "Where to?|Home.|Good."),
        (["- Where to? - Home.", "－走吗？\n－走。"], "Where to?|Home.|走吗？|走。"),
        (["Where to?\n- Home.", "- A five-year-old."], "Where to?|Home.|A five-year-old."),
        (
            ["I thought that", "we would walk.", "No, we ride."],
            "I thought that we would walk.|No, we ride.",
        ),
        (["Yes.", "[door opens]", "♪ la la ♪", "(MUSIC)", "[laughs] Who?"], "Yes.|Who?"),
        (["ANN: Who is it?", "BOB SMITH: Me."], "Who is it?|Me."),
        (["谁啊？\nWho is it?", "是我。\nIt's me."], "谁啊？|是我。"),
        (["Fish &amp; chips?", "Subtitles by nobody", "No."], "Fish & chips?|No."),
    ],
)
def test_cues_become_utterances(texts, turns):
    assert turns_of(srt(*texts), pause=60.0)[0] == [tuple(turns.split("|"))]


def test_a_long_pause_cuts_and_can_be_set():
    text = srt("One?", "Two.", step=3) + srt("Three?", "Four.", step=3).replace("00:00:", "00:01:")
    assert turns_of(text)[0] == [("One?", "Two."), ("Three?", "Four.")]
    assert turns_of(text, pause=90.0)[0] == [("One?", "Two.", "Three?", "Four.")]
    assert turns_of(text, pause=1)[0] == []
    with pytest.raises(UserError, match="`pause`"):
        SubtitlesConfig(pause=0)


def test_webvtt_and_its_rolling_captions():
    text = (
        "WEBVTT\n\nSTYLE\n::cue {}\n\nNOTE two cues\n\n"
        "00:01.000 --> 00:02.000 align:start\nwhere is<00:01.500><c> the boat</c>\n\n"
        "00:02.000 --> 00:03.000\nwhere is the boat\nIt is out.\n\n"
        "01:00:04.000 --> 01:00:05.000\nLater.\n"
    )
    found, report = turns_of(text)
    assert found == [("where is the boat", "It is out.")]
    assert rejected(report) == [(15, "fewer than two turns")]


@pytest.mark.parametrize("name", ["{}: {}", "<v {}>{}</v>"])
def test_names_at_most_cues_are_those_who_speak(name):
    said = [
        ("Ann Lee", "is it dry?"),
        ("Bob", "It is,"),
        ("Bob", "I am sure."),
        ("Ann Lee", "Good."),
    ]
    found, report = turns_of(srt(*(name.format(*one) for one in said * 2)), pause=60.0)
    assert found == [
        ("is it dry?", "It is, I am sure.", "Good. is it dry?", "It is, I am sure.", "Good.")
    ]
    assert not report.notes
    cut, _ = turns_of(srt(*(name.format(*one) for one in said), step=9))
    assert cut == []


def test_a_name_at_a_few_cues_is_part_of_what_is_said():
    found, _ = turns_of(srt("Note: it is dry.", "Is it?", "Note: it is.", "Good.", "Bye."))
    assert found == [("Note: it is dry.", "Is it?", "Note: it is.", "Good.", "Bye.")]


def test_ass_events_are_sorted_and_signs_left_out():
    head = "[Script Info]\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, Text\n"
    line = "Dialogue: 0,0:00:{}.00,0:00:{}.50,{},Ann,0,0,0,,{}\n"
    rows = [
        (3, "Default", "It is out,\\Nas you see."),
        (1, "Default", "{\\pos(1,2)}Where, pray, is it?"),
        (2, "Sign", "HARBOUR"),
        (2, "Default", "{\\p1}m 0 0 l 1 1"),
    ]
    text = head + "".join(line.format(f"{s:02}", f"{s:02}", style, t) for s, style, t in rows)
    found, _ = turns_of(text + "Comment: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,no\n")
    assert found == [("Where, pray, is it?", "It is out, as you see.")]


def test_cues_without_blank_lines_or_numbers():
    text = srt("One?", "Two.").replace("\n\n", "\n")
    assert turns_of(text)[0] == [("One?", "Two.")]
    assert turns_of(text.replace("1\n", "", 1))[0] == [("One?", "Two.")]


def test_broken_times_are_rejected_and_no_cue_at_all_is_refused():
    found, report = turns_of("1\n00:00:xx --> 00:00:02,000\nLost\n\n" + srt("One?", "Two."))
    assert found == [("One?", "Two.")] and rejected(report) == [(2, "broken times")]
    with pytest.raises(UserError, match="no cue such as"):
        turns_of("just\nlines\n")


def test_guess():
    assert guess_of(SubtitlesCorpus, srt("One?", "Two."), "a.srt").score > 0.9
    assert guess_of(SubtitlesCorpus, "a -> b\nc --> d\n") is None


@given(arbitrary_lines)
def test_anything_below_a_cue_is_read(lines):
    turns_of(srt("One?") + "\n".join(lines), encoding="utf-8")
