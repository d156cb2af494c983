# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Files, folders, patterns, archives and their members as one stream of files to read."""

from __future__ import annotations

import glob
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from data_builders.errors import UserError, shown
from data_builders.reading.archives import entries, is_left_out
from data_builders.reading.streams import CountedFile, Progress, Stream, buffered
from data_builders.translation import _

HEAD_SIZE = 1 << 18


class SourceFile:
    """One file to read: a file on disk or a member of an archive, unpacked.

    Attributes:
        name: As the user gave it; a member follows the name of its archive and a slash.
        label: Short, without the path of this machine.
        source: The label of the file on disk: of a member that of its archive.
        suffix: Of the unpacked name, in lower case: ".json" for "x.json.gz".
        path: Where it lies on the disk; None of a member, and of what is packed.
        stream: The unpacked bytes, to be read once.
    """

    def __init__(
        self,
        name: str,
        label: str,
        stream: BinaryIO | io.RawIOBase,
        suffix: str | None = None,
        source: str | None = None,
        path: str | None = None,
    ) -> None:
        """Wrap a stream of unpacked bytes at its beginning.

        Without a suffix that of `name` is taken, without a source the label.
        """
        self.name, self.label, self.source, self.path = name, label, source or label, path
        self.suffix = os.path.splitext(name)[1].lower() if suffix is None else suffix
        read = getattr(stream, "read1", stream.read)
        self._ahead = stream if isinstance(stream, Stream) else Stream(read)
        self.stream: BinaryIO = buffered(self._ahead)

    def head(self, size: int = HEAD_SIZE) -> bytes:
        """Give the first bytes, before any damage; `stream` still begins at the beginning."""
        return self._ahead.peek(size)

    @contextmanager
    def on_disk(self) -> Iterator[str]:
        """Lend a path to it, unpacked if need be, for what cannot be read as a stream."""
        if self.path is not None:
            yield self.path
            return
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "unpacked"), "wb") as copy:
                shutil.copyfileobj(self.stream, copy)
            yield copy.name

    def failure(self) -> Exception | None:
        """Say why nothing of it can be read; None if something can."""
        return self._ahead.error if not self.head(1) else None


class Found(NamedTuple):
    """A file on disk.

    Attributes:
        path: Where it is.
        label: Short, for the dataset.
        members: Of an archive, the members that are wanted; empty for all.
        unread: Why it is passed over; "" if it is not.
    """

    path: str
    label: str
    members: frozenset[str] = frozenset()
    unread: str = ""


def source_files(
    paths: Sequence[str],
    progress: Progress | None = None,
    failed: Callable[[str, UserError], None] | None = None,
) -> Iterator[SourceFile]:
    """Open files one after the other, whatever they are packed in; each must be read in its turn.

    What cannot be read fails when it is; of a folder it is passed over.

    Args:
        paths: Files, folders, glob patterns, archives, and members as "archive.zip/member".
        progress: Called with the number of bytes read from disk since the last call; in the end
            their sum is the size of the files.
        failed: Takes the name of an archive that is damaged or unsafe, and why, where the others
            are to be read all the same; None raises that.
    """
    for found in files_on_disk(paths):
        if not found.unread:
            try:
                yield from _open(found, progress)
            except UserError as error:
                if failed is None:
                    raise
                failed(shown(found.path), error)


def disk_files(paths: Sequence[str]) -> list[str]:
    """List the paths on disk that `source_files` would open, in order."""
    return [found.path for found in files_on_disk(paths) if not found.unread]


def files_on_disk(paths: Sequence[str]) -> list[Found]:
    """List the files on disk, each once and in order, and say of which nothing will be read."""
    files: dict[object, Found] = {}
    for given in paths:
        for found, status in _expand(str(given)):
            # The same file by another name is still the same; some systems do not number them.
            key = (status.st_dev, status.st_ino) if status and status.st_ino else found.path
            first = files.get(key)
            if first is None:
                files[key] = found
            elif found.members and first.members:
                files[key] = first._replace(members=first.members | found.members)
            elif found.path != first.path:
                files[found.path] = found._replace(
                    unread=_("the same file as {file}", file=shown(first.label))
                )
            else:
                files[key] = first._replace(members=frozenset())
    return list(files.values())


def _open(found: Found, progress: Progress | None) -> Iterator[SourceFile]:
    name, label = shown(found.path), shown(found.label)
    disk = open(found.path, "rb", buffering=0)
    file = CountedFile(disk, progress)
    size = os.fstat(disk.fileno()).st_size
    missing = set(found.members)
    try:
        for entry in entries(file, name, label, size):
            member = entry.name[len(name) + 1 :]
            if found.members and member not in found.members:
                continue
            missing.discard(member)
            suffix = PurePosixPath(entry.unpacked).suffix.lower()
            path = found.path if entry.plain else None
            yield SourceFile(entry.name, entry.label, entry.stream, suffix, label, path)
    except GeneratorExit:
        raise  # The last file may still be read: it closes with its last reference.
    except BaseException:
        file.close()
        raise
    if missing:
        file.close()
        raise UserError(
            "{name} has no member {member}. Check the name.", name=name, member=min(missing)
        )
    # Members left out, and the index of a zip: the bar must end at the end.
    if progress is not None and size > file.counted:
        progress(size - file.counted)
    file.close()


def _expand(given: str) -> list[tuple[Found, os.stat_result | None]]:
    path = os.path.expanduser(given)
    try:
        status = os.stat(path)
    except OSError:
        return _pattern_or_member(given, path)
    if stat.S_ISREG(status.st_mode):
        return [(Found(path, os.path.basename(path)), status)]
    if not stat.S_ISDIR(status.st_mode):
        raise UserError("{path} is a device or a pipe. Save it as a file first.", path=shown(path))
    return _checked(_folder(path), given)


def _pattern_or_member(given: str, path: str) -> list[tuple[Found, os.stat_result | None]]:
    if os.path.islink(path):
        raise UserError(
            "{path} is a link that leads nowhere. Name the file itself.", path=shown(given)
        )
    matches = sorted(glob.glob(path, recursive=True))
    if matches:
        # "**" matches folders besides the files in them.
        files = [m for m in matches if "**" not in path or not os.path.isdir(m)]
        return _checked([one for match in files for one in _expand(match)], given)
    archive = os.path.dirname(path)
    while archive and not os.path.exists(archive) and archive != os.path.dirname(archive):
        archive = os.path.dirname(archive)
    if os.path.isfile(archive):
        member = path[len(archive) + 1 :].replace(os.sep, "/")
        label = os.path.basename(archive)
        return [(Found(archive, label, frozenset([shown(member)])), os.stat(archive))]
    if glob.has_magic(path):
        raise UserError("{path} matches no file. Check the path.", path=shown(given))
    raise UserError("{path} does not exist. Check the path.", path=shown(given))


def _checked(
    found: list[tuple[Found, os.stat_result | None]], given: str
) -> list[tuple[Found, os.stat_result | None]]:
    if not found:
        raise UserError(
            "{path} holds no file (hidden files, *.md, README* and LICENSE* are left out). "
            "Name the files themselves.",
            path=shown(given),
        )
    return found


# What a dataset that was built and a run have in their folders.
_OWN_OUTPUT = ({"dataset_dict.json", "build.json"}, {"metrics.json", "run_config.yaml"})


def _folder(folder: str) -> list[tuple[Found, os.stat_result | None]]:
    base = os.path.basename(os.path.abspath(folder))
    found: list[tuple[Found, os.stat_result | None]] = []
    waiting = [(folder, base)]
    while waiting:
        where, label = waiting.pop()
        try:
            listed = list(os.scandir(where))
        except OSError:
            found.append((Found(where, label, unread=_("a folder that may not be read")), None))
            continue
        names = {entry.name for entry in listed}
        if where != folder and any(marks <= names for marks in _OWN_OUTPUT):
            # Or what was deleted from the corpus would come back out of the build before.
            found.append((Found(where, label, unread=_("a dataset or run of this program")), None))
            continue
        for entry in listed:
            relative = f"{label}/{entry.name}"
            if is_left_out(relative[len(base) + 1 :]):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, relative))
            else:
                unread, status = _unread(entry)
                found.append((Found(entry.path, relative, unread=unread), status))
    return sorted(found, key=lambda one: one[0].label.split("/"))


def _unread(entry: os.DirEntry[str]) -> tuple[str, os.stat_result | None]:
    try:
        status = entry.stat()
    except OSError:
        return _("a link that leads nowhere"), None
    if stat.S_ISDIR(status.st_mode):
        return _("a link to a folder, not followed"), None
    if not stat.S_ISREG(status.st_mode):
        return _("a device or a pipe"), None
    return "" if os.access(entry.path, os.R_OK) else _("it may not be read"), status
