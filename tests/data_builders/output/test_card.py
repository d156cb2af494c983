# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the card promises: a header the Hub reads, all counts, Markdown no text can break."""

from __future__ import annotations

import html
import re
from pathlib import Path

import datasets
import pytest
from huggingface_hub import DatasetCard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data_builders.building.builder import DIALOGUE_FEATURES
from data_builders.output.card import write_card
from data_builders.output.card_header import hub_license
from data_builders.output.markdown import escape, one_line, table
from data_builders.output.statistics import describe
from data_builders.report import BuildReport, SourceCount
from data_builders.translation import use_language

NASTY = [
    "a | b",
    "`code` and ``more``",
    "line\nbreak\r\nand\ttab",
    "<script>alert(1)</script> <!-- no end",
    "\\| \\\\",
    "[link](https://example.org) ![x](y) www.example.org",
    "*bold* _it_ ~~no~~ $x$ &amp; &#124;",
    "\x1b[31mred\x00\u202eback",
    "# heading",
    "--- | ---",
]


def dialogues(*turns: tuple[str, ...], lang: str = "en", source: str = "a") -> datasets.Dataset:
    rows = [{"id": "0", "turns": t, "roles": (), "lang": lang, "source": source} for t in turns]
    columns = {name: [row[name] for row in rows] for name in DIALOGUE_FEATURES}
    return datasets.Dataset.from_dict(columns, features=DIALOGUE_FEATURES)


def tiny() -> datasets.DatasetDict:
    train = dialogues(("hi", "hello"), ("how are you", "fine"), ("bye", "hello"))
    return datasets.DatasetDict(
        train=train, validation=dialogues(("再见", "明天见"), ("再见", "好"), lang="zh")
    )


def report(**fields: object) -> BuildReport:
    usual = {"origins": [origin()], "splits": {"train": 3, "validation": 2}}
    return BuildReport(**{**usual, **fields})


def origin(**fields: object) -> SourceCount:
    return SourceCount(**{"name": "a.txt", "format": "pairs", "read": 9, "kept": 5, **fields})


def card(folder: Path, made: BuildReport | None = None, data=None, **chosen: object) -> str:
    settings = chosen.pop("settings", {})
    found = describe(data or tiny())
    return write_card(folder, made or report(), found, settings, **chosen).read_text("utf-8")


def table_rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the tables under a heading, as a reader of the page sees them."""
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.split("\n") if line.startswith("| ")]
    cells = [line[2:-2].split(" | ") for line in lines]
    return [[html.unescape(re.sub(r"\\(.)", r"\1", cell)) for cell in row] for row in cells]


def table_cells_of(markdown: str) -> list[list[str]]:
    """Read one table with a CommonMark parser; fail on anything but plain text in it."""
    parser = pytest.importorskip("markdown_it").MarkdownIt("commonmark", {"html": True})
    rows, tokens = [], parser.enable("table").parse(markdown)
    assert [token.type for token in tokens if token.level == 0] == ["table_open", "table_close"]
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        if token.type == "inline":
            kinds = {child.type for child in token.children}
            assert kinds <= {"text", "text_special"}, token.content
            rows[-1].append("".join(child.content for child in token.children))
    return rows


# --- header ---------------------------------------------------------------------------------


def test_header_is_what_the_hub_reads(tmp_path):
    made = report(origins=[origin(license="CC BY-NC 4.0"), origin(license="CC BY-NC 4.0")])
    data = DatasetCard(card(tmp_path, made, settings={"name": "my chat"})).data
    assert data.language == ["en", "zh"]
    assert data.license == "cc-by-nc-4.0"
    assert data.task_categories == ["text-generation"]
    assert data.tags == ["tfchat", "dialogue"]
    assert data.size_categories == ["n<1K"]
    assert data.pretty_name == "my chat"


@pytest.mark.parametrize(
    ("stated", "chosen", "header"),
    [
        (["MIT", "MIT"], None, "mit"),
        (["MIT", "GPL-3.0"], None, None),
        (["MIT", None], None, None),
        ([None], None, None),
        ([None], "Apache 2.0", "apache-2.0"),
        (["MIT"], "for research only", "other"),
    ],
)
def test_header_names_a_licence_only_if_it_is_that_of_all(tmp_path, stated, chosen, header):
    made = report(origins=[origin(license=text) for text in stated])
    data = DatasetCard(card(tmp_path, made, settings={"license": chosen})).data
    assert data.license == header
    assert (getattr(data, "license_name", None) == chosen) == (header == "other" or not chosen)


@pytest.mark.parametrize(
    ("text", "identifier"),
    [("MIT License", "mit"), ("cc by-nc-sa 4.0", "cc-by-nc-sa-4.0"), ("my own", "other")],
)
def test_licences_of_the_hub(text, identifier):
    assert hub_license(text) == identifier


def test_the_header_lets_load_dataset_read_the_saved_folder(tmp_path):
    data = tiny()
    data["test"] = data["train"].select([])
    data.save_to_disk(tmp_path / "saved", num_shards={"train": 2, "validation": 1, "test": 1})
    card(tmp_path / "saved", data=data)
    (tmp_path / "saved" / "report.json").write_text("{}")
    loaded = datasets.load_dataset(str(tmp_path / "saved"), cache_dir=str(tmp_path / "cache"))
    # A split without rows cannot be read that way and is left out.
    assert list(loaded) == ["train", "validation"]
    assert all(loaded[name].to_list() == data[name].to_list() for name in loaded)


def test_no_files_are_named_that_are_not_there(tmp_path):
    assert "configs" not in DatasetCard(card(tmp_path)).data.to_dict()


# --- counts ---------------------------------------------------------------------------------


def test_sources_are_listed_with_format_licence_and_counts(tmp_path):
    made = report(origins=[origin(license="MIT"), origin(name="b.zip/c.txt", read=1234)])
    rows = table_rows(card(tmp_path, made), "Sources")
    assert rows[1:3] == [
        ["a.txt", "pairs", "MIT", "9", "5"],
        ["b.zip/c.txt", "pairs", "not stated", "1,234", "5"],
    ]
    assert rows[-1] == ["1", "a", "5"]


def test_weights_are_listed_where_there_are_some(tmp_path):
    made = report(origins=[origin(), origin(name="b.txt", weight=2.5)])
    assert [row[-1] for row in table_rows(card(tmp_path, made), "Sources")[:3]] == [
        "weight",
        "1",
        "2.5",
    ]


def test_groups_of_settings_are_listed_one_by_one(tmp_path):
    given = {"name": "x", "selection": {"leak_free": False, "files": ["/a/b.txt"]}, "strict": True}
    text = card(tmp_path, settings=given)
    assert table_rows(text, "Settings")[1:] == [
        ["selection.leak_free", "false"],
        ["selection.files", '["b.txt"]'],
        ["strict", "true"],
    ]
    # What the settings say and what the text says agree.
    assert "near copy" not in text and "near copy" in card(tmp_path)


def test_splits_are_counted(tmp_path):
    _, train, validation = table_rows(card(tmp_path), "Splits")
    # dialogues, pairs, questions, replies, with several replies, characters
    assert train[:7] == ["train", "3", "3", "3", "2", "0", str(7 + 15 + 8)]
    assert validation[:7] == ["validation", "2", "2", "1", "2", "1", str(5 + 3)]
    assert train[7:] == ["5.3", "4.7", "66.67 %"]


def test_everything_left_out_is_listed_by_rule(tmp_path):
    made = report(
        duplicates=4,
        dropped={"near copy": 1200},
        pairs_dropped={"too frequent reply": 8},
        extra_rows=11,
        rejected={"bad JSON": 3},
        changed={"control characters": 7},
        notes={"NUL characters removed": 2},
    )
    rows = table_rows(card(tmp_path, made), "What was left out or changed")
    for row in (
        ["exact duplicate", "4"],
        ["near copy", "1,200"],
        ["too frequent reply", "8"],
        ["rows more than dialogues, by cuts and weights", "11"],
        ["bad JSON", "3"],
        ["control characters", "7"],
        ["NUL characters removed", "2"],
    ):
        assert row in rows


def test_a_clean_build_left_out_nothing(tmp_path):
    assert "## What was left out or changed\n\nNothing.\n" in card(tmp_path)


def test_frequent_replies_of_the_largest_split_are_shown_and_can_be_hidden(tmp_path):
    rows = table_rows(card(tmp_path), "Most frequent replies")
    assert rows[1:] == [["hello", "2", "66.67 %"], ["fine", "1", "33.33 %"]]
    hidden = card(tmp_path, show_replies=False)
    assert "hello" not in hidden and "Most frequent replies" not in hidden


def test_long_replies_are_shortened(tmp_path):
    data = datasets.DatasetDict(train=dialogues(("q", "long reply " * 900)))
    cell = table_rows(card(tmp_path, data=data), "Most frequent replies")[1][0]
    assert len(cell) <= 40 and cell.endswith("…")


def test_pictures_are_linked_relative_to_the_card(tmp_path):
    text = card(tmp_path, pictures=[tmp_path / "my pictures" / "lengths.png"])
    assert "![Length of questions and replies](my%20pictures/lengths.png)" in text
    assert str(tmp_path) not in text


def test_the_code_in_the_card_is_python(tmp_path):
    text = card(tmp_path, settings={"name": 'bad"name\\'})
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        compile(block, "card", "exec")


# --- what must not be published -------------------------------------------------------------


def test_no_path_of_the_machine_is_in_the_card(tmp_path):
    files = ["/home/somebody/a.txt", "/home/somebody/b.txt"]
    made = report(origins=[origin(name=files[0])])
    data = datasets.DatasetDict(train=dialogues(("q", "r"), source="/home/somebody/a.txt"))
    text = card(tmp_path, made, data, settings={"files": files, "cache_dir": "/home/somebody/c"})
    assert "somebody" not in text and str(tmp_path.parent) not in text
    assert "somebody" not in card(tmp_path, settings={"token": "somebody"})


# --- text cannot break it -------------------------------------------------------------------


@given(st.text(max_size=60))
@example("a\\")
@example("\\|")
@example("http://example.org www.example.org a@example.org")
@example("&#124; &lt;")
def test_escaped_text_is_one_cell_that_reads_as_it_was(text):
    line = one_line(text, 200)
    rows = table_cells_of(table(["a", ">b"], [[line, 1234], ["x", 0]]))
    assert rows == [["a", "b"], [line, "1,234"], ["x", "0"]]


@pytest.mark.parametrize("text", NASTY)
def test_nasty_text_is_shown_as_it_is(text):
    line = one_line(text, 200)
    assert table_cells_of(table(["a"], [[line]])) == [["a"], [line]]


@given(st.text())
def test_one_line_is_printable_and_short(text):
    line = one_line(text, 40)
    assert len(line) <= 40
    assert line == " ".join(line.split())
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)


@given(st.text(max_size=300))
def test_one_line_loses_no_word_that_fits(text):
    words = " ".join(text.split())
    if len(words) <= 400 and words.isprintable():
        assert one_line(text, 400) == words


anything = st.one_of(st.text(max_size=30), st.sampled_from(NASTY))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reply=anything, name=anything, source=anything, value=anything, license=anything)
def test_a_card_is_valid_whatever_the_text(tmp_path, reply, name, source, value, license):
    data = datasets.DatasetDict(train=dialogues(("q", reply), ("q2", "ok"), source=source))
    made = report(origins=[origin(name=source, license=license)], rejected={value or "x": 1})
    text = card(tmp_path, made, data, settings={"name": name, value: value, "n": 1})
    assert DatasetCard(text).data.size_categories == ["n<1K"]
    headings = re.findall(r"^## (.*)", text, re.MULTILINE)
    assert headings == [
        "How to load",
        "Sources",
        "Splits",
        "What was left out or changed",
        "Settings",
        "Most frequent replies",
    ]
    assert len(table_rows(text, "Most frequent replies")) == 3
    assert {len(row) for row in table_rows(text, "Most frequent replies")} == {3}
    assert not re.search(r"<[a-zA-Z!/]", text.split("---\n", 2)[2])


def test_escape_leaves_plain_text_alone():
    assert escape("你好，今天 fine. OK? (yes)") == "你好，今天 fine. OK? (yes)"


def test_the_card_of_a_chinese_user_is_in_chinese_and_its_header_is_not(tmp_path):
    made = report(
        dropped={"near duplicate": 2},
        rejected={"empty text": 1},
        notes={"header lines left out": 1},
    )
    english, pictures = card(tmp_path, made), [tmp_path / "turns.png"]
    use_language("zh")
    chinese = card(tmp_path, made, pictures=pictures, settings={"test_fraction": 0.05})
    assert chinese.split("---")[1] == english.split("---")[1]
    for said in ("## 怎样加载", "5 段对话", "| 近似重复 | 2 |", "| 文字为空 | 1 |", "去掉的表头行"):
        assert said in chinese
    for said in ("测试集占问题的 5 %", "![每段对话的句数](turns.png)", "未注明"):
        assert said in chinese
    prose = re.sub(r"```.*?```|`[^`]*`|^---.*?^---|TFChat-HF", "", chinese, flags=re.S | re.M)
    assert re.findall(r"[A-Za-z]{3,} [a-z]{2,}", prose) == []
