# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What is no corpus, or cannot be read, beside what can, and the sentence that leads on."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from data_builders import build_dialogues
from data_builders.__main__ import main
from data_builders.errors import UserError
from data_builders.formats.registry import FILE_FAMILIES
from data_builders.sources.sources import MANY_FILES, find_sources
from tests.data_builders.sources.found import BLOCKS, NUMBERS, TEXTS, find, formats, pack, write


def test_what_only_might_be_a_dialogue_is_taken_when_it_is_named(tmp_path, monkeypatch):
    class Doubtful(FILE_FAMILIES["conv"]):
        @classmethod
        def resembles(cls, sample):
            guess = super().resembles(sample)
            return guess and guess._replace(alone=True)

    monkeypatch.setitem(FILE_FAMILIES, "conv", Doubtful)
    path = write(tmp_path / "f" / "a.conv", TEXTS["conv"])
    packed = pack(tmp_path / "a.tar", {"a.conv": TEXTS["conv"]})
    assert [spec.format for spec in find(path)[0]] == ["conv"]
    assert [spec.format for spec in find(f"{packed}/a.conv")[0]] == ["conv"]
    for place in (tmp_path / "f", packed):
        with pytest.raises(UserError, match="no file of a known format"):
            find(place)
    write(tmp_path / "f" / "b.tsv", TEXTS["separated"])
    specs, said = find(tmp_path / "f")
    assert [spec.format for spec in specs] == ["separated"]
    assert "a.conv: passed over, it only might be of dialogues" in said[0]


def test_markdown_is_read_where_it_is_named_and_marks_tell_the_turns(tmp_path):
    talk = "# Talk\n\n**User:** Is it far?\n\n**Assistant:** Ten minutes.\n\n" * 3
    for name, text in (("talk.md", talk), ("a.md", TEXTS["separated"])):
        path = write(tmp_path / "f" / name, text)
        assert formats(find(path)[0]) == {name: "script" if text == talk else "separated"}
    with pytest.raises(UserError, match=r"\*\.md, .* are left out"):
        find(tmp_path / "f")
    lines = "".join(f"Where is number {n}?\nIt is over there.\n" for n in NUMBERS)
    for text in (BLOCKS, lines):
        assert find(write(tmp_path / "notes.txt", text))[0]
        with pytest.raises(UserError, match=r"notes.md: Markdown in which .* `alternating FILE`"):
            find(write(tmp_path / "notes.md", text))


@pytest.mark.parametrize("mark", [",", ";", "  ", "    "])
def test_a_mark_of_prose_that_parts_the_lines_is_asked_about(tmp_path, mark):
    rows = [
        ("你会做饭吗？", "会一点"),
        ("去爬山吗？", "好啊"),
        ("今天真冷", "多穿点"),
        ("走吧", "好"),
    ]
    path = write(tmp_path / "a.txt", "".join(f"{q}{mark}{a}\n" for q, a in rows))
    with pytest.raises(UserError, match=f"separated FILE --separator '{mark[:2]}'"):
        find(path)


def test_lines_with_a_comma_here_and_there_still_alternate(tmp_path):
    lines = ["Well, how are you?", "Fine, thanks", "Where is he", "Gone,I think", "Oh no", "Yes"]
    path = write(tmp_path / "a.txt", "\n".join(lines) + "\n")
    assert [spec.format for spec in find(path)[0]] == ["alternating"]


def test_what_was_built_into_the_folder_is_not_read_again(tmp_path, capsys):
    folder = tmp_path / "f"
    write(folder / "a.tsv", TEXTS["separated"])
    command = ["build", str(folder), "--output", str(folder / "out")]
    assert main(command) == 0
    capsys.readouterr()
    assert main(command) == 0  # nothing has changed, so nothing is built
    assert "out: passed over, a dataset or run of this program" in capsys.readouterr().out
    write(folder / "a.tsv", "".join(TEXTS["separated"].splitlines(keepends=True)[1:]))
    assert main([*command, "--overwrite"]) == 0
    first = TEXTS["separated"].split("\t")[0]
    splits = build_dialogues(str(folder / "out")).dataset
    assert not any(first in turns for split in splits.values() for turns in split["turns"])


def test_a_damaged_file_beside_its_pair_does_not_stop_the_others(tmp_path):
    folder = tmp_path / "f"
    write(folder / "a.tsv", TEXTS["separated"])
    write(folder / "tgt-train.txt", "yes\n" * 900)
    whole = gzip.compress("".join(f"is it {i}?\n" for i in range(900)).encode())
    (folder / "src-train.txt.gz").write_bytes(whole[: len(whole) // 2])
    assert "a.tsv" in formats(find(folder)[0])


def test_a_member_of_an_archive_that_is_of_no_format_says_so(tmp_path):
    packed = pack(tmp_path / "chats.zip", {"notes.txt": "nothing to see", "none.txt": ""})
    with pytest.raises(UserError, match="notes.txt: no known format of dialogues"):
        find(f"{packed}/notes.txt")
    with pytest.raises(UserError, match="none.txt is empty"):
        find(f"{packed}/none.txt")


def test_what_cannot_be_read_is_passed_over_in_a_folder_and_refused_alone(tmp_path):
    folder = tmp_path / "f"
    write(folder / "a.tsv", TEXTS["separated"])
    bad = {"b.rar": b"Rar!\x1a\x07\0", "c.tsv": bytes(range(128, 256)) * 9, "d.zip": b"PK\3\4x"}
    for name, data in bad.items():
        (folder / name).write_bytes(data)
    (folder / "e.txt").symlink_to("nowhere")
    specs, said = find(folder)
    assert formats(specs) == {"a.tsv": "separated"}
    reasons = dict(line.split(": passed over, ") for line in said if "passed over" in line)
    assert reasons["b.rar"] == "RAR files cannot be read. Unpack it by hand"
    assert reasons["c.tsv"].startswith("its encoding cannot be told")
    assert reasons["d.zip"].startswith("the zip archive is damaged")
    assert reasons["e.txt"] == "a link that leads nowhere"
    for name in (*bad, "e.txt"):
        with pytest.raises(UserError, match=re.escape(name)):
            find(folder / name)


def test_strangers_in_a_folder_are_passed_over_and_named(folder):
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    write(folder / "words.txt", "one\n")
    write(folder / "blocks.txt", BLOCKS)
    write(folder / "README.md", "# Read me\n")
    write(folder / ".hidden", TEXTS["conv"])
    specs, said = find(folder)
    assert len(specs) == len(TEXTS)
    assert {line.split(":")[0] for line in said if "passed over" in line} == {
        "photo.png",
        "words.txt",
        "blocks.txt",
    }
    assert [spec.format for spec in find(folder / "blocks.txt")[0]] == ["blocks"]


def test_a_stranger_named_by_itself_is_an_error(folder):
    path = folder / "photo.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    with pytest.raises(UserError, match=r"photo\.png: no known format .*--format"):
        find(folder / "conv.txt", path)


def test_nothing_but_strangers_is_an_error(tmp_path):
    write(tmp_path / "a" / "words.txt", "one\n")
    with pytest.raises(UserError, match="no file of a known format"):
        find(tmp_path / "a")


def parquet(names: dict[str, list[object]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(names), sink)
    return sink.getvalue()


TALK = {"question": [f"Who has key {i}?" for i in NUMBERS], "reply": [f"No. {i}" for i in NUMBERS]}

VECTORS = {"emb": [[0.5, 1.0]], "idx": [7]}


@pytest.mark.parametrize("packed", [False, True])
def test_a_table_is_judged_by_its_columns_wherever_it_lies(tmp_path, packed):
    members = {
        "chat.tsv": TEXTS["separated"].encode(),
        "damaged.parquet": parquet(TALK)[:-9],
        "good.parquet": parquet(TALK),
        "vectors.parquet": parquet(VECTORS),
    }
    place = tmp_path / "f"
    place.mkdir()
    for name, data in members.items():
        (place / name).write_bytes(data)
    if packed:
        with tarfile.open(tmp_path / "f.tar", "w") as tar:
            for name in members:
                tar.add(place / name, name)
        place = tmp_path / "f.tar"
    specs, said = find(place)
    assert sorted(spec.format for spec in specs) == ["parquet", "separated"]
    told = {line.split(": ")[0].rpartition("/")[2]: line for line in said}
    assert "question = question, reply = reply" in told["good.parquet"]
    assert "passed over, " in told["damaged.parquet"]
    assert "keys emb, idx" in told["vectors.parquet"]
    assert build_dialogues(str(place), cache_dir=str(tmp_path / "cache")).report.rows_read == 80


def test_a_table_of_unknown_columns_named_by_itself_says_what_to_do(tmp_path):
    (tmp_path / "a.parquet").write_bytes(parquet(VECTORS))
    with pytest.raises(UserError, match=r"keys emb, idx.*--columns"):
        find(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(parquet({"ask": ["a"], "say": ["b"]}))
    report = build_dialogues(
        [str(tmp_path / "*.parquet")],
        options={"columns": {"question": "ask", "reply": "say"}},
        cache_dir=str(tmp_path / "cache"),
        validation_fraction=0,
        test_fraction=0,
    ).report
    assert (report.kept, report.rejected) == (1, {"unreadable file": 1})


def test_a_source_of_several_files_that_cannot_be_read_stops_no_other(tmp_path):
    place = tmp_path / "f"
    write(place / "chat.tsv", TEXTS["separated"])
    write(place / "nlu.yml", "nlu:\n- intent: greet\n  examples: |\n    - hey\n  - [broken\n")
    report = build_dialogues(str(place), cache_dir=str(tmp_path / "c")).report
    assert (report.rows_read, report.rejected) == (41, {"unreadable file": 1})
    with pytest.raises(UserError, match="nlu.yml is no YAML"):
        build_dialogues([str(path) for path in place.iterdir()], cache_dir=str(tmp_path / "c"))


@pytest.mark.parametrize("format", [None, "json"])
def test_one_damaged_file_of_many_is_listed_and_the_others_are_read(tmp_path, format):
    place = tmp_path / "f"
    place.mkdir()
    for i in range(MANY_FILES + 9):
        row = json.dumps({"question": f"Who has key {i}?", "reply": f"Number {i}"})
        packed = gzip.compress(row.encode())
        (place / f"{i:02}.json.gz").write_bytes(packed[:-9] if i == 33 else packed)
    report = build_dialogues(str(place), format, cache_dir=str(tmp_path / "c")).report
    assert report.rejected == {"unreadable file": 1} and report.rows_read == MANY_FILES + 9
    assert report.rejects[0].file == str(place / "33.json.gz")
    with pytest.raises(UserError, match="33.json.gz"):
        build_dialogues(str(place), format, cache_dir=str(tmp_path / "d"), strict=True)


def test_what_is_passed_over_is_taken_by_the_name_that_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pack(Path("two.tar"), {"a.tsv": TEXTS["separated"], "b.txt": BLOCKS})
    _, said = find("two.tar")
    (line,) = (line for line in said if "passed over" in line)
    name = line.partition("to take it: ")[2]
    assert name == "two.tar/b.txt"
    assert main(["build", name, "--cache-dir", "cache", "--output", "out"]) == 0
    pack(Path("one.tar"), {"b.txt": BLOCKS})
    said = []
    with pytest.raises(UserError):
        find_sources(["one.tar"], say=said.append)
    assert said[0].endswith("--format blocks takes it")


def test_an_old_spreadsheet_is_told_by_its_mark(tmp_path):
    (tmp_path / "a.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(range(256)) * 20)
    with pytest.raises(UserError, match=r"\.xls.* cannot be read\. Save it as \.xlsx"):
        find(tmp_path / "a.xls")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('Where to?,"Home, now."\nWho is it?,Ann is it\nIs it late?,No.\n', "--no-header"),
        ("titel,corpus\nWhere to?,Home.\nWho is it?,Ann.\nIs it late?,No.\n", "question=titel"),
    ],
)
def test_a_table_without_known_names_says_how_to_read_it(tmp_path, text, said):
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(UserError, match=said):
        find(path)


def test_a_table_without_names_is_read_as_it_says(tmp_path):
    path = write(tmp_path / "a.csv", 'Where to?,"Home, now."\nWho is it?,Ann is it\n')
    arguments = ["csv", path, "--no-header", "--columns", "question=1", "reply=2"]
    arguments += ["--validation-fraction", "0", "--cache-dir", str(tmp_path / "cache")]
    assert main([*arguments, "--output", str(tmp_path / "out")]) == 0
    rows = json.loads((tmp_path / "out" / "report.json").read_text())
    assert rows["rows_read"] == 2
