# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Files and folders are written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_builders.writing import (
    LEFTOVER_SECONDS,
    sweep,
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


# --- folders --------------------------------------------------------------------------------


def marked(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "old").write_text("old")
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_takes_the_place_of_the_old_one_at_the_end(tmp_path: Path) -> None:
    out = marked(tmp_path / "deep" / "out")
    with whole_folder(out) as fresh:
        (fresh / "new").touch()
        assert names(out) == {"old"}  # readers are not disturbed before
    assert names(out) == {"new"} and names(out.parent) == {"out"}


def test_a_folder_that_fails_half_way_leaves_the_old_one_and_nothing_beside_it(
    tmp_path: Path,
) -> None:
    out = marked(tmp_path / "out")
    with pytest.raises(KeyboardInterrupt), whole_folder(out) as fresh:
        (fresh / "half").touch()
        raise KeyboardInterrupt
    assert names(out) == {"old"} and names(tmp_path) == {"out"}


def test_a_folder_that_cannot_be_renamed_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, rename = marked(tmp_path / "out"), Path.rename

    def refuse(path: Path, to: Path) -> None:
        if ".new-" in path.name:
            raise OSError(28, "No space left on device")
        rename(path, to)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="No space"), whole_folder(out):
        pass
    assert names(out) == {"old"} and names(tmp_path) == {"out"}


def test_the_rights_of_a_folder_are_those_of_the_umask(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    with whole_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").stat().st_mode == plain.stat().st_mode


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_sweep_removes_what_the_dead_left(tmp_path: Path) -> None:
    marked(tmp_path / f".out.new-{dead_process()}")
    marked(tmp_path / f".out.old-{dead_process()}")
    marked(tmp_path / "out")
    sweep(tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_sweep_brings_back_what_was_set_aside(tmp_path: Path) -> None:
    marked(tmp_path / f".out.old-{dead_process()}")
    sweep(tmp_path / "out")
    assert (tmp_path / "out" / "old").exists()


def test_sweep_spares_the_living_and_what_is_not_ours(tmp_path: Path) -> None:
    living = [".out.new-1", f".out.old-{os.getppid()}", ".out.new-x", ".out.txt", ".other.new-9"]
    for name in living:
        marked(tmp_path / name)
    sweep(tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == set(living)


def test_two_processes_may_make_the_same_shared_folder(tmp_path: Path) -> None:
    folder = tmp_path / "kind" / "entry"
    with whole_folder(folder, shared=True) as slow:
        (slow / "content").write_text("same")
        with whole_folder(folder, shared=True) as quick:
            (quick / "content").write_text("same")
    assert (folder / "content").read_text() == "same" and names(folder.parent) == {"entry"}


def test_beside_a_shared_folder_only_what_is_old_is_swept(tmp_path: Path) -> None:
    dead = dead_process()
    for name, age in (
        (f".entry.new-{dead}-a", LEFTOVER_SECONDS + 60),
        (f".entry.new-{dead}-b", 60),
    ):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    with whole_folder(tmp_path / "entry", shared=True):
        pass
    assert names(tmp_path) == {f".entry.new-{dead}-b", "entry"}
