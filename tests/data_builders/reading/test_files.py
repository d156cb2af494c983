# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Files, folders, patterns and archives give the same files, and unsafe archives none."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import sys
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from data_builders.errors import UserError, shown
from data_builders.reading import files as files_module
from data_builders.reading import sample_of, source_files, text_lines
from data_builders.reading.files import files_on_disk
from data_builders.report import BuildReport

TEXT = "早上好\t你也早\nGood morning\tMorning!\n".encode()
PACKERS = {
    "gz": lambda data: gzip.compress(data, 1),
    "bz2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "zst": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
}


def contents(*paths: object) -> dict[str, bytes]:
    return {file.label: file.stream.read() for file in source_files([str(path) for path in paths])}


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def make_tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def make_seven_zip(path: Path, members: dict[str, bytes]) -> Path:
    py7zr = pytest.importorskip("py7zr")
    with py7zr.SevenZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(data, name)
    return path


def noise(size: int) -> bytes:
    return random.Random(1).randbytes(size)


def noisy_lines(count: int) -> bytes:
    draw = random.Random(2)
    return b"".join(b"%d %d\n" % (n, draw.getrandbits(60)) for n in range(count))


def lines_until_error(path: Path) -> tuple[list[str], str]:
    lines: list[str] = []
    with pytest.raises(UserError) as error:
        for file in source_files([str(path)]):
            for _, line in text_lines(file, BuildReport()):
                lines.append(line)
    return lines, str(error.value)


def test_a_file_keeps_its_name_and_loses_its_path_in_the_label(tmp_path):
    path = write(tmp_path / "chat.TSV", TEXT)
    (file,) = source_files([str(path)])
    assert (file.name, file.label, file.suffix) == (str(path), "chat.TSV", ".tsv")


def test_a_folder_is_read_sorted_and_without_what_is_no_data(tmp_path):
    folder = tmp_path / "corpus"
    for name in ("b.txt", "a/2.txt", "a/1.txt", ".hidden", ".git/x", "README.md", "LICENSE.txt"):
        write(folder / name, name.encode())
    assert list(contents(folder)) == ["corpus/a/1.txt", "corpus/a/2.txt", "corpus/b.txt"]


def test_a_pattern_gives_its_files_and_the_files_of_its_folders(tmp_path):
    for name in ("1.txt", "2.txt", "3.csv", "more/4.txt"):
        write(tmp_path / name, b"x")
    assert list(contents(tmp_path / "*.txt")) == ["1.txt", "2.txt"]
    assert list(contents(tmp_path / "m*")) == ["more/4.txt"]
    assert list(contents(tmp_path / "**/*.txt")) == ["1.txt", "2.txt", "4.txt"]


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(tmp_path):
    assert contents(write(tmp_path / "[1].txt", b"x")) == {"[1].txt": b"x"}


@pytest.mark.parametrize(
    ("name", "said"),
    [("missing.txt", "does not exist"), ("*.txt", "matches no file"), ("empty", "holds no file")],
)
def test_nothing_to_read_is_said(tmp_path, name, said):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=said):
        contents(tmp_path / name)


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("name", ["chat.tsv", "chat.tsv.{}"])
def test_a_compressed_file_is_known_by_its_content(tmp_path, kind, name):
    path = write(tmp_path / name.format(kind), PACKERS[kind](TEXT))
    (file,) = source_files([str(path)])
    assert file.suffix == ".tsv"
    assert contents(path) == {path.name: TEXT}


@pytest.mark.parametrize("kind", PACKERS)
def test_parts_of_a_compressed_file_follow_each_other(tmp_path, kind):
    compressed = PACKERS[kind](TEXT) + PACKERS[kind](b"more") + b"\0" * 100
    assert contents(write(tmp_path / "a", compressed)) == {"a": TEXT + b"more"}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_gives_its_members(tmp_path, mode):
    path = make_tar(tmp_path / "c.tar", {"d/2.json": b"2", "d/1.json": b"1", "._x": b""}, mode)
    assert contents(path) == {"c.tar/d/2.json": b"2", "c.tar/d/1.json": b"1"}
    assert [file.name for file in source_files([str(path)])][0] == f"{path}/d/2.json"


def test_a_tar_whose_members_are_not_read_is_walked_through(tmp_path):
    path = make_tar(tmp_path / "c.tgz", {f"{n}.txt": noise(50_000) for n in range(9)})
    assert len(list(source_files([str(path)]))) == 9


def test_a_zip_gives_its_members(tmp_path):
    path = make_zip(tmp_path / "c.zip", {"d/": b"", "d/1.txt": TEXT, "__MACOSX/d/._1.txt": b"x"})
    assert contents(path) == {"c.zip/d/1.txt": TEXT}


def test_compressed_members_are_unpacked_too(tmp_path):
    path = make_tar(tmp_path / "c.tar", {"a.csv.gz": gzip.compress(TEXT)}, "w")
    (file,) = source_files([str(path)])
    assert (file.suffix, file.label) == (".csv", "c.tar/a.csv.gz")
    assert contents(path) == {"c.tar/a.csv.gz": TEXT}


def test_chinese_names_in_a_zip_without_the_flag_for_utf8(tmp_path):
    path = make_zip(tmp_path / "c.zip", {"XXXX.txt": TEXT})
    path.write_bytes(path.read_bytes().replace(b"XXXX", "对话".encode("gb18030")))
    assert list(contents(path)) == ["c.zip/对话.txt"]


@pytest.mark.parametrize("make", [make_tar, make_zip])
@pytest.mark.parametrize("name", ["../out.txt", "/etc/out.txt", "a/../../out.txt", "C:/out.txt"])
def test_members_outside_the_archive_are_refused(tmp_path, make: Callable[..., Path], name):
    path = make(tmp_path / "bad.archive", {name: b"x"})
    with pytest.raises(UserError, match=r"bad\.archive.*out\.txt"):
        contents(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "c.tar", "w") as tar:
        info = tarfile.TarInfo("link.txt")
        info.type, info.linkname = kind, "/etc/hosts"
        tar.addfile(info)
    with pytest.raises(UserError, match=r"c\.tar/link\.txt: a link"):
        contents(tmp_path / "c.tar")


def test_links_in_a_zip_are_refused(tmp_path):
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr(link, "/etc/hosts")
    with pytest.raises(UserError, match=r"c\.zip/link\.txt: a link"):
        contents(tmp_path / "c.zip")


def test_an_encrypted_zip_is_refused(tmp_path):
    path = make_zip(tmp_path / "c.zip", {"a.txt": TEXT})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"c\.zip/a\.txt: encrypted"):
        contents(path)


@pytest.mark.parametrize("pack", ["gz", "bz2", "xz", "zst", "zip", "tgz", "7z"])
def test_a_compression_bomb_is_stopped(tmp_path, monkeypatch, pack):
    monkeypatch.setattr("data_builders.reading.streams.BOMB_FLOOR", 1 << 20)
    bomb = b"\0" * (20 << 20)
    path = tmp_path / f"bomb.{pack}"
    if pack == "zip":
        make_zip(path, {"a.txt": bomb})
    elif pack == "tgz":
        make_tar(path, {"a.txt": bomb})
    elif pack == "7z":
        make_seven_zip(path, {"a.txt": bomb})
    else:
        write(path, PACKERS[pack](bomb))
    with pytest.raises(UserError, match=rf"bomb\.{pack}.*compression bomb"):
        contents(path)


def test_a_bomb_in_compressed_members_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("data_builders.reading.streams.BOMB_FLOOR", 1 << 20)
    bombs = {f"{n}.txt.gz": gzip.compress(b"\0" * 900_000) for n in range(9)}
    with pytest.raises(UserError, match=r"bomb\.tar/\d\.txt\.gz.*compression bomb"):
        contents(make_tar(tmp_path / "bomb.tar", bombs))


def test_a_file_that_packs_well_is_no_bomb_below_the_floor(tmp_path):
    assert contents(write(tmp_path / "a.gz", gzip.compress(b"\0" * (5 << 20))))["a.gz"][:1] == b"\0"


@pytest.mark.parametrize("data", [b"\x04\x22\x4d\x18", b"\x1f\x9d", b"Rar!\x1a\x07\0"])
def test_packings_that_cannot_be_read_are_named(tmp_path, data):
    with pytest.raises(UserError, match="Unpack it by hand"):
        contents(write(tmp_path / "a", data + b"rest"))


@pytest.mark.parametrize(("pack", "library"), [("zst", "backports.zstd"), ("7z", "py7zr")])
def test_a_library_that_is_missing_is_named(tmp_path, monkeypatch, pack, library):
    path = tmp_path / f"a.{pack}"
    make_seven_zip(path, {"a.txt": TEXT}) if pack == "7z" else write(path, zstd.compress(TEXT))
    for name in (library, library.split(".")[0], "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=rf"a\.{pack}: .* files need .*tfchat-hf\[{pack[:3]}"):
        contents(path)


def test_a_member_that_cannot_be_read_spoils_no_other(tmp_path):
    path = make_tar(tmp_path / "c.tar", {"a.rar": b"Rar!\x1a\x07\0", "b.txt": TEXT}, "w")
    failed = {}
    for file in source_files([str(path)]):
        failed[file.label] = str(file.failure() or "")
    assert "RAR files cannot be read" in failed["c.tar/a.rar"]
    assert failed["c.tar/b.txt"] == ""


def test_members_can_be_named(tmp_path):
    path = make_zip(tmp_path / "c.zip", {"1.txt": b"1", "d/2.txt": b"2", "3.txt": b"3"})
    assert contents(path / "d" / "2.txt") == {"c.zip/d/2.txt": b"2"}
    assert list(contents(path / "3.txt", path / "1.txt")) == ["c.zip/1.txt", "c.zip/3.txt"]
    assert len(contents(path / "1.txt", path)) == 3
    with pytest.raises(UserError, match=r"c\.zip has no member 4\.txt"):
        contents(path / "4.txt")


def test_a_seven_zip_gives_its_members(tmp_path):
    path = make_seven_zip(tmp_path / "c.7z", {"d/1.txt": TEXT, "e.txt": b"", "2.csv": b"2"})
    found = contents(path)
    assert found == {"c.7z/d/1.txt": TEXT, "c.7z/e.txt": b"", "c.7z/2.csv": b"2"}
    told: list[int] = []
    assert len(list(source_files([str(path)], told.append))) == 3
    assert sum(told) == path.stat().st_size


def test_a_damaged_seven_zip_is_named(tmp_path):
    path = make_seven_zip(tmp_path / "c.7z", {"1.txt": noise(9_000)})
    data = bytearray(path.read_bytes())
    data[4_000] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"c\.7z: the 7-Zip archive is damaged"):
        contents(path)


def test_what_a_folder_holds_and_nobody_can_read_is_told(tmp_path):
    folder = tmp_path / "f"
    write(folder / "a.txt", TEXT)
    (folder / "b.txt").symlink_to("nowhere")
    (folder / "loop.txt").symlink_to("loop.txt")
    (folder / "up").symlink_to("..")
    (folder / "same.txt").symlink_to("a.txt")
    os.mkfifo(folder / "pipe")
    assert list(contents(folder)) == ["f/a.txt"]
    assert {Path(one.path).name: one.unread for one in files_on_disk([str(folder)])} == {
        "a.txt": "",
        "b.txt": "a link that leads nowhere",
        "loop.txt": "a link that leads nowhere",
        "pipe": "a device or a pipe",
        "same.txt": "the same file as f/a.txt",
        "up": "a link to a folder, not followed",
    }
    with pytest.raises(UserError, match="leads nowhere"):
        contents(folder / "b.txt")


def test_a_file_is_read_once_however_often_it_is_named(tmp_path):
    path = write(tmp_path / "f" / "a.txt", TEXT)
    assert len(contents(path, tmp_path / "f", tmp_path / "f" / ".." / "f" / "a.txt")) == 1
    assert len(files_on_disk([str(path), str(path)])) == 1


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("对话 é.txt", "对话 é.txt"),
        ("a\x1b]0;b\x07.txt", r"a\x1b]0;b\x07.txt"),
        ("a\nb.txt", r"a\nb.txt"),
        ("a\u202eb.txt", r"a\u202eb.txt"),
        ("a\u2028b\u200e.txt", r"a\u2028b\u200e.txt"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("b\udcff.txt", r"b\xff.txt"),
        (os.fsdecode("对话".encode("gb18030")), "对话"),
        ("b\ud800", r"b\ud800"),
    ],
)
def test_names_are_shown_so_that_they_steer_nothing(name, seen):
    assert shown(name) == seen
    assert str(UserError(f"{name} is empty.\nCheck it.")).endswith("\nCheck it.")


def test_a_name_that_is_not_utf8_is_escaped(tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    with open(os.fsencode(folder) + b"/b\xff.txt", "wb") as file:
        file.write(TEXT)
    assert list(contents(folder)) == [r"f/b\xff.txt"]


def test_an_empty_archive_is_said(tmp_path):
    with pytest.raises(UserError, match="holds no file"):
        contents(make_zip(tmp_path / "c.zip", {}))
    with pytest.raises(UserError, match="holds no file"):
        contents(make_zip(tmp_path / "c.zip", {"d/": b""}))


@pytest.mark.parametrize("kind", PACKERS)
def test_a_compressed_file_cut_short_gives_its_lines_and_then_the_error(tmp_path, kind):
    data = noisy_lines(50_000)
    compressed = PACKERS[kind](data)
    path = write(tmp_path / "a.txt.compressed", compressed[: len(compressed) // 2])
    lines, said = lines_until_error(path)
    assert str(path) in said and "cut short" in said and "again" in said
    assert len(lines) > 10_000
    assert "\n".join(lines) + "\n" == data[: sum(map(len, lines)) + len(lines)].decode()


def test_a_tar_cut_short_gives_its_lines_and_then_the_error(tmp_path):
    data = noisy_lines(30_000)
    whole = make_tar(tmp_path / "a.tgz", {"1.txt": data, "2.txt": data}).read_bytes()
    lines, said = lines_until_error(write(tmp_path / "a.tgz", whole[: len(whole) * 3 // 4]))
    assert "a.tgz" in said and "cut short" in said
    assert lines[:30_000] == data.decode().split("\n")[:-1]
    assert len(lines) > 35_000


@pytest.mark.parametrize("cut", [512, 1_000, 10_752, 11_264, 25_000])
def test_a_plain_tar_cut_anywhere_is_noticed(tmp_path, cut):
    path = make_tar(tmp_path / "a.tar", {f"{n}.txt": noise(10_000) for n in range(3)}, "w")
    with pytest.raises(UserError, match=r"a\.tar.*(damaged|cut short)"):
        contents(write(path, path.read_bytes()[:cut]))


@pytest.mark.parametrize("kind", PACKERS)
def test_a_damaged_compressed_file_is_named(tmp_path, kind):
    compressed = bytearray(PACKERS[kind](noise(100_000)))
    compressed[-8] ^= 0xFF
    with pytest.raises(UserError, match=r"a\.txt: the \w+ file is (damaged|cut short)"):
        contents(write(tmp_path / "a.txt", bytes(compressed)))


def test_a_damaged_member_of_a_zip_is_named(tmp_path):
    path = make_zip(tmp_path / "c.zip", {"good.txt": TEXT, "bad.txt": noise(5_000)})
    data = bytearray(path.read_bytes())
    data[data.index(b"bad.txt") + 2_000] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"c\.zip/bad\.txt: the archive is damaged"):
        contents(path)


def test_a_zip_cut_short_is_named(tmp_path):
    path = make_zip(tmp_path / "c.zip", {"a.txt": TEXT})
    with pytest.raises(UserError, match=r"c\.zip: the zip archive is damaged"):
        contents(write(path, path.read_bytes()[:-10]))


@pytest.mark.parametrize("pack", ["plain", "gz", "zip", "tgz"])
@pytest.mark.parametrize("read", [True, False])
def test_progress_adds_up_to_the_size_on_disk(tmp_path, pack, read):
    data = noisy_lines(20_000)
    path = tmp_path / "a"
    if pack == "zip":
        make_zip(path, {"1.txt": data, "2.txt": data, "x.md": data})
    elif pack == "tgz":
        make_tar(path, {"1.txt": data, "2.txt": data})
    else:
        write(path, data if pack == "plain" else gzip.compress(data))
    told: list[int] = []
    for file in source_files([str(path)], told.append):
        if read:
            file.stream.read()
    assert sum(told) == path.stat().st_size
    assert min(told) > 0


def test_a_tar_is_read_once_through(tmp_path, monkeypatch):
    path = make_tar(tmp_path / "c.tgz", {f"{n}.txt": noisy_lines(100) for n in range(300)})
    monkeypatch.setattr(
        files_module.CountedFile, "seekable", lambda self: pytest.fail("a tar is not sought in")
    )
    told: list[int] = []
    assert all(file.stream.read() for file in source_files([str(path)], told.append))
    assert sum(told) == path.stat().st_size


def test_a_source_file_outlives_its_generator(tmp_path):
    path = write(tmp_path / "a.gz", gzip.compress(TEXT))
    assert next(source_files([str(path)])).stream.read() == TEXT


def test_files_are_closed_one_after_the_other(tmp_path):
    for n in range(3):
        write(tmp_path / f"{n}.txt", TEXT)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    if before is None:
        pytest.skip("open files cannot be counted here")
    seen = [len(os.listdir("/proc/self/fd")) - before for _ in source_files([str(tmp_path)])]
    assert max(seen) <= 1
    assert len(os.listdir("/proc/self/fd")) == before


@given(data=st.binary(max_size=3_000), size=st.integers(0, 4_000), pack=st.booleans())
def test_head_takes_nothing_away(tmp_path_factory, data, size, pack):
    data = b"#" + data  # Else it may begin like something compressed.
    path = tmp_path_factory.mktemp("head") / "a"
    path.write_bytes(gzip.compress(data) if pack else data)
    file = next(source_files([str(path)]))
    assert file.head(size) == data[:size]
    assert file.head() == data
    assert file.stream.read() == data


@given(data=st.binary(max_size=2_000))
def test_any_bytes_are_read_or_refused_with_a_sentence(tmp_path_factory, data):
    marks = (b"", b"\x1f\x8b\x08\0", b"BZh9", b"\xfd7zXZ\0", b"PK\x03\x04", b"PK\x05\x06")
    for start in (*marks, b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c\0\4"):
        path = tmp_path_factory.mktemp("any") / "a"
        path.write_bytes(start + data)
        try:
            for file in source_files([str(path)]):
                sample_of(file)
                file.stream.read()
        except UserError as error:
            assert str(path) in str(error)


@cache
def _archive(make: Callable[..., Path], folder: str) -> bytes:
    return make(Path(folder, "whole"), {"1.txt": noise(900), "2.txt": TEXT}).read_bytes()


@given(cut=st.integers(0, 4_000), at=st.integers(0, 4_000), flip=st.integers(1, 255))
def test_any_damage_to_an_archive_is_read_or_refused(tmp_path_factory, cut, at, flip):
    folder = tmp_path_factory.mktemp("damage")
    for make in (make_tar, make_zip, make_seven_zip):
        path = folder / "c.archive"
        data = bytearray(_archive(make, str(tmp_path_factory.getbasetemp())))
        data[at % len(data)] ^= flip
        path.write_bytes(data[: max(4, len(data) - cut)] if cut % 2 else data)
        try:
            contents(path)
        except UserError as error:
            assert "c.archive" in str(error)


@pytest.mark.slow
def test_the_real_archive_of_two_thousand_members(shared_data):
    path = shared_data / "zh_multiturn" / "smilechat_first2000.tar.gz"
    found = [file.suffix for file in source_files([str(path)])]
    assert found == [".json"] * 2_000
