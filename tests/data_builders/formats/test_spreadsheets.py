# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Spreadsheets and SQLite databases are read as tables, and a database is only looked at."""

from __future__ import annotations

import os
import sqlite3
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from data_builders.errors import UserError
from data_builders.formats.spreadsheets import TablesCorpus
from data_builders.reading import sample_of, source_files
from data_builders.report import BuildReport
from data_builders.sources.sources import find_sources

ROWS = [("Is it open?", "Until nine."), ("几点了？", "三点。"), ("How many?", 7.0), ("And?", None)]
TURNS = [("Is it open?", "Until nine."), ("几点了？", "三点。"), ("How many?", "7")]


def workbook(path: Path, header: tuple[str, ...] = ("question", "answer")) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["date", "animal"])
    book.active.append(["1 May", "heron"])
    sheet = book.create_sheet("talks")
    for row in (header, *ROWS):
        sheet.append(row)
    book.save(path)
    return path


def database(path: Path, header: tuple[str, ...] = ("question", "answer"), more: str = "") -> Path:
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE TABLE animals (name)")
        base.execute(f'CREATE TABLE "my ""talks""" ({", ".join(header)})')
        base.executemany('INSERT INTO "my ""talks""" VALUES (?, ?)', ROWS)
        base.executescript(more)
    return path


def read(path: Path, **settings: object) -> tuple[list[tuple[str, ...]], BuildReport]:
    report = BuildReport()
    config = TablesCorpus.BUILDER_CONFIG_CLASS(files=(str(path),), **settings)
    return [raw.turns for raw in TablesCorpus.read_sources(config, report)], report


@pytest.mark.parametrize(("make", "name"), [(workbook, "a.xlsx"), (database, "a.db")])
def test_every_table_with_known_columns_is_read(tmp_path, make, name):
    path = make(tmp_path / name)
    turns, report = read(path)
    assert turns == TURNS
    assert sum(report.rejected.values()) == 1  # "And?" has no reply.
    assert report.rejects[0].line == (5 if make is workbook else 4)
    assert any("tables passed over" in note for note in report.notes)
    (spec,) = find_sources([str(tmp_path)])
    assert (spec.format, spec.options) == ("tables", {"files": (str(path),)})


@pytest.mark.parametrize(("make", "name"), [(workbook, "a.xlsx"), (database, "a.db")])
def test_columns_can_be_named(tmp_path, make, name):
    path = make(tmp_path / name, ("asked", "said"))
    with pytest.raises(UserError, match="no known format; its rows have the keys .*--columns"):
        read(path)
    assert read(path, columns={"question": "asked", "reply": "said"})[0] == TURNS
    said: list[str] = []
    with pytest.raises(UserError, match="no file of a known format"):
        find_sources([str(tmp_path)], say=said.append)
    assert "no table has columns that are known" in said[0]


@pytest.mark.parametrize(("make", "name"), [(workbook, "a.xlsx"), (database, "a.db")])
def test_a_table_in_an_archive_is_unpacked_when_its_format_is_named(tmp_path, make, name):
    path = make(tmp_path / name)
    packed = tmp_path / "c.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(path, name)
    if make is database:
        assert read(packed)[0] == TURNS
    else:
        with pytest.raises(UserError, match="zip inside another archive"):
            read(packed)


def test_nothing_of_a_database_is_run_and_nothing_written_beside_it(tmp_path):
    harm = """
        CREATE VIEW talk AS SELECT load_extension('x') AS question, 'b' AS answer;
        CREATE TABLE made (question, answer AS (printf('%s', question)));
        INSERT INTO made VALUES ('run');
        CREATE VIRTUAL TABLE texts USING fts5(question, answer);
        INSERT INTO texts VALUES ('virtual', 'virtual');
    """
    path = database(tmp_path / "a.db", more=harm)
    before = path.read_bytes()
    os.chmod(path, 0o400)
    try:
        turns, _ = read(path)
    except UserError as error:
        assert "not authorized" in str(error)
    else:
        assert not {"run", "virtual"} & {text for pair in turns for text in pair}
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.db"]


@pytest.mark.parametrize(("make", "name"), [(workbook, "a.xlsx"), (database, "a.db")])
def test_damage_is_a_sentence_or_a_reject(tmp_path, make, name):
    whole = make(tmp_path / name).read_bytes()
    for cut in range(100, len(whole), 700):
        path = tmp_path / f"{cut}-{name}"
        path.write_bytes(whole[:cut] + b"\xff" * 40 + whole[cut + 40 :])
        try:
            read(path)
            find_sources([str(path)])
        except UserError as error:
            assert str(cut) in str(error) or "known format" in str(error)


def test_a_workbook_needs_its_library(tmp_path, monkeypatch):
    path = workbook(tmp_path / "a.xlsx")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UserError, match=r"a\.xlsx: spreadsheet files need .*tfchat-hf\[xlsx\]"):
        read(path)
    assert sample_of(next(source_files([str(path)]))).text.startswith("PK")


def test_a_workbook_that_is_a_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("data_builders.reading.streams.BOMB_FLOOR", 1 << 20)
    path = workbook(tmp_path / "a.xlsx")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/more.xml", b" " * (30 << 20))
    with pytest.raises(UserError, match="compression bomb"):
        read(path)
