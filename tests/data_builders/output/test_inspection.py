# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What `inspect` promises: the card's numbers at any width, and nothing that harms a terminal."""

from __future__ import annotations

import os
import re
from pathlib import Path

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

import data_builders.output.inspection as inspect_module
from data_builders.building.builder import DIALOGUE_FEATURES
from data_builders.errors import UserError
from data_builders.output.inspection import bar_chart, inspect_lines
from data_builders.report import REPORT_FILE, BuildReport, SourceCount
from data_builders.widths import display_width


def row(*turns: str, roles: tuple[str, ...] = (), lang: str = "en", source: str = "a") -> dict:
    return {"id": "0", "turns": turns, "roles": roles, "lang": lang, "source": source}


def saved(folder: Path, **splits: list[dict]) -> Path:
    made = {}
    for name, rows in splits.items():
        columns = {key: [row[key] for row in rows] for key in DIALOGUE_FEATURES}
        made[name] = datasets.Dataset.from_dict(columns, features=DIALOGUE_FEATURES)
    datasets.DatasetDict(made).save_to_disk(folder)
    return folder


@pytest.fixture()
def folder(tmp_path) -> Path:
    train = [row(f"question {i}", "ok" if i % 2 else f"reply {i}") for i in range(30)]
    chinese = row("你好", "您好，有什么事？", lang="zh", source="语料/闲聊.txt")
    return saved(tmp_path / "mine", train=train, validation=[chinese])


@pytest.fixture(autouse=True)
def width(monkeypatch):
    """Set the width of the terminal."""

    def set_width(columns: int) -> None:
        monkeypatch.setattr(
            inspect_module.shutil, "get_terminal_size", lambda: os.terminal_size((columns, 24))
        )

    set_width(80)
    return set_width


# --- what it says ---------------------------------------------------------------------------


def test_counts_replies_and_samples_are_said(folder):
    lines = list(inspect_lines(folder))
    assert lines[0] == "mine: 31 dialogues, 31 pairs"
    assert "  train: 30 dialogues, 30 pairs" in lines
    assert "    30 distinct questions (0 with several replies), 16 distinct replies" in lines
    assert "  15 50.00 %  ok" in lines
    chart = lines[lines.index("languages (dialogues)") + 1 :][:2]
    assert [line.split()[:2] for line in chart] == [["en", "30"], ["zh", "1"]]
    # The middles of three equal stretches of 30 rows.
    assert [line for line in lines if "  row " in line][:3] == [
        "  row 5 en a",
        "  row 15 en a",
        "  row 25 en a",
    ]
    assert lines[-3:] == ["  row 0 zh 语料/闲聊.txt", "    - 你好", "    - 您好，有什么事？"]


def test_the_report_is_said_where_there_is_one(folder):
    assert f"no {REPORT_FILE}: what was left out is not known" in list(inspect_lines(folder))
    report = BuildReport(splits={"train": 30, "validation": 1}, duplicates=6)
    report.rejected = {"bad JSON": 3}
    report.origins = [SourceCount("a.txt", "pairs", read=37, kept=31)]
    report.save(folder)
    lines = list(inspect_lines(folder))
    assert "40 rows read, 31 dialogues kept" in lines
    assert "  a.txt (pairs): 37 dialogues read, 31 dialogues kept" in lines
    for head, rule, number in (
        ("dropped by (dialogues)", "exact duplicate", "6"),
        ("rejected by (rows)", "bad JSON", "3"),
    ):
        assert lines[lines.index(head) + 1].startswith(f"  {rule} {number} █")


def test_the_same_lines_every_time(folder):
    assert list(inspect_lines(folder)) == list(inspect_lines(str(folder)))


def test_roles_are_shown_and_long_dialogues_shortened(tmp_path):
    turns, roles = [f"turn {i}" for i in range(12)], ("user", "assistant") * 6
    lines = list(inspect_lines(saved(tmp_path / "d", train=[row(*turns, roles=roles)])))
    assert "    user: turn 0" in lines and "    assistant: turn 7" in lines
    assert lines[-1] == "    … 4 more turns"


@pytest.mark.parametrize(("samples", "shown"), [(0, 0), (2, 3), (1000, 31)])
def test_as_many_samples_as_asked_for_and_there(folder, samples, shown):
    assert sum("  row " in line for line in inspect_lines(folder, samples)) == shown


def test_empty_splits_are_no_error(tmp_path):
    data = datasets.DatasetDict(
        train=datasets.Dataset.from_dict(
            {name: [] for name in DIALOGUE_FEATURES}, features=DIALOGUE_FEATURES
        )
    )
    data.save_to_disk(tmp_path / "d", num_shards={"train": 1})
    assert next(inspect_lines(tmp_path / "d")) == "d: 0 dialogues, 0 pairs"


# --- terminals ------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 57, 80, 200])
def test_no_line_is_wider_than_the_terminal(tmp_path, width, columns):
    width(columns)
    rows = [row("问题" * 60, "回答，" * 90, source="很长的名字" * 12), row("a" * 300, "b" * 300)]
    for line in inspect_lines(saved(tmp_path / ("长" * 40), train=rows)):
        assert display_width(line) <= columns


def test_text_cannot_control_the_terminal(tmp_path):
    evil = "\x1b[2J\x1b]0;title\x07\x9b31m\u202e\r\n\x00 end"
    rows = [row(evil, evil, lang=evil, source=evil, roles=(evil, "assistant"))]
    for line in inspect_lines(saved(tmp_path / "d", train=rows)):
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", line)


@given(
    st.dictionaries(st.text(max_size=20), st.integers(0, 10**9), max_size=30),
    st.integers(40, 120),
)
def test_bars_stand_in_line_and_in_proportion(counts, columns):
    lines = list(bar_chart(counts, columns))
    assert len(lines) == min(len(counts), inspect_module.MAX_ROWS)
    assert all(display_width(line) <= columns for line in lines)
    drawn = [len(re.search(r"[█▏▎▍▌▋▊▉]*$", line)[0]) for line in lines]
    numbers = list(counts.values())
    if len(numbers) <= inspect_module.MAX_ROWS:
        ordered = sorted(zip(numbers, drawn, strict=True))
        assert [bar for _, bar in ordered] == sorted(bar for _, bar in ordered)
        assert all((number > 0) == (bar > 0) for number, bar in ordered)


def test_the_longest_bar_fills_the_line_and_half_is_half():
    lines = list(bar_chart({"你好": 100, "b": 50, "c": 0}, 61))
    assert display_width(lines[0]) == 61
    assert lines[0].count("█") == 2 * lines[1].count("█") == 50
    assert lines[2] == "  c      0 "


# --- what is no dataset ---------------------------------------------------------------------


def refusal(path: Path, samples: int = 3) -> str:
    with pytest.raises(UserError) as caught:
        list(inspect_lines(path, samples))
    return str(caught.value)


def test_other_things_are_refused_by_name(tmp_path, folder):
    assert "does not exist" in refusal(tmp_path / "nothing")
    file = tmp_path / "chat.txt"
    file.write_text("hi")
    assert "chat.txt is a file" in refusal(file)
    assert "dataset_dict.json" in refusal(tmp_path)
    assert "`samples` must be 0 or more (got -1)" in refusal(folder, -1)


def test_a_single_split_is_refused(tmp_path):
    datasets.Dataset.from_dict({"a": [1]}).save_to_disk(tmp_path / "one")
    assert "not a dataset with splits" in refusal(tmp_path / "one")


def test_other_columns_are_refused(tmp_path):
    other = datasets.Dataset.from_dict({"text": ["hi"], "lang": ["en"]})
    datasets.DatasetDict(train=other).save_to_disk(tmp_path / "other")
    message = refusal(tmp_path / "other")
    assert "no column id, turns, roles, source (it has text, lang)" in message


def test_a_damaged_folder_is_refused(folder):
    next((folder / "train").glob("*.arrow")).write_bytes(b"broken")
    assert "cannot be read" in refusal(folder)


@pytest.mark.parametrize("text", ["{", '{"origins": 3}'])
def test_a_damaged_report_is_refused(folder, text):
    BuildReport().save(folder)
    (folder / REPORT_FILE).write_text(text)
    assert "not a report of this version" in refusal(folder)
