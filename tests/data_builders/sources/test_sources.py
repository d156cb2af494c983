# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From paths to sources: what is guessed, what belongs together, what is passed over and said."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from data_builders import build_dialogues
from data_builders.__main__ import main
from data_builders.errors import UserError
from data_builders.formats.registry import FAMILIES, FILE_FAMILIES
from data_builders.sources.sources import MANY_FILES, SourceSpec, find_sources

NUMBERS = range(40)
TEXTS = {
    "conv": "".join(f"E\nM 你去过第{i}个城市吗\nM 去过{i}次了\n" for i in NUMBERS),
    "separated": "".join(f"what is number {i}\tit is {i * 3}\n" for i in NUMBERS),
    "dailydialog": "".join(
        f"Where is room {i} ? __eou__ Up {i} steps . __eou__\n" for i in NUMBERS
    ),
    "instruction": json.dumps(
        [{"instruction": f"Name {i} birds", "input": "", "output": f"Crow {i}"} for i in NUMBERS]
    ),
    "messages": "\n".join(
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": f"hello {i}"},
                    {"role": "assistant", "content": f"hello to you {i}"},
                ]
            }
        )
        for i in NUMBERS
    ),
    "pairs": "\n".join(json.dumps({"question": f"q {i}", "reply": f"r {i}"}) for i in NUMBERS),
    "csv": "question,answer\n" + "".join(f'"how, {i}?",so {i}\n' for i in NUMBERS),
}
BLOCKS = "\n".join(f"早上好{i}\n你也好{i}\n再见{i}\n" for i in NUMBERS)
NAMES = {"instruction": "a.json", "messages": "b.jsonl", "pairs": "c.jsonl", "csv": "d.csv"}
LINES = "".join(
    f"L{i} +++$+++ u{i % 2} +++$+++ m0 +++$+++ ANNA +++$+++ Line {i}\n" for i in NUMBERS
)
TALKS = "".join(
    f"u0 +++$+++ u1 +++$+++ m0 +++$+++ ['L{i}', 'L{i + 1}']\n" for i in list(NUMBERS)[:-1:2]
)


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture()
def folder(tmp_path) -> Path:
    """One file of each of several formats, in folders within each other."""
    for number, (kind, text) in enumerate(TEXTS.items()):
        write(tmp_path / "all" / "deep"[: number % 2 * 4] / NAMES.get(kind, f"{kind}.txt"), text)
    return tmp_path / "all"


def find(*paths: object, **more: object) -> tuple[list[SourceSpec], list[str]]:
    said: list[str] = []
    return find_sources([str(path) for path in paths], say=said.append, **more), said


def formats(specs: list[SourceSpec]) -> dict[str, str]:
    return {Path(spec.options["files"][0]).name: spec.format for spec in specs}


# --- guesses --------------------------------------------------------------------------------


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


def pack(path: Path, members: dict[str, str]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


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


def test_companions_in_an_archive_are_joined(tmp_path):
    members = {"f/movie_lines.txt": LINES, "f/movie_conversations.txt": TALKS}
    members |= {"train.enc": "".join(f"where is {i}\n" for i in NUMBERS)}
    members |= {"train.dec": "".join(f"at number {i}\n" for i in NUMBERS)}
    path = pack(tmp_path / "c.tar", members)
    specs, _ = find(path)
    assert sorted(spec.format for spec in specs) == ["cornell", "parallel"]
    result = build_dialogues(str(path), cache_dir=str(tmp_path / "cache"))
    assert {origin.format: origin.read for origin in result.report.origins} == {
        "cornell": 20,
        "parallel": 40,
    }


def test_many_members_of_one_suffix_are_one_kind(tmp_path):
    talk = json.dumps([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}])
    members = {f"{i}.json": talk for i in range(MANY_FILES + 9)} | {"x.tsv": TEXTS["separated"]}
    specs, said = find(pack(tmp_path / "m.tar", members))
    assert sorted((spec.format, len(spec.options["files"])) for spec in specs) == [
        ("messages", MANY_FILES + 9),
        ("separated", 1),
    ]
    assert any(line.startswith(f"m.tar/0.json and {MANY_FILES + 8} more") for line in said)


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


# --- companions -------------------------------------------------------------------------------


def parallel(folder: Path, one: str, other: str, lines: tuple[int, int] = (40, 40)) -> None:
    for name, count in zip((one, other), lines, strict=True):
        write(folder / name, "".join(f"{name[:1]} says 第{i}句话\n" for i in range(count)))


@pytest.mark.parametrize(
    "one, other",
    [
        ("src-train.txt", "tgt-train.txt"),
        ("train.enc", "train.dec"),
        ("weibo_post", "weibo_response"),
        ("questions.txt", "answers.txt"),
        ("chat.q", "chat.a"),
    ],
)
def test_files_of_questions_and_replies_are_joined(tmp_path, one, other):
    parallel(tmp_path, one, other)
    specs, said = find(tmp_path)
    assert [spec.format for spec in specs] == ["parallel"]
    options = specs[0].options
    assert (Path(options["questions"]).name, Path(options["replies"]).name) == (one, other)
    assert said == [f"{one} + {other}: format parallel"]
    result = build_dialogues(str(tmp_path), cache_dir=str(tmp_path / "cache"))
    assert result.report.rows_read == 40


def test_files_of_unequal_length_are_not_joined(tmp_path):
    parallel(tmp_path, "train.enc", "train.dec", (40, 42))
    write(tmp_path / "a.tsv", TEXTS["separated"])
    assert [spec.format for spec in find(tmp_path)[0]] == ["separated"]


def test_pairs_of_several_folders_stay_apart(tmp_path):
    for name in ("one", "two"):
        parallel(tmp_path / name, "questions.txt", "answers.txt")
    specs, _ = find(tmp_path)
    assert [spec.format for spec in specs] == ["parallel", "parallel"]
    for spec in specs:
        assert Path(spec.options["questions"]).parent == Path(spec.options["replies"]).parent


def test_lines_and_conversations_are_joined_whatever_lies_beside(tmp_path):
    write(tmp_path / "movie_lines.txt", LINES)
    write(tmp_path / "movie_conversations.txt", TALKS)
    write(tmp_path / "movie_titles.txt", "m0 +++$+++ a film +++$+++ 1999\n" * 40)
    write(tmp_path / "notes.txt", TEXTS["separated"])
    specs, said = find(tmp_path)
    assert sorted(spec.format for spec in specs) == ["cornell", "separated"]
    assert "movie_lines.txt + movie_conversations.txt: format cornell" in said
    assert "movie_titles.txt: passed over, no known format of dialogues" in said


def test_of_several_lines_and_conversations_those_named_alike_are_joined(tmp_path):
    names = ("egret", "movie", "series")
    for name in names:
        write(tmp_path / f"{name}_conversations.txt", TALKS)
        write(tmp_path / f"{name}_lines.tsv", LINES)
    _, said = find(tmp_path)
    for name in names:
        assert f"{name}_lines.tsv + {name}_conversations.txt: format cornell" in said


def test_both_halves_named_one_by_one_are_joined_too(tmp_path):
    lines = write(tmp_path / "movie_lines.txt", LINES)
    talks = write(tmp_path / "movie_conversations.txt", TALKS)
    assert [spec.format for spec in find(talks, lines)[0]] == ["cornell"]


def test_half_a_pair_alone_is_an_error(tmp_path):
    lines = write(tmp_path / "movie_lines.txt", LINES)
    with pytest.raises(UserError, match="cornell is two files, lines and conversations"):
        find(lines)


# --- what is no corpus --------------------------------------------------------------------------


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


# --- overruling ---------------------------------------------------------------------------------


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


# --- what cannot be read beside what can ---------------------------------------------------------


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


def test_files_that_answer_each_other_are_one_source(tmp_path):
    bot = tmp_path / "bot"
    nlu = "nlu:\n- intent: greet\n  examples: |\n    - hey\n    - hello there\n"
    story = "stories:\n- story: a\n  steps:\n  - intent: greet\n  - action: utter_greet\n"
    reply = "responses:\n  utter_greet:\n  - text: Hi!\n  - text: Good day.\n"
    write(bot / "domain.yml", reply)
    write(bot / "data" / "nlu.yml", nlu)
    write(bot / "data" / "stories.yml", story)
    write(tmp_path / "other" / "nlu.yml", nlu.replace("there", "you"))
    write(tmp_path / "other" / "domain.yml", story + reply.replace("Good day.", "Yes?"))
    specs, said = find(tmp_path)
    assert [spec.name for spec in specs] == ["data", "other"]
    assert len(said) == 2 and all("format rasa" in line for line in said)
    report = build_dialogues(str(tmp_path), cache_dir=str(tmp_path / "cache")).report
    assert [origin.read for origin in report.origins] == [4, 4]


# --- sentences that must lead on -----------------------------------------------------------------


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


def test_the_name_of_the_output_cannot_steer_a_terminal(tmp_path, capsys):
    path, out = write(tmp_path / "a.tsv", TEXTS["separated"]), tmp_path / "o\x1b[2J\u202e"
    for _ in range(2):
        arguments = ["build", path, "--cache-dir", str(tmp_path / "c"), "--output", str(out)]
        assert main(arguments) == 0
    assert not set(capsys.readouterr().out) & set("\x1b\u202e")
