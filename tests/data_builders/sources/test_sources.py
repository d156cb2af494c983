# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From paths to sources: what is guessed, what is one source, and what overrules the guess."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from data_builders import build_dialogues
from data_builders.__main__ import main
from data_builders.errors import UserError
from data_builders.formats.registry import FAMILIES
from data_builders.sources.sources import MANY_FILES, SourceSpec
from tests.data_builders.sources.found import BLOCKS, NUMBERS, TEXTS, find, formats, pack, write

NAMES = {"instruction": "a.json", "messages": "b.jsonl", "pairs": "c.jsonl", "csv": "d.csv"}


def test_each_file_of_a_folder_gets_its_own_format(folder):
    specs, said = find(folder)
    expected = {NAMES.get(kind, f"{kind}.txt"): kind for kind in TEXTS}
    assert formats(specs) == expected
    assert {line.split(": format ")[0] for line in said} == set(expected)
    for spec, line in zip(specs, said, strict=True):
        assert f"format {spec.format}" in line and "(" in line and str(folder) not in line


def test_order_is_that_of_the_names(folder):
    specs, _ = find(folder)
    paths = [Path(spec.options["files"][0]).relative_to(folder).parts for spec in specs]
    assert paths == sorted(paths)
    first, second = sorted(folder.glob("*.txt"))[:2]
    specs, _ = find(second, first)
    assert [spec.options["files"] for spec in specs] == [(str(second),), (str(first),)]


def test_a_file_given_twice_is_one_source(folder):
    path = folder / "conv.txt"
    assert len(find(path, path)[0]) == 1
    assert len(find(folder, path)[0]) == len(TEXTS)


def test_patterns_and_compressed_files(tmp_path):
    (tmp_path / "a.conv.gz").write_bytes(gzip.compress(TEXTS["conv"].encode()))
    write(tmp_path / "b.conv", TEXTS["conv"])
    with tarfile.open(tmp_path / "c.conv.tar.xz", "w:xz") as tar:
        member = tarfile.TarInfo("inside/x.conv")
        member.size = len(TEXTS["conv"].encode())
        tar.addfile(member, io.BytesIO(TEXTS["conv"].encode()))
    specs, _ = find(tmp_path / "*.conv*")
    assert formats(specs) == dict.fromkeys(("a.conv.gz", "b.conv", "c.conv.tar.xz"), "conv")


def test_an_archive_of_one_kind_is_one_source(tmp_path):
    path = pack(tmp_path / "a.tar", {"1.conv": TEXTS["conv"], "2.conv": TEXTS["conv"]})
    specs, said = find(path)
    assert [spec.options["files"] for spec in specs] == [(str(path),)]
    assert [line.split(" (")[0] for line in said] == ["a.tar: format conv"]


def test_an_archive_of_two_kinds_is_read_as_both_and_loses_no_file(tmp_path):
    members = {"a.tsv": TEXTS["separated"], "b.jsonl": TEXTS["messages"], "d.bin": "\0\1\2"}
    path = pack(tmp_path / "two.tar", members | {"c.jsonl": TEXTS["messages"]})
    specs, said = find(path)
    assert [(spec.format, spec.options["files"]) for spec in specs] == [
        ("separated", (f"{path}/a.tsv",)),
        ("messages", (f"{path}/b.jsonl", f"{path}/c.jsonl")),
    ]
    assert [line.split(": ")[0] for line in said] == [
        "two.tar/a.tsv",
        "two.tar/b.jsonl and 1 more",
        "two.tar/d.bin",
    ]
    assert "passed over" in said[2]
    result = build_dialogues(str(path), cache_dir=str(tmp_path / "cache"))
    assert result.report.rows_read == 120 and not result.report.rejected
    assert result.report.sources == ["two.tar/a.tsv", "two.tar (messages)"]


def test_many_members_of_one_suffix_are_one_kind(tmp_path):
    talk = json.dumps([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}])
    members = {f"{i}.json": talk for i in range(MANY_FILES + 9)} | {"x.tsv": TEXTS["separated"]}
    specs, said = find(pack(tmp_path / "m.tar", members))
    assert sorted((spec.format, len(spec.options["files"])) for spec in specs) == [
        ("messages", MANY_FILES + 9),
        ("separated", 1),
    ]
    assert any(line.startswith(f"m.tar/0.json and {MANY_FILES + 8} more") for line in said)


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("gb18030", ", read as gb18030"), ("cp1252", ", read as cp1252, a guess"), ("utf-8", ")")],
)
def test_the_encoding_is_said_with_the_format(tmp_path, encoding, said):
    rows = (
        "一共有多少？\t一共有三个。\n" if encoding == "gb18030" else "où es-tu ?\tà l'école, là\n"
    )
    (tmp_path / "a.tsv").write_bytes((rows * 30).encode(encoding))
    (line,) = find(tmp_path / "a.tsv")[1]
    assert line.startswith("a.tsv: format separated") and line.endswith(said)


def test_names_that_steer_a_terminal_are_shown_and_not_obeyed(tmp_path, capsys):
    folder = tmp_path / "f"
    write(folder / "a\x1b]0;P\x07\n.tsv", TEXTS["separated"])
    with open(os.fsencode(folder) + b"/b\xff\xe2\x80\xae.tsv", "wb") as file:
        file.write(TEXTS["separated"].replace("what", "which").encode())
    out = tmp_path / "out"
    assert (
        main(["build", str(folder), "--cache-dir", str(tmp_path / "c"), "--output", str(out)]) == 0
    )
    said = capsys.readouterr().out
    assert r"a\x1b]0;P\x07\n.tsv: format separated" in said and r"b\xff" in said
    written = said + (out / "report.json").read_text() + (out / "README.md").read_text()
    assert not set(written) & set("\x1b\x07\u202e\udcff")


def test_many_like_files_of_a_folder_are_one_source(tmp_path):
    dialogue = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    for i in range(MANY_FILES + 1):
        write(tmp_path / "talks" / f"{i}.json", json.dumps(dialogue))
    write(tmp_path / "talks" / "chat.tsv", TEXTS["separated"])
    specs, said = find(tmp_path / "talks")
    assert sorted((spec.format, len(spec.options["files"])) for spec in specs) == [
        ("messages", MANY_FILES + 1),
        ("separated", 1),
    ]
    assert any(f" and {MANY_FILES} more: format messages" in line for line in said)


def test_a_named_format_overrules_the_guess(tmp_path):
    path = write(tmp_path / "a.txt", BLOCKS)
    assert find(path)[0][0].format == "blocks"
    specs, said = find(path, format="alternating")
    assert specs == [SourceSpec("alternating", {"files": (path,)})] and not said


def test_a_named_option_overrules_the_guessed_one(tmp_path):
    path = write(tmp_path / "a.txt", "".join(f"a={i}\tb={i}\n" for i in NUMBERS))
    assert find(path)[0][0].options["separator"] == "\t"
    assert find(path, options={"separator": "="})[0][0].options["separator"] == "="


def test_an_encoding_goes_to_every_source(tmp_path):
    path = tmp_path / "a.conv"
    path.write_bytes(TEXTS["conv"].encode("utf-16"))
    specs, _ = find(path, options={"encoding": "utf-16", "language": "zh"})
    assert specs[0].options == {"files": (str(path),), "encoding": "utf-16", "language": "zh"}


def test_the_command_says_the_guess_and_takes_another(tmp_path, capsys):
    path = write(tmp_path / "a.txt", BLOCKS)
    shared = ["--cache-dir", str(tmp_path / "cache"), "--output"]
    assert main(["build", path, *shared, str(tmp_path / "guessed")]) == 0
    assert "a.txt: format blocks (" in capsys.readouterr().out
    assert main(["build", path, "--format", "alternating", *shared, str(tmp_path / "told")]) == 0
    assert "a.txt: format" not in capsys.readouterr().out
    kept = [
        json.loads((tmp_path / name / "report.json").read_text())["origins"][0]["format"]
        for name in ("guessed", "told")
    ]
    assert kept == ["blocks", "alternating"]


def test_settings_a_format_does_not_have_are_refused():
    with pytest.raises(UserError, match="The format conv has no setting `separator`"):
        SourceSpec("conv", {"files": ("a",), "separator": "="}).config()
    with pytest.raises(UserError, match="There is no format 'klingon'. Choose from pairs, "):
        SourceSpec("klingon").config()


def test_a_folder_named_like_a_format_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "messages" / "a.conv", TEXTS["conv"])
    assert build_dialogues("messages", cache_dir="cache").report.rows_read == 40


def test_a_package_has_no_settings_of_files():
    with pytest.raises(UserError, match="The format chatterbot has no setting `language`"):
        build_dialogues("chatterbot", options={"language": "zh"})


def test_the_licence_given_stands_beside_every_source(folder, tmp_path):
    result = build_dialogues(str(folder), cache_dir=str(tmp_path / "cache"), license="MIT")
    assert {origin.license for origin in result.report.origins} == {"MIT"}
    assert result.settings["license"] == "MIT"


def test_shown_names_are_never_paths(folder):
    for spec in find(folder)[0]:
        assert os.sep not in spec.shown_name()


@pytest.mark.slow
def test_real_folders_are_found_whole(shared_data):
    specs, said = find(shared_data)
    named = {str(path) for spec in specs for path in _paths(spec)}
    passed = {line.split(":")[0] for line in said if "passed over" in line}
    assert passed == {
        "movie_characters_metadata.txt.gz",
        "movie_titles_metadata.txt",
        "movie_lines.original-head.txt",
        "char_common.json",
        "xiaohuangjie.txt",  # turns between blank lines, and nothing else that tells of talk
        *(f"{part}.{side}" for part in ("train", "test") for side in ("enc", "dec")),
    }
    files = [p for p in shared_data.rglob("*") if p.is_file() and p.suffix != ".md"]
    assert len(files) > 40
    assert {str(path) for path in files} - named == {
        str(path) for path in files if path.name in passed
    }
    assert {spec.format for spec in specs} <= set(FAMILIES)


def _paths(spec: SourceSpec) -> list[str]:
    names = ("questions", "replies", "lines", "conversations")
    pair = [spec.options[name] for name in names if name in spec.options]
    return pair or list(spec.options["files"])


def test_the_name_of_the_output_cannot_steer_a_terminal(tmp_path, capsys):
    path, out = write(tmp_path / "a.tsv", TEXTS["separated"]), tmp_path / "o\x1b[2J\u202e"
    for _ in range(2):
        arguments = ["build", path, "--cache-dir", str(tmp_path / "c"), "--output", str(out)]
        assert main(arguments) == 0
    assert not set(capsys.readouterr().out) & set("\x1b\u202e")
