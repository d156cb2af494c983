# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Compressed files and archives, told by their first bytes: gzip to zstd, tar, zip, 7-Zip."""

from __future__ import annotations

import logging
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, NamedTuple, Self

from data_builders.errors import UserError, shown
from data_builders.reading.streams import (
    DAMAGE,
    Budget,
    CountedFile,
    Pull,
    Stream,
    Unpacked,
    damaged,
    missing_extra,
)
from data_builders.translation import _, marked

logger = logging.getLogger(__name__)

SINGLE_FILE = {
    "gzip": b"\x1f\x8b\x08",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\0",
    "zstd": b"\x28\xb5\x2f\xfd",
}
COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".tgz", ".tbz2", ".txz", ".z")
SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
UNSUPPORTED = {
    b"Rar!\x1a\x07": marked("RAR files cannot be read. Unpack it by hand."),
    b"\x1f\x9d": marked("compress (.Z) files cannot be read. Unpack it by hand."),
    b"\x04\x22\x4d\x18": marked("LZ4 files cannot be read. Unpack it by hand."),
    b"\xd0\xcf\x11\xe0": marked(
        "old Office files (.xls, .doc) cannot be read. Save it as .xlsx or text."
    ),
    SEVEN_ZIP: marked("7-Zip inside another archive cannot be read. Unpack it by hand."),
    ZIP_MAGIC[0]: marked("a zip inside another archive cannot be read. Unpack it by hand."),
    ZIP_MAGIC[1]: marked("a zip inside another archive cannot be read. Unpack it by hand."),
}
WORKBOOK = "xl/workbook.xml"
MAX_DEPTH = 4


class Entry(NamedTuple):
    """One unpacked file.

    Attributes:
        name: As the user knows it.
        label: Short, for the dataset.
        unpacked: The name without suffixes of packing.
        stream: Its bytes; of what cannot be read, none and the error.
        plain: Whether these are the bytes of the file on disk.
    """

    name: str
    label: str
    unpacked: str
    stream: Stream
    plain: bool = False


class _Archive(NamedTuple):
    """What the members of an archive share: its names, what pays for them, how deep it lies."""

    name: str
    label: str
    budget: Budget
    depth: int = 0

    def member(self, path: PurePosixPath, regular: bool, pull: Pull) -> Iterator[Entry]:
        """Yield one member, unpacked if it is packed once more, or nothing if it is no data."""
        name = f"{self.name}/{path}"
        if not regular:
            raise UserError(
                "{name}: a link, device or sparse file, not a plain file. Pack the archive again "
                "without it.",
                name=name,
            )
        if is_left_out(str(path)):
            logger.info("%s left out", name)
            return
        entry = Entry(name, f"{self.label}/{path}", str(path), Stream(pull))
        yield from _unpack(entry, self.budget, self.depth)

    def empty(self) -> UserError:
        """Make the error for an archive without any file."""
        return UserError("{name}: the archive holds no file.", name=self.name)


def is_left_out(path: str) -> bool:
    """Say if a file of a folder or an archive is no data: hidden, Markdown, or a licence."""
    name = path[path.rfind("/") + 1 :].upper()
    hidden = path[0] == "." or "/." in path or "__MACOSX" in path
    return hidden or name.endswith(".MD") or name.startswith(("LICENSE", "README"))


def entries(file: CountedFile, name: str, label: str, size: int) -> Iterator[Entry]:
    """Unpack one file on disk as far as it goes; read each entry before asking for the next."""
    progress, file.progress = file.progress, None
    head = file.read(8)
    file.seek(0)
    archive = _Archive(name, label, Budget(size), 1)
    if head.startswith(SEVEN_ZIP):
        yield from _seven_zip_entries(file, archive)
    elif head.startswith(ZIP_MAGIC):
        contents = _opened_zip(file, archive)
        file.progress = progress
        if WORKBOOK not in contents.namelist():
            yield from _zip_entries(contents, archive)
            return
        # A spreadsheet is a zip for everybody but its user.
        archive.budget.spend(sum(member.file_size for member in contents.infolist()), name)
        file.seek(0)
        yield Entry(name, label, name, Stream(file.read), True)
    else:
        file.progress = progress
        plain = Entry(name, label, name, Stream(file.read), True)
        yield from _unpack(plain, archive.budget, 0)


def _unpack(entry: Entry, budget: Budget, depth: int) -> Iterator[Entry]:
    head = entry.stream.peek(512)
    kind = next((kind for kind, magic in SINGLE_FILE.items() if head.startswith(magic)), None)
    try:
        if kind is None and not _is_tar(head):
            unread = next(
                (what for magic, what in UNSUPPORTED.items() if head.startswith(magic)), ""
            )
            if unread:
                raise UserError("{file}: {reason}", file=entry.name, reason=_(unread))
            yield entry
            return
        if depth == MAX_DEPTH:
            raise UserError(
                "{name}: compressed more than {most} times. Unpack it by hand.",
                name=entry.name,
                most=MAX_DEPTH,
            )
        pull = Unpacked(entry.stream.read_once, kind, entry.name, budget) if kind else None
    except UserError as error:
        yield entry._replace(stream=Stream(None, error))
        return
    if pull is None:
        yield from _tar_entries(entry, _Archive(entry.name, entry.label, budget, depth + 1))
        return
    unpacked = PurePosixPath(entry.unpacked)
    if unpacked.suffix.lower() in COMPRESSED_SUFFIXES:
        unpacked = unpacked.with_suffix("")
    inner = Entry(entry.name, entry.label, str(unpacked), Stream(pull))
    yield from _unpack(inner, budget, depth + 1)


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


def _tar_entries(entry: Entry, archive: _Archive) -> Iterator[Entry]:
    stream, found = entry.stream, False
    try:
        # Not closed here: the last member may still be read when nobody asks for more.
        tar: Any = tarfile.open(  # Any: its types know neither `pull` nor `members`
            fileobj=SimpleNamespace(read=stream.pull),
            mode="r|",
            bufsize=1 << 18,
            tarinfo=_StrictTarInfo,
        )
        while (member := tar.next()) is not None:
            tar.members.clear()  # tarfile keeps them all, for extraction.
            path = _member_path(member.name, archive.name)
            if member.isdir():
                continue
            found = True
            pull = _reader(partial(tar.extractfile, member), f"{archive.name}/{path}", stream)
            yield from archive.member(path, member.isfile() and not member.issparse(), pull)
        if stream.error is not None:
            raise stream.error
    except DAMAGE as error:
        raise stream.error or damaged(archive.name, _("tar archive"), error) from None
    if not found:
        raise archive.empty()


def _reader(
    opened: Callable[[], Any],
    name: str,
    stream: Stream | None = None,
    budget: Budget | None = None,
) -> Pull:
    """Open a member when it is read; what a tar holds was paid for when the tar was unpacked."""
    content: Any = None

    def pull(size: int) -> bytes:
        nonlocal content
        try:
            content = content or opened()
            data: bytes = content.read1(size)
        except DAMAGE as error:
            cause = stream.error if stream is not None else None
            raise cause or damaged(name, _("archive"), error) from None
        if budget is not None:
            budget.spend(len(data), name)
        return data

    return pull


def _opened_zip(file: CountedFile, archive: _Archive) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)  # all that it needs of a file
    except DAMAGE as error:
        raise damaged(archive.name, _("zip archive"), error) from None


def _zip_entries(contents: zipfile.ZipFile, archive: _Archive) -> Iterator[Entry]:
    members = [member for member in contents.infolist() if not member.is_dir()]
    if not members:
        raise archive.empty()
    for member in members:
        path = _member_path(_zip_name(member), archive.name)
        kind = stat.S_IFMT(member.external_attr >> 16)
        name = f"{archive.name}/{path}"
        pull = _reader(partial(_zip_member, contents, member, name), name, budget=archive.budget)
        yield from archive.member(path, kind in (0, stat.S_IFREG), pull)


def _zip_member(contents: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Any:
    if member.flag_bits & 1:
        raise UserError("{name}: encrypted. Unpack the archive with its password.", name=name)
    return contents.open(member)


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


class _Spool:
    """Takes what py7zr unpacks, member after member, into one temporary file."""

    def __init__(self, archive: _Archive) -> None:
        self.file = tempfile.TemporaryFile()
        self.sizes: list[int] = []
        self.archive = archive

    def create(self, filename: str) -> _Spool:
        """Begin the next member."""
        self.sizes.append(0)
        return self

    def write(self, data: bytes) -> int:
        """Take a piece of it."""
        self.archive.budget.spend(len(data), self.archive.name)
        self.sizes[-1] += len(data)
        return self.file.write(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Stay where it is: py7zr winds back what it has written."""
        return 0

    def read(self, size: int | None = None) -> bytes:
        """Give nothing: py7zr never reads."""
        return b""

    def size(self) -> int:
        """Give the bytes of the member so far."""
        return self.sizes[-1]

    def flush(self) -> None:
        """Do nothing: the file is read back in this process."""

    close = flush


def _seven_zip_entries(file: CountedFile, archive: _Archive) -> Iterator[Entry]:
    try:
        import py7zr
        from py7zr.exceptions import ArchiveError
    except ImportError:
        error = missing_extra(archive.name, "7-Zip", "7z")
        yield Entry(archive.name, archive.label, archive.name, Stream(None, error))
        return
    spool, failed, paths = _Spool(archive), None, []
    try:
        contents = py7zr.SevenZipFile(file)
        if contents.needs_password():
            raise UserError("{name}: encrypted. Unpack it with its password.", name=archive.name)
        for member in contents.list():
            path = _member_path(member.filename, archive.name)
            if not member.is_directory:
                paths.append((path, member.is_file and not member.is_symlink))
        contents.extractall(factory=spool)
    except (*DAMAGE, ArchiveError, py7zr.exceptions.PasswordRequired) as error:
        failed = damaged(archive.name, _("7-Zip archive"), error)
    # The last member of a damaged archive is not whole.
    sizes = spool.sizes[:-1] if failed else spool.sizes
    spool.file.seek(0)
    for (path, regular), size, end in zip(paths, sizes, accumulate(sizes), strict=False):
        yield from archive.member(path, regular, _spooled(spool.file, end - size, size))
    if failed or not paths:
        raise failed or archive.empty()


def _spooled(file: Any, start: int, size: int) -> Pull:
    left = size

    def pull(wanted: int) -> bytes:
        nonlocal left
        file.seek(start + size - left)
        data: bytes = file.read(min(wanted, left))
        left -= len(data)
        return data

    return pull


def _member_path(name: str, archive: str) -> PurePosixPath:
    path = PurePosixPath(shown(name.replace("\\", "/")))
    if path.is_absolute() or ".." in path.parts or path.parts[:1] and path.parts[0][1:2] == ":":
        raise UserError(
            "{archive}: the member {name!r} would lie outside the archive. Do not use this "
            "archive, or pack it again without such paths.",
            archive=archive,
            name=name,
        )
    return path
