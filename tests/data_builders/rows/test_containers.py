# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A row means the same in every container, and nothing is lost unsaid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.formats.registry import FILE_FAMILIES
from data_builders.formats.rows import CsvCorpus, RowsConfig, RowsCorpus
from data_builders.report import BuildReport, FileReport
from data_builders.rows.reader import JsonReaders, row_reader
from data_builders.sources.sources import find_sources
from tests.data_builders.formats.json_rows import (
    PAIR,
    as_lines,
    in_csv,
    in_parquet,
    json_values,
    lines_of,
    one_file,
    read_json,
    sample,
    texts,
    turns,
)
from tests.data_builders.rows.test_shapes import SHAPES, Whole, read

# Arrow cannot hold an array of texts and numbers, and a dict of many keys is a row of its own.
NOT_IN_TABLES = {"BlendedSkillTalk of ParlAI", "OASST", "ChatGPT export"}

TABLES = [
    pytest.param(shape[1], id=shape[0])
    for shape in SHAPES
    if isinstance(shape[1], dict) and not isinstance(shape[1], Whole)
    if shape[0] not in NOT_IN_TABLES
]


@pytest.mark.parametrize("row", TABLES)
def test_a_row_means_the_same_in_every_container(tmp_path: Path, row: dict[str, Any]) -> None:
    rows = [row, row]
    contents = {
        "a.json": json.dumps(rows).encode(),
        "a.jsonl": as_lines(*rows).encode(),
        "a.csv": in_csv(rows),
        "a.parquet": in_parquet(rows),
    }
    found = {}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        config = RowsConfig(files=(str(tmp_path / name),))
        dialogues = list(RowsCorpus.read_sources(config, BuildReport()))
        found[name] = [(one.turns, one.roles) for one in dialogues]
    assert found["a.json"] and all(rows == found["a.json"] for rows in found.values())


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
def test_any_pairs_mean_the_same_in_json_and_in_a_table(pairs: list[tuple[str, str]]) -> None:
    readers = JsonReaders({}, RowsConfig().described_as())
    table = row_reader(["问题", "回答"], {}, "a table")
    for question, reply in pairs:
        row = {"问题": question, "回答": reply}
        report, again = BuildReport(), BuildReport()
        ours = table.read_row(row, 1, FileReport("a", report))
        assert ours == readers.of(row).read_row(row, 1, FileReport("a", again))
        assert report.rejected == again.rejected


def test_columns_of_different_length_are_told(read: Any) -> None:
    data = json.dumps({"questions": ["a", "b"], "answers": ["c"]}).encode()
    found, report = read(RowsCorpus, data, name="a.json")
    assert not found and report.rejected == {"not an object": 3}


@pytest.mark.parametrize("name", ["text", "样本"])
@pytest.mark.parametrize(
    "cell",
    [
        "<s>Human: 几点关门？\n用户：你好\n</s><s>Assistant: 九点。\n</s>",
        "<s>[INST] 几点关门？\n用户：你好 [/INST] 九点。 </s>",
    ],
)
def test_a_table_of_one_column_holds_texts_with_marks(tmp_path: Path, name: str, cell: str) -> None:
    path = tmp_path / "one.csv"
    path.write_bytes(in_csv([{name: cell}] * 3))
    found, report, kind = read(path)
    assert kind == "csv" and not report.rejected
    assert turns(found) == [("几点关门？\n用户：你好", "九点。")] * 3
    config = RowsConfig(files=(str(path),), columns={"dialogue": name})
    assert turns(list(CsvCorpus.read_sources(config, BuildReport()))) == turns(found)


def test_single_values_beside_the_rows_are_no_rejects(tmp_path: Path) -> None:
    path = tmp_path / "faq.json"
    path.write_text(json.dumps({"version": "1.0", "data": [PAIR], "count": 1}))
    (spec,) = find_sources([str(tmp_path)])
    report = BuildReport()
    assert len(list(RowsCorpus.read_sources(spec.config(), report))) == 1
    assert not report.rejected and 2 in report.notes.values()


def test_a_broken_row_among_rows_by_key_is_a_reject(read: Any) -> None:
    found, report = read(RowsCorpus, json.dumps({"1": PAIR, "2": "x", "3": PAIR}), name="a.json")
    assert len(found) == 2 and report.rejected == {"not an object": 1}


@pytest.mark.parametrize("name", ["EmpatheticDialogues", "OASST"])
def test_rows_of_one_turn_are_put_together(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.csv"
    if name == "OASST":
        path = tmp_path / "a.jsonl"
        nodes = [("1", None, "prompter", "q"), ("2", "1", "assistant", "a"),
                 ("3", "1", "assistant", "b"), ("4", "2", "prompter", "c")]  # fmt: skip
        keys = ("message_id", "parent_id", "role", "text")
        path.write_text(as_lines(
            *({"message_tree_id": "1", **dict(zip(keys, node, strict=True))} for node in nodes)
        ))  # fmt: skip
        expected = [("q", "a", "c"), ("q", "b")]
    else:
        path.write_text(
            "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags\n"
            "h:1_c:2,1,proud,I won_comma_ once,1,I won_comma_ at last!,5|5,\n"
            "h:1_c:2,2,proud,I won_comma_ once,0,Well done.,5|5,\n"
            "h:2_c:3,1,sad,Lost,7,I lost.,5|5,\n"
            "h:2_c:3,2,sad,Lost,8,Oh no.,5|5,\n"
        )
        expected = [("I won, at last!", "Well done."), ("I lost.", "Oh no.")]
    assert turns(read(path)[0]) == expected


def test_the_random_replies_of_ubuntu_are_left_out(tmp_path: Path) -> None:
    rows = ["Context,Utterance,Label"]
    for n in range(4):
        context = f"how do i mount {n} __eou__ __eot__ which fs __eou__ and why __eou__ __eot__"
        rows.append(f'"{context}","ext{n} __eou__",{float(n % 2)}')
    (tmp_path / "ubuntu.csv").write_text("\n".join(rows) + "\n")
    found, report, format = read(tmp_path / "ubuntu.csv")
    assert format == "csv" and list(report.notes.values()) == [2]
    assert turns(found) == [(f"how do i mount {n}", "which fs\nand why", f"ext{n}") for n in (1, 3)]


KEYS = ("messages", "role", "content", "from", "value", "human", "text", "sender", "question")

KEYS += ("reply", "instruction", "input", "output", "history", "chosen", "mapping", "replies")


@pytest.mark.parametrize("name", ["json", "c3", "chitchat", "instruction", "lccc", "ubuntu"])
@one_file
@given(data=st.data())
def test_any_json_is_read_or_told(read: Any, tmp_path: Path, name: str, data: Any) -> None:
    value = json_values(*KEYS)
    rows = data.draw(st.lists(value | st.tuples(value, value), min_size=1))
    found, report = read(FILE_FAMILIES[name], json.dumps(rows), name="a.json")
    told = {one.line for one in found} | {reject.line for reject in report.rejects}
    assert told <= lines_of(tmp_path / "a.json")
    assert all(len(one.turns) > 1 and all(t.strip() for t in one.turns) for one in found)
    assert all(len(one.roles) in (0, len(one.turns)) for one in found)
    FILE_FAMILIES[name].resembles(sample(rows))


@one_file
@given(talks=st.lists(st.lists(texts, min_size=2, max_size=5), min_size=2, max_size=4))
def test_talks_are_read_back_as_written(read: Any, talks: list[list[str]]) -> None:
    who = ("user", "assistant") * 3
    rows = [
        {"messages": [{"role": r, "content": t} for r, t in zip(who, talk, strict=False)]}
        for talk in talks
    ]
    found, report = read_json(read, *rows)
    assert not report.rejected
    assert turns(found) == [tuple(text.strip() for text in talk) for talk in talks]
