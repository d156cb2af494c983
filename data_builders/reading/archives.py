# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Compressed files and archives: gzip, bzip2, xz, tar, zip, told by their first bytes."""

from __future__ import annotations

import logging
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple, Self

from data_builders.errors import UserError
from data_builders.reading.streams import (
    DAMAGE,
    Budget,
    CountedFile,
    Member,
    Peekable,
    Unpacked,
    damaged,
)

logger = logging.getLogger(__name__)

SINGLE_FILE = {"gzip": b"\x1f\x8b\x08", "bzip2": b"BZh", "xz": b"\xfd7zXZ\0"}
COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".tgz", ".tbz2", ".txz", ".z")
UNSUPPORTED = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
    b"\x1f\x9d": "compress (.Z)",
    b"\x04\x22\x4d\x18": "LZ4",
}
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
MAX_DEPTH = 4


class Entry(NamedTuple):
    """One unpacked file.

    Attributes:
        name: As the user knows it.
        label: Short, for the dataset.
        unpacked: The name without suffixes of packing.
        stream: Its bytes.
    """

    name: str
    label: str
    unpacked: str
    stream: Peekable


def is_left_out(path: PurePosixPath) -> bool:
    """Say if a file of a folder or an archive is no data: hidden, Markdown, or a licence.

    Args:
        path: Relative to the folder or archive.
    """
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return (
        hidden
        or path.suffix.lower() == ".md"
        or path.name.upper().startswith(("LICENSE", "README"))
    )


def printable(name: str) -> str:
    """Make a name fit for messages and for UTF-8 files.

    Args:
        name: A path; bytes that are not UTF-8 stand in it as lone surrogates.

    Returns:
        The same, with such bytes read as GB18030 or else shown as escapes.
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raw = name.encode("utf-8", "surrogateescape")
        try:
            return raw.decode("gb18030")
        except UnicodeDecodeError:
            return raw.decode("utf-8", "backslashreplace")
    return name


def entries(file: CountedFile, name: str, label: str, size: int) -> Iterator[Entry]:
    """Unpack one file on disk as far as it goes.

    Args:
        file: The open file.
        name: As the user gave it.
        label: Short, for the dataset.
        size: Bytes on disk.

    Yields:
        Files; each must be read before the next is asked for.

    Raises:
        UserError: If an archive is damaged, unsafe or empty.
    """
    start = file.tell()
    progress, file.progress = file.progress, None
    head = Peekable(file).peek(8)
    file.seek(start)
    budget = Budget(size)
    if head.startswith(ZIP_MAGIC):
        yield from _zip_entries(file, progress, name, label, budget)
        return
    file.progress = progress
    yield from _unpack(Entry(name, label, name, Peekable(file)), budget, 0)


def _unpack(entry: Entry, budget: Budget, depth: int) -> Iterator[Entry]:
    head = entry.stream.peek(512)
    kind = _kind(head, entry.name)
    if kind is None:
        yield entry
        return
    if depth == MAX_DEPTH:
        raise UserError(f"{entry.name}: compressed more than {MAX_DEPTH} times. Unpack it by hand.")
    if kind == "tar":
        yield from _tar_entries(entry, budget, depth + 1)
        return
    stream = Peekable(Unpacked(entry.stream, kind, entry.name, budget))
    unpacked = PurePosixPath(entry.unpacked)
    if unpacked.suffix.lower() in COMPRESSED_SUFFIXES:
        unpacked = unpacked.with_suffix("")
    yield from _unpack(entry._replace(unpacked=str(unpacked), stream=stream), budget, depth + 1)


def _kind(head: bytes, name: str) -> str | None:
    for kind, magic in SINGLE_FILE.items():
        if head.startswith(magic):
            return kind
    if _is_tar(head):
        return "tar"
    for magic, title in UNSUPPORTED.items():
        if head.startswith(magic):
            raise UserError(f"{name}: {title} files cannot be read. Unpack it by hand.")
    if head.startswith(ZIP_MAGIC):
        raise UserError(f"{name}: a zip inside another archive cannot be read. Unpack it by hand.")
    return None


def _is_tar(head: bytes) -> bool:
    # The checksum of the first header: the word "ustar" is missing in old archives.
    if len(head) < 512 or not head.strip(b"\0"):
        return False
    try:
        tarfile.TarInfo.frombuf(head[:512], "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return False
    return True


class _StrictTarInfo(tarfile.TarInfo):
    """Headers that must be whole: `tarfile` takes a broken one for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # not in typeshed
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error} where a member should begin") from None


class _Deferring:
    """Ends where its stream fails, so that `tarfile` hands out what came before."""

    def __init__(self, stream: Peekable) -> None:
        self._stream = stream
        self.error: Exception | None = None

    def read(self, size: int) -> bytes:
        if self.error is not None:
            return b""
        buffer = bytearray(size)
        try:
            count = self._stream.readinto(buffer)
        except (UserError, OSError) as error:
            self.error = error
            return b""
        return bytes(buffer[:count])


def _tar_entries(archive: Entry, budget: Budget, depth: int) -> Iterator[Entry]:
    stream = _Deferring(archive.stream)
    found = False
    try:
        # Not closed here: the last member may still be read when nobody asks for more.
        tar = tarfile.open(  # type: ignore[call-overload]  # "r|" asks for `read` alone
            fileobj=stream, mode="r|", bufsize=1 << 18, tarinfo=_StrictTarInfo
        )
        while (member := tar.next()) is not None:
            tar.members.clear()  # tarfile keeps them all, for extraction.
            path = _member_path(printable(member.name), archive.name)
            if member.isdir():
                continue
            _check_regular(archive.name, path, member.isfile() and not member.issparse())
            found = True
            if is_left_out(path):
                logger.info("%s/%s left out", archive.name, path)
                continue
            content = tar.extractfile(member)
            where = (archive.name, archive.label)
            yield from _member(content, where, path, budget, lambda: stream.error, depth)
        if stream.error is not None:
            raise stream.error
    except DAMAGE as error:
        if isinstance(error, UserError):
            raise
        raise stream.error or damaged(archive.name, "tar archive", error) from None
    if not found:
        raise UserError(f"{archive.name}: the archive holds no file.")


def _zip_entries(
    file: CountedFile, progress: Any, name: str, label: str, budget: Budget
) -> Iterator[Entry]:
    try:
        contents = zipfile.ZipFile(file)
    except DAMAGE as error:
        raise damaged(name, "zip archive", error) from None
    file.progress = progress
    members = [member for member in contents.infolist() if not member.is_dir()]
    if not members:
        raise UserError(f"{name}: the archive holds no file.")
    for member in members:
        path = _member_path(_zip_name(member), name)
        if member.flag_bits & 1:
            raise UserError(f"{name}/{path}: encrypted. Unpack the archive with its password.")
        mode = member.external_attr >> 16
        _check_regular(name, path, stat.S_IFMT(mode) in (0, stat.S_IFREG))
        if is_left_out(path):
            logger.info("%s/%s left out", name, path)
            continue
        try:
            stream = contents.open(member)
        except DAMAGE as error:
            raise damaged(f"{name}/{path}", "zip archive", error) from None
        yield from _member(stream, (name, label), path, budget, lambda: None, 1)


def _member(
    stream: Any,
    archive: tuple[str, str],
    path: PurePosixPath,
    budget: Budget,
    cause: Any,
    depth: int,
) -> Iterator[Entry]:
    name, label = (f"{part}/{path}" for part in archive)
    # What a tar holds was paid for when the tar was unpacked.
    pays = budget if isinstance(stream, zipfile.ZipExtFile) else None
    member = Peekable(Member(stream, name, pays, cause))
    yield from _unpack(Entry(name, label, str(path), member), budget, depth)


def _member_path(name: str, archive: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or path.parts[:1] and path.parts[0][1:2] == ":":
        raise UserError(
            f"{archive}: the member {name!r} would lie outside the archive. "
            "Do not use this archive, or pack it again without such paths."
        )
    return path


def _check_regular(archive: str, path: PurePosixPath, regular: bool) -> None:
    if not regular:
        raise UserError(
            f"{archive}/{path}: a link, device or sparse file, not a plain file. "
            "Pack the archive again without it."
        )


def _zip_name(member: zipfile.ZipInfo) -> str:
    # Without the flag for UTF-8 zipfile reads cp437; Chinese systems write GBK, some UTF-8.
    if member.flag_bits & 0x800:
        return member.filename
    raw = member.filename.encode("cp437", "replace")
    for codec in ("utf-8", "gb18030"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    return member.filename
