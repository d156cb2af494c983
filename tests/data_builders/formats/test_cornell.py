# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Readers of utterances and conversations in two files."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.formats import cornell
from data_builders.formats.cornell import (
    CornellConfig,
    CornellCorpus,
    LineTable,
    cornell_role,
)
from data_builders.reading import sample_of
from data_builders.report import BuildReport
from tests.data_builders.formats.text_formats import (
    arbitrary_lines,
    dialogues,
    guess_of,
    rejected,
    source_of,
)

one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
MARK = " +++$+++ "
LINES = [
    ("L1", "u0", "m0", "ANN", "Where to?"),
    ("L3", "u0", "m0", "ANN", ""),
    ("L2", "u1", "m0", "BOB", "Home."),
    ("L4", "u1", "m0", "BOB", "太晚了"),
    ("L5", "u0", "m0", "ANN", "是啊"),
]


def lines_text(rows):
    return "".join(MARK.join(row) + "\n" for row in rows)


def conversations_text(lists):
    return "".join(f"u0{MARK}u1{MARK}m0{MARK}{names!r}\n" for names in lists)


def read_two(folder, lines, conversations, **settings):
    folder.joinpath("movie_lines.txt").write_bytes(lines.encode())
    folder.joinpath("movie_conversations.txt").write_bytes(conversations.encode())
    report = BuildReport()
    config = CornellConfig(
        lines=str(folder / "movie_lines.txt"),
        conversations=str(folder / "movie_conversations.txt"),
        **settings,
    )
    return list(CornellCorpus.read_sources(config, report)), report


def test_conversations_about_a_picture_are_rejected(tmp_path):
    lines = lines_text([*LINES, ("L6", "u0", "m0", "ANN", "See <img>boat.jpg</img>.")])
    found, report = read_two(tmp_path, lines, conversations_text([["L1", "L2"], ["L6", "L4"]]))
    assert [raw.turns for raw in found] == [("Where to?", "Home.")]
    assert rejected(report) == [(2, "image")]


@one_folder
@given(dialogues.filter(bool), st.booleans())
def test_written_and_read_back(tmp_path, expected, backwards):
    rows, lists = [], []
    for turns in expected:
        lists.append([f"L{len(rows) + n}" for n in range(len(turns))])
        rows += [(f"L{len(rows) + n}", "u0", "m0", "ANN", turn) for n, turn in enumerate(turns)]
    text = lines_text(reversed(rows) if backwards else rows)
    found, report = read_two(tmp_path, text, conversations_text(lists), encoding="utf-8")
    assert [raw.turns for raw in found] == expected
    assert not report.rejected


@one_folder
@given(arbitrary_lines, arbitrary_lines)
def test_each_conversation_is_yielded_or_rejected(tmp_path, lines, conversations):
    # Begun well, so that the files are taken for what they are, however they go on.
    begun_lines = [MARK.join(row) for row in LINES] * 10
    begun = [f"u0{MARK}['L1', 'L2']"] * 50
    found, report = read_two(
        tmp_path,
        "\n".join(begun_lines + lines),
        "\n".join(begun + conversations),
        encoding="utf-8",
    )
    told = {raw.line for raw in found}
    told |= {r.line for r in report.rejects if r.file.endswith("movie_conversations.txt")}
    filled = {n for n, line in enumerate(begun + conversations, 1) if line.strip()}
    assert told == filled


@one_folder
@given(st.binary(max_size=100), st.binary(max_size=100))
def test_bytes_never_crash(tmp_path, lines, conversations):
    tmp_path.joinpath("a").write_bytes(lines)
    tmp_path.joinpath("b").write_bytes(conversations)
    config = CornellConfig(lines=str(tmp_path / "a"), conversations=str(tmp_path / "b"))
    try:
        list(CornellCorpus.read_sources(config, BuildReport()))
    except UserError:
        pass


def test_missing_lines_are_rejected(tmp_path):
    lists = [["L1", "L2"], ["L8", "L9"], ["L4", "L9", "L5"], ["L4", "L5"]]
    found, report = read_two(tmp_path, lines_text(LINES), conversations_text(lists))
    assert [(raw.line, raw.turns) for raw in found] == [
        (1, ("Where to?", "Home.")),
        (4, ("太晚了", "是啊")),
    ]
    assert rejected(report) == [(2, "missing line"), (3, "missing line")]
    assert [reject.text for reject in report.rejects] == ["L8, L9", "L9"]
    assert found[0].source == "movie_conversations.txt"


def test_empty_utterance_cuts_or_rejects(tmp_path):
    lists = [["L1", "L2", "L3", "L4", "L5"], ["L2", "L3", "L4"], ["L1", "L2", "L3", "L4"]]
    found, report = read_two(tmp_path, lines_text(LINES), conversations_text(lists))
    assert [(raw.line, raw.turns) for raw in found] == [
        (1, ("Where to?", "Home.")),
        (1, ("太晚了", "是啊")),
        (3, ("Where to?", "Home.")),
    ]
    assert rejected(report) == [(2, "empty text")]
    assert report.notes == {
        "empty turns, where a dialogue was cut": 2,
        "turns left alone by such a cut": 1,
    }


def test_one_line_or_no_list_is_rejected(tmp_path):
    conversations = conversations_text([["L1"], []]) + f"u0{MARK}u1{MARK}['L1', 'L2'\n"
    found, report = read_two(
        tmp_path, lines_text(LINES), conversations_text([["L1", "L2"]] * 9) + conversations
    )
    assert len(found) == 9
    assert rejected(report) == [
        (10, "fewer than two turns"),
        (11, "fewer than two turns"),
        (12, "not a list"),
    ]


def test_the_speaker_is_not_taken_for_the_text(tmp_path):
    lines = lines_text(LINES) + f"L6{MARK}u0{MARK}m0{MARK}ANN\n"
    _, report = read_two(tmp_path, lines, conversations_text([["L1", "L6"]]))
    assert rejected(report) == [(6, "wrong number of columns"), (1, "missing line")]


def test_text_may_hold_the_mark(tmp_path):
    lines = lines_text(LINES) + f"L6{MARK}u0{MARK}m0{MARK}ANN{MARK}a{MARK}b\n"
    found, _ = read_two(tmp_path, lines, conversations_text([["L1", "L6"]]))
    assert found[0].turns == ("Where to?", f"a{MARK}b")


def test_ids_without_quotes_and_more_columns(tmp_path):
    lines = "".join(f"{n} +++$+++ user +++$+++ text {n}\n" for n in range(4))
    conversations = "0 +++$+++ a +++$+++ b +++$+++ 2026-1-1 +++$+++ [0, 1]\n1 +++$+++ [2,3]\n"
    found, _ = read_two(tmp_path, lines, conversations)
    assert [raw.turns for raw in found] == [("text 0", "text 1"), ("text 2", "text 3")]


def test_first_of_two_equal_ids_counts(tmp_path):
    lines = lines_text([*LINES, ("L1", "u0", "m0", "ANN", "second")])
    found, report = read_two(tmp_path, lines, conversations_text([["L1", "L2"]]))
    assert found[0].turns == ("Where to?", "Home.")
    assert report.notes == {"lines whose id was there before left out": 1}


def write_folder(folder, **contents):
    for name, content in contents.items():
        folder.joinpath(f"{name}.txt").write_text(content, encoding="utf-8")


def test_a_folder_is_sorted_out(tmp_path):
    write_folder(
        tmp_path,
        movie_conversations=conversations_text([["L1", "L2"]]),
        movie_lines=lines_text(LINES),
        movie_titles=f"m0{MARK}a title{MARK}1999{MARK}['comedy']\n",
        movie_characters=f"u0{MARK}ANN{MARK}m0{MARK}a title{MARK}?{MARK}?\n",
        notes="about this corpus\n",
    )
    sizes, report = [], BuildReport()
    config = CornellConfig(files=(str(tmp_path),))
    found = list(CornellCorpus.read_sources(config, report, sizes.append))
    assert [raw.turns for raw in found] == [("Where to?", "Home.")]
    assert report.notes == {"files that are neither lines nor conversations left out": 3}
    # Opened twice, but counted once.
    total = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert abs(sum(sizes) - total) <= 1
    assert sorted(map(str, config.content_files())) == sorted(map(str, tmp_path.iterdir()))


def test_an_archive_is_sorted_out(tmp_path):
    contents = {"b_lines.txt": lines_text(LINES), "a.txt": conversations_text([["L1", "L2"]])}
    with tarfile.open(tmp_path / "corpus.tar.gz", "w:gz") as archive:
        for name, content in sorted(contents.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    config = CornellConfig(files=(str(tmp_path / "corpus.tar.gz"),))
    (found,) = CornellCorpus.read_sources(config, BuildReport())
    assert found.turns == ("Where to?", "Home.")


@pytest.mark.parametrize("role", ["lines", "conversations"])
def test_the_missing_file_is_named(tmp_path, role):
    contents = {"lines": lines_text(LINES), "conversations": conversations_text([["L1", "L2"]])}
    del contents[role]
    write_folder(tmp_path, **contents)
    with pytest.raises(UserError, match=f"The file of {role} is missing.*movie_{role}.txt"):
        list(CornellCorpus.read_sources(CornellConfig(files=(str(tmp_path),)), BuildReport()))
    with pytest.raises(UserError, match=f"`{role}` is not set"):
        config = CornellConfig(**{name: "a.txt" for name in contents})
        list(CornellCorpus.read_sources(config, BuildReport()))


def test_metadata_for_lines_is_refused(tmp_path):
    write_folder(
        tmp_path,
        titles=f"m0{MARK}a title{MARK}1999{MARK}['comedy']\n",
        conversations=conversations_text([["L1", "L2"]]),
    )
    paths = {"lines": tmp_path / "titles.txt", "conversations": tmp_path / "conversations.txt"}
    config = CornellConfig(**{name: str(path) for name, path in paths.items()})
    with pytest.raises(UserError, match=r"titles.txt \(metadata\)"):
        list(CornellCorpus.read_sources(config, BuildReport()))


def test_roles_and_guess():
    def role(text):
        return cornell_role(sample_of(source_of(text)))

    assert role(lines_text(LINES)) == "lines"
    assert role(conversations_text([["L1", "L2"]])) == "conversations"
    assert role(f"m0{MARK}a title{MARK}['comedy', 'romance']\n") == "metadata"
    assert role("a | b\n") is None
    assert guess_of(CornellCorpus, lines_text(LINES)).options == {"lines": "a.txt"}
    assert guess_of(CornellCorpus, "a\tb\n") is None


@given(st.dictionaries(st.text("L0123", max_size=4), st.text(max_size=5), max_size=20))
def test_table_gives_back_what_was_put_in(expected):
    expected = {
        name: text.replace("\n", " ") for name, text in expected.items() if "\0" not in text
    }
    table = LineTable()
    for name, text in expected.items():
        table.add(name, text)
    assert table.repeated == 0
    assert list(map(table.text, [*expected, "another"])) == [*expected.values(), None]
    table.close()


def test_a_table_larger_than_its_cache_keeps_the_first_of_equal_ids(monkeypatch):
    monkeypatch.setattr(cornell, "_CACHE_KB", 10)
    table = LineTable()
    for number in (*range(5_000), 77):
        table.add(f"L{number}", f"text {number}" * (1 + table.repeated))
    table.add("L77", "another")
    assert table.repeated == 2
    texts = ["text 4999", "text 0", "text 77", None]
    assert list(map(table.text, ["L4999", "L0", "L77", "L5000"])) == texts
    table.close()


def naive_pieces(lines: Path, conversations: Path) -> list[tuple[str, ...]]:
    texts = {}
    with gzip.open(lines, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            columns = line.removesuffix("\n").split(MARK)
            texts[columns[0]] = columns[-1].strip()
    pieces = []
    with gzip.open(conversations, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            names = line.split(MARK)[-1].strip().strip("[]'").split("', '")
            if all(name in texts for name in names):
                joined = "\0".join(texts[name] for name in names)
                runs = (run.strip("\0").split("\0") for run in joined.split("\0\0"))
                pieces += [tuple(run) for run in runs if len(run) > 1]
    return pieces


@pytest.mark.slow
def test_real_corpus(shared_data: Path):
    folder = shared_data / "en_dialogue" / "cornell"
    paths = [folder / "movie_lines.txt.gz", folder / "movie_conversations.txt.gz"]
    report = BuildReport()
    config = CornellConfig(lines=str(paths[0]), conversations=str(paths[1]))
    found = list(CornellCorpus.read_sources(config, report))
    assert report.rejected["missing line"] == 20_648
    assert len({raw.line for raw in found}) + report.rejected["empty text"] == 62_449
    # 172,179 pairs, less those of which one side is empty.
    assert 171_800 < sum(len(raw.turns) - 1 for raw in found) < 172_179
    assert [raw.turns for raw in found] == naive_pieces(*paths)


def test_real_egret(shared_data: Path):
    files = [f"zh_community_qa/egret_wenda_{name}.txt" for name in ("conversations", "lines")]
    report = BuildReport()
    config = CornellConfig(files=tuple(str(shared_data / name) for name in files))
    found = list(CornellCorpus.read_sources(config, report))
    assert len(found) == 2_908 and not report.rejected and not report.notes
