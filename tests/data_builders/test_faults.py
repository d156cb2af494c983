# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a build survives: kill -9, a full disk, vanished files, Ctrl-C, and a second of its kind."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

import datasets
import pytest
from filelock import FileLock

import data_builders.building.builder as base
import data_builders.building.staging as staging
import data_builders.commands.command as command
import data_builders.output.folder as output
import data_builders.writing as writing
from data_builders.__main__ import main
from data_builders.formats.rows import PairsCorpus
from tests.commands import run_python
from tests.data_builders.faulty import (
    PATIENCE_SECONDS,
    end_session,
    kill_at,
    session_members,
    start,
    wait_for,
)

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
# The search for near copies opens files for each pair of shards: seven take twice as long as four.
SHARDS, SHARD = 4, 100


def corpus(folder: Path) -> Path:
    path = folder / "chat.tsv"
    rows = [f"what is thing number {i} for\tit is for use {i * 7}" for i in range(SHARDS * SHARD)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


class Place(NamedTuple):
    folder: Path
    source: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def arguments(self) -> list[str]:
        folders = ["--output", str(self.out), "--cache-dir", str(self.folder / "cache")]
        return ["build", str(self.source), *folders, "--workers", "2"]

    @property
    def mark(self) -> Path:
        return self.folder / "mark"

    def beside(self) -> set[str]:
        """List what lies in the folder, but for what the test put there."""
        known = {"cache", "mark", self.source.name}
        return {path.name for path in self.folder.iterdir()} - known

    def unfinished(self) -> list[Path]:
        cache = self.folder / "cache"
        halves = [path for path in cache.rglob("*.incomplete") if path.is_dir()]
        return [*halves, *(cache / base.STAGING_FOLDER).glob("*")]


def rows_of(out: Path) -> dict[str, list[str]]:
    return {name: split["id"][:] for name, split in datasets.load_from_disk(str(out)).items()}


@pytest.fixture()
def place(tmp_path, monkeypatch) -> Place:
    monkeypatch.setattr(staging, "SHARD_DIALOGUES", SHARD)
    return Place(tmp_path, corpus(tmp_path))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    place = Place(folder, corpus(folder))
    assert main(place.arguments) == 0
    rows = rows_of(place.out)
    assert all(len(ids) > 7 for ids in rows.values())
    return rows


# --- kill -9 --------------------------------------------------------------------------------

MOMENTS = {
    "cleaning in a worker": (
        'at(staging, "write_shard", lambda n, path, *_: path.name == "00002.arrow")',
        True,
    ),
    "half a shard is written": (
        'at(writing.os, "replace", lambda n, _, to: str(to).endswith("00002.arrow"))',
        True,
    ),
    "a shard is there, its counts are not": (
        'at(staging, "write_json", lambda n, path, *_: path.name == "00003.json")',
        True,
    ),
    "choosing what stays": ('at(base, "select", after=True)', True),
    "writing the splits": ('at(base, "selected_table", lambda n, *_: n == 10)', True),
    "data without report": ('at(BuildReport, "save")', True),
    "half the output": ('at(output, "save_split", lambda n, *_: n == 2, after=True)', False),
    "output without a card": ('at(output, "write_card")', False),
}


# A build takes seconds: three moments stand for the stages, all are looked at by hand.
OFTEN = ("a shard is there, its counts are not", "writing the splits", "half the output")
SOMETIMES = [pytest.param(m, marks=pytest.mark.slow) for m in MOMENTS if m not in OFTEN]


@needs_proc
@pytest.mark.parametrize("moment", [*OFTEN, *SOMETIMES])
def test_killed_build_is_finished_by_the_next_run(place, undisturbed, moment, capsys):
    code, in_the_cache_half = MOMENTS[moment]
    kill_at(place.arguments, place.mark, code)
    assert not place.out.exists()
    assert bool(place.unfinished()) == in_the_cache_half
    assert main(place.arguments) == 0
    assert rows_of(place.out) == undisturbed
    assert place.beside() == {"out"} and not place.unfinished()
    said = capsys.readouterr().out
    taken_over = "parts taken over from a build that was cut off"
    assert (taken_over if in_the_cache_half else "in the cache already") in said


@needs_proc
def test_killed_while_replacing_an_output_loses_neither(place, undisturbed, capsys):
    assert main([*place.arguments, "--validation-fraction", "0.5"]) == 0
    before = rows_of(place.out)
    again = [*place.arguments, "--overwrite"]
    moment = 'at(Path, "rename", lambda n, path, to: ".new-" in path.name)'
    kill_at(again, place.mark, moment)
    assert not place.out.exists()
    # Without --overwrite the old one comes back, and is left alone.
    assert main(place.arguments) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert rows_of(place.out) == before != undisturbed
    assert main(again) == 0
    assert rows_of(place.out) == undisturbed and place.beside() == {"out"}


def test_leftovers_under_the_own_process_number_are_swept(place, undisturbed):
    # In containers the next run often has the number of the one that was killed.
    left = place.folder / f".out.new-{os.getpid()}" / "train"
    left.mkdir(parents=True)
    (left / "half.arrow").write_bytes(b"half")
    assert main(place.arguments) == 0
    assert rows_of(place.out) == undisturbed and place.beside() == {"out"}
    assert not list(place.out.rglob("half.arrow"))


# More of their damages: building/test_staging.py.
def test_damaged_counts_of_a_shard_are_not_believed(place, undisturbed, monkeypatch):
    with monkeypatch.context() as during:
        stop(during, base, "select", KeyboardInterrupt())
        assert main(place.arguments) == 130
    next((place.folder / "cache").rglob("00001.json")).write_bytes(b'{"path": ')
    assert main(place.arguments) == 0
    assert rows_of(place.out) == undisturbed


# --- no space -------------------------------------------------------------------------------


def stop(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, error: BaseException) -> None:
    def raise_it(*given: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(owner, name, raise_it)


FULL = [
    (staging, "write_shard"),
    (writing.os, "replace"),
    (base, "selected_table"),
    (datasets.arrow_writer.ArrowWriter, "write_table"),
    (datasets.arrow_writer.ArrowWriter, "finalize"),
    (base.BuildReport, "save"),
    (output, "save_split"),
    (output, "write_card"),
]


# In a worker, in this process, and half the output: the other places are looked at by hand.
FULL_OFTEN = ("write_shard", "selected_table", "save_split")


@pytest.mark.parametrize(
    "owner, name",
    [
        pytest.param(*place, id=place[1], marks=() if place[1] in FULL_OFTEN else pytest.mark.slow)
        for place in FULL
    ],
)
def test_full_disk_is_said_and_the_next_run_finishes(
    place, undisturbed, monkeypatch, capsys, owner, name
):
    with monkeypatch.context() as full:
        stop(full, owner, name, OSError(errno.ENOSPC, "No space left on device"))
        assert main(place.arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert error[-1].startswith("error: the disk is full. Make room, or ")
    assert len(error) == 1
    assert place.beside() == set()
    assert main(place.arguments) == 0
    assert rows_of(place.out) == undisturbed and not place.unfinished()


SMALL_FILES = """
import resource, signal, sys
from data_builders.__main__ import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
sys.exit(main(sys.argv[1:]))
"""


def test_files_that_may_not_grow_are_no_half_dataset(place, undisturbed):
    # The nearest to a full disk that needs no rights: each file may take so many bytes.
    done = run_python(["-c", SMALL_FILES, *place.arguments])
    assert done.returncode == 2
    assert done.stderr.startswith("error: a file would be larger than this system allows. Make ")
    assert done.stderr.count("\n") == 1 and place.beside() == set()
    assert main(place.arguments) == 0
    assert rows_of(place.out) == undisturbed


@pytest.mark.parametrize(
    "error, said",
    [
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "your share of the disk is used up. Make "),
        # NumPy's words for a write that was cut short.
        (OSError("16777216 requested and 149872 written"), "the disk is full. Make room, or "),
        (PermissionError(errno.EACCES, "denied", "/x/y"), "/x/y may not be read or written. "),
        (OSError(errno.EROFS, "read-only", "/x/y"), "/x/y may not be read or written. "),
        (FileNotFoundError(errno.ENOENT, "no", "/x/y"), "/x/y is not there any more. Put it back "),
        (OSError("first\nsecond"), "first second"),
    ],
)
def test_errors_of_the_system_are_said_in_one_line(error, said):
    assert command.explain(error).startswith(said)
    assert "\n" not in command.explain(error)


@pytest.fixture()
def small_disk(tmp_path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("on_disk", ["cache", "out"])
def test_a_disk_that_is_really_full(place, small_disk, undisturbed, capsys, on_disk):
    folders = {"out": place.out, "cache": place.folder / "cache"}
    folders[on_disk] = small_disk / on_disk
    options = ["--output", str(folders["out"]), "--cache-dir", str(folders["cache"])]
    assert main(["build", str(place.source), *options]) == 2
    assert "error: the disk is full. " in capsys.readouterr().err
    assert not folders["out"].exists() and not list(small_disk.glob(".*"))
    grow = ["mount", "-o", "remount,size=64m", str(small_disk)]
    assert subprocess.run(grow).returncode == 0
    assert main(["build", str(place.source), *options]) == 0
    assert rows_of(folders["out"]) == undisturbed


# --- files that change or vanish --------------------------------------------------------------


def before_stage(monkeypatch: pytest.MonkeyPatch, happens: object) -> None:
    real = base.stage

    def changed(*given: object) -> list[Path]:
        happens()
        return real(*given)

    monkeypatch.setattr(base, "stage", changed)


SELDOM = [pytest.param(what, marks=pytest.mark.slow) for what in ("cut short", "appended to")]


@pytest.mark.parametrize("what", ["deleted", "rewritten", *SELDOM])
def test_a_source_that_changes_under_the_build(place, undisturbed, monkeypatch, capsys, what):
    content, stat = place.source.read_bytes(), place.source.stat()
    changes = {
        "deleted": place.source.unlink,
        "cut short": lambda: place.source.write_bytes(content[: len(content) // 2]),
        "appended to": lambda: place.source.write_bytes(content + b"more\twords\n"),
        "rewritten": lambda: place.source.write_bytes(content.upper()),
    }
    with monkeypatch.context() as during:
        before_stage(during, changes[what])
        assert main(place.arguments) == 2
    error = capsys.readouterr().err
    assert str(place.source) in error and error.count("\n") == 1
    assert place.beside() == set()
    place.source.write_bytes(content)
    os.utime(place.source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert main(place.arguments) == 0
    assert rows_of(place.out) == undisturbed


@pytest.mark.parametrize("what", ["vanishes", "appears"])
def test_a_file_of_a_folder_that_comes_or_goes(place, monkeypatch, capsys, what):
    folder = place.folder / "chat.tsv.d"
    folder.mkdir()
    for name in ("a.tsv", "b.tsv"):
        shutil.copy(place.source, folder / name)
    place.source.unlink()
    moved = Place(place.folder, folder)
    new = folder / "c.tsv"
    change = (folder / "b.tsv").unlink if what == "vanishes" else lambda: new.write_text("a\tb\n")
    with monkeypatch.context() as during:
        before_stage(during, change)
        assert main(["separated", *moved.arguments[1:]]) == 2
    error = capsys.readouterr().err
    assert ("b.tsv" if what == "vanishes" else "c.tsv") in error and error.count("\n") == 1
    assert moved.beside() == set()


def test_parts_of_a_file_cut_short_are_not_taken_over(place, undisturbed, monkeypatch):
    content = place.source.read_bytes()
    with monkeypatch.context() as during:
        before_stage(during, lambda: place.source.write_bytes(content[: len(content) // 2 + 9]))
        # Killed before it could see that the file was another.
        stop(during, base, "check_unchanged", KeyboardInterrupt())
        assert main(place.arguments) == 130
    assert place.unfinished()
    place.source.write_bytes(content)
    assert main(place.arguments) == 0
    assert rows_of(place.out) == undisturbed


def test_a_source_that_is_gone_after_the_guess(place, monkeypatch, capsys):
    real = command.built

    def late(builder: object) -> object:
        place.source.unlink()
        return real(builder)

    monkeypatch.setattr(command, "built", late)
    assert main(place.arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and str(place.source) in error


# --- others at the same time --------------------------------------------------------------------


@needs_proc
def test_a_second_build_into_the_same_folder_is_refused(place, undisturbed, capsys):
    process = start(place.arguments, place.mark, 'at(base, "select")')
    try:
        wait_for(place.mark.exists, process)
        assert main(place.arguments) == 2
        said = capsys.readouterr().err
        assert f"Another run (process {process.pid}, begun 2" in said
        assert f"is writing {place.out}. Wait until it has ended" in said
    finally:
        end_session(process)
    # Nobody has let the lock go: the one who held it is dead.
    assert main(place.arguments) == 0
    assert rows_of(place.out) == undisturbed and place.beside() == {"out"}


@needs_proc
def test_two_builds_of_the_same_through_one_cache_both_end_well(place, undisturbed, tmp_path):
    other = [*place.arguments, "--output", str(tmp_path / "other")]
    both = [start(given, place.mark, shard=SHARD) for given in (place.arguments, other)]
    try:
        told = [process.communicate(timeout=PATIENCE_SECONDS) for process in both]
        assert [process.returncode for process in both] == [0, 0], told
    finally:
        for process in both:
            end_session(process)
    assert rows_of(place.out) == rows_of(tmp_path / "other") == undisturbed
    assert place.beside() == {"out", "other"} and not place.unfinished()


def test_a_build_that_waits_for_another_says_so(tmp_path, caplog):
    builder = PairsCorpus(files=(str(corpus(tmp_path)),), cache_dir=str(tmp_path / "cache"))
    with FileLock(f"{builder.cache_dir}_builder.lock"):
        builder._say_if_waiting()
    assert "Another process is building the same dataset" in caplog.text
    caplog.clear()
    builder._say_if_waiting()
    assert not caplog.text


def test_a_folder_in_which_nothing_can_be_made(place, capsys):
    assert main([*place.arguments, "--output", "/proc/nope/x"]) == 2
    assert "Nothing can be written in /proc (" in capsys.readouterr().err
    assert not (place.folder / "cache" / base.STAGING_FOLDER).exists()


@needs_proc
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_place_for_the_results_is_not_the_disk(place):
    done = run_python(["-m", "data_builders", *place.arguments], output="/dev/full")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "The results cannot be printed: No space left on device" in done.stderr


@needs_proc
def test_ctrl_c_ends_with_one_sentence_and_no_workers(place, undisturbed):
    process = start(
        place.arguments, place.mark, 'at(staging.BatchCounts, "add_to", lambda n, *_: n == 2)'
    )
    try:
        wait_for(place.mark.exists, process)
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 130
        assert error == "\nstopped. Run the same command again: it goes on where it stopped.\n"
        assert not session_members(process.pid)
    finally:
        end_session(process)
    assert place.beside() == set()
    assert main(place.arguments) == 0
    assert rows_of(place.out) == undisturbed


@needs_proc
def test_a_killed_worker_is_said_and_the_next_run_finishes(place, undisturbed):
    moment = 'at(staging, "write_shard", lambda n, path, *_: path.name == "00002.arrow")'
    process = start(place.arguments, place.mark, moment)
    try:
        wait_for(place.mark.exists, process)
        for worker in session_members(process.pid):
            if worker != process.pid:
                os.kill(worker, signal.SIGKILL)
        _, error = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 2
        assert error.startswith("error: A worker process was killed from outside")
        assert error.count("\n") == 1
    finally:
        end_session(process)
    assert main(place.arguments) == 0
    assert rows_of(place.out) == undisturbed


# --- again --------------------------------------------------------------------------------------


def traces(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_ino) for p in folder.rglob("*")}


def test_second_run_touches_nothing(place, capsys):
    assert main(place.arguments) == 0
    before = traces(place.folder)
    assert main(place.arguments) == 0
    assert "is up to date: same content, same settings" in capsys.readouterr().out
    assert traces(place.folder) == before


def test_without_the_cache_the_output_is_still_up_to_date(place, capsys):
    assert main(place.arguments) == 0
    shutil.rmtree(place.folder / "cache")
    capsys.readouterr()
    assert main(place.arguments) == 0
    assert "up to date" in capsys.readouterr().out
    assert not list((place.folder / "cache").rglob("*.arrow"))


def test_a_deleted_output_comes_from_the_cache(place, undisturbed, monkeypatch, capsys):
    assert main(place.arguments) == 0
    shutil.rmtree(place.out)
    stop(monkeypatch, base, "stage", AssertionError("read again"))
    assert main(place.arguments) == 0
    assert rows_of(place.out) == undisturbed
    assert "in the cache already" in capsys.readouterr().out


def test_a_changed_byte_or_setting_is_seen(place, capsys):
    assert main(place.arguments) == 0
    before = rows_of(place.out)
    assert main([*place.arguments, "--maximum-chars", "30"]) == 2
    assert "already exists" in capsys.readouterr().err
    content = place.source.read_bytes()
    place.source.write_bytes(content.replace(b"number 8 ", b"number 9 "))
    assert main([*place.arguments, "--overwrite"]) == 0
    assert rows_of(place.out) != before
