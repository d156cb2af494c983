# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A file or a folder is written whole or not at all."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from data_builders.writing import (
    LEFTOVER_SECONDS,
    whole_file,
    whole_folder,
    write_json,
    write_whole,
)


def test_text_and_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    write_whole(tmp_path / "text", "你好\r\n")
    write_whole(tmp_path / "bytes", b"\xff\n")
    write_json(tmp_path / "json", {"问": 1})
    assert (tmp_path / "text").read_bytes() == b"\xe4\xbd\xa0\xe5\xa5\xbd\r\n"
    assert (tmp_path / "bytes").read_bytes() == b"\xff\n"
    assert (tmp_path / "json").read_text(encoding="utf-8") == '{"问": 1}'


def test_what_fails_half_way_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    write_whole(path, "old")
    with pytest.raises(RuntimeError), whole_file(path) as fresh:
        fresh.write_text("half")
        raise RuntimeError
    assert [each.name for each in tmp_path.iterdir()] == ["kept"] and path.read_text() == "old"


def test_a_file_that_cannot_be_renamed_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*names: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "a", "text")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "kind" / "entry"
    with pytest.raises(KeyboardInterrupt), whole_folder(folder) as fresh:
        (fresh / "half").write_text("x")
        raise KeyboardInterrupt
    assert list(folder.parent.iterdir()) == []


def test_a_folder_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    folder = tmp_path / "kind" / "entry"
    folder.mkdir(parents=True)
    (folder / "damaged").touch()
    with whole_folder(folder) as fresh:
        (fresh / "whole").touch()
        assert (folder / "damaged").exists()  # readers are not disturbed before the end
    assert [path.name for path in folder.iterdir()] == ["whole"]
    assert [path.name for path in folder.parent.iterdir()] == ["entry"]


def test_two_processes_may_make_the_same_folder(tmp_path: Path) -> None:
    folder = tmp_path / "kind" / "entry"
    with whole_folder(folder) as slow:
        (slow / "content").write_text("same")
        with whole_folder(folder) as quick:
            (quick / "content").write_text("same")
    assert (folder / "content").read_text() == "same"


def test_what_killed_runs_left_behind_is_swept_after_days(tmp_path: Path) -> None:
    for name, age in ((".making-old", LEFTOVER_SECONDS + 60), (".making-new", 60)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    with whole_folder(tmp_path / "entry"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".making-new", "entry"]
