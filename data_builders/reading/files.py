# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Files, folders, patterns and archives as one stream of files to read."""

from __future__ import annotations

import glob
import io
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from data_builders.errors import UserError
from data_builders.reading.archives import entries, is_left_out, printable
from data_builders.reading.streams import CountedFile, Peekable

logger = logging.getLogger(__name__)

HEAD_SIZE = 1 << 18


class SourceFile:
    """One file to read: a file on disk or a member of an archive, unpacked.

    Attributes:
        name: As the user gave it; a member follows the name of its archive and a slash.
        label: Short, without the path of this machine.
        source: The label of the file on disk: of a member that of its archive.
        suffix: Of the unpacked name, in lower case: ".json" for "x.json.gz".
        stream: The unpacked bytes, to be read once.
    """

    def __init__(
        self,
        name: str,
        label: str,
        stream: BinaryIO | io.RawIOBase,
        suffix: str | None = None,
        source: str | None = None,
    ) -> None:
        """Wrap a stream at its beginning.

        Args:
            name: The name for messages.
            label: The name for the dataset.
            stream: Unpacked bytes.
            suffix: Of the unpacked name; None takes that of `name`.
            source: The label of the file on disk; None takes `label`.
        """
        self.name = name
        self.label = label
        self.source = source or label
        self.suffix = PurePosixPath(name).suffix.lower() if suffix is None else suffix
        self._peekable = stream if isinstance(stream, Peekable) else Peekable(stream)
        self.stream: BinaryIO = io.BufferedReader(self._peekable, 1 << 16)

    def head(self, size: int = HEAD_SIZE) -> bytes:
        """Give the first bytes; `stream` still begins at the beginning.

        Args:
            size: How many at most.

        Returns:
            The bytes; of a damaged file those before the damage.
        """
        return self._peekable.peek(size)


class _Found(NamedTuple):
    path: str
    label: str


def source_files(
    paths: Sequence[str], progress: Callable[[int], None] | None = None
) -> Iterator[SourceFile]:
    """Open files one after the other, whatever they are packed in.

    Args:
        paths: Files, folders, glob patterns and archives.
        progress: Called with the number of bytes read from disk since the last call; in the end
            their sum is the size of the files.

    Yields:
        Files; each must be read before the next is asked for.

    Raises:
        UserError: If a path does not exist or holds no file, or an archive is damaged or unsafe.
    """
    for path in paths:
        for found in _expand(str(path)):
            yield from _open(found, progress)


def disk_files(paths: Sequence[str]) -> list[str]:
    """List the files on disk that `source_files` would open.

    Args:
        paths: As for `source_files`.

    Returns:
        Their paths, in order.

    Raises:
        UserError: If a path does not exist or holds no file.
    """
    return [found.path for path in paths for found in _expand(str(path))]


def _open(found: _Found, progress: Callable[[int], None] | None) -> Iterator[SourceFile]:
    name, label = printable(found.path), printable(found.label)
    disk = open(found.path, "rb", buffering=0)
    file = CountedFile(disk, progress)
    size = os.fstat(disk.fileno()).st_size
    try:
        for entry in entries(file, name, label, size):
            suffix = PurePosixPath(entry.unpacked).suffix.lower()
            yield SourceFile(entry.name, entry.label, entry.stream, suffix, label)
    except GeneratorExit:
        raise  # The last file may still be read: it closes with its last reference.
    except BaseException:
        file.close()
        raise
    # Members left out, and the index of a zip: the bar must end at the end.
    file.count(size - file.counted)
    file.close()


def _expand(given: str) -> list[_Found]:
    path = os.path.expanduser(given)
    if os.path.isdir(path):
        found = _folder(path)
    elif os.path.lexists(path):
        found = [_file(path)]
    else:
        matches = sorted(glob.glob(path, recursive=True))
        found = []
        for match in matches:
            # "**" matches folders besides the files in them.
            if not os.path.isdir(match):
                found.append(_file(match))
            elif "**" not in path:
                found += _folder(match)
        if not matches:
            what = "matches no file" if glob.has_magic(path) else "does not exist"
            raise UserError(f"{printable(given)} {what}. Check the path.")
    if not found:
        raise UserError(
            f"{printable(given)} holds no file (hidden files, *.md, README* and LICENSE* are left "
            "out). Name the files themselves."
        )
    return found


def _file(path: str) -> _Found:
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{printable(path)} is a device or a pipe. Save it as a file first.")
    return _Found(path, os.path.basename(path))


def _folder(folder: str) -> list[_Found]:
    root = Path(folder)
    base = root.name or root.resolve().name
    found = []
    for where, folders, files in os.walk(folder):
        folders.sort()
        inside = PurePosixPath(Path(where).relative_to(root).as_posix())
        for name in files:
            relative = inside / name
            if is_left_out(relative):
                logger.info("%s left out", relative)
                continue
            path = _file(os.path.join(where, name)).path
            found.append(_Found(path, f"{base}/{relative}"))
    return sorted(found, key=lambda one: PurePosixPath(one.label).parts)
