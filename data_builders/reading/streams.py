# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Streams of bytes: one that can be looked into, one that unpacks, one that counts."""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from data_builders.errors import UserError

# Packed bytes fed to a decompressor at once.
PACKED_CHUNK = 1 << 17
# xz -9 needs 65 MB to unpack; a file that asks for more than this is not a corpus.
XZ_MEMORY = 256 << 20
# Text and JSON pack 3 to 20 times; a bomb, 1,000 times and more.
MAX_RATIO = 200
BOMB_FLOOR = 100 << 20

# What the standard library raises for a damaged archive.
DAMAGE = (
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
)


class Budget:
    """How much the compressed files within one file on disk may unpack to, all in all."""

    def __init__(self, compressed_size: int) -> None:
        """Begin at nothing unpacked.

        Args:
            compressed_size: Bytes of the file on disk.
        """
        self.compressed_size = compressed_size
        self.unpacked = 0

    def spend(self, count: int, name: str) -> None:
        """Count unpacked bytes.

        Args:
            count: How many more.
            name: Of what, for the message.

        Raises:
            UserError: If they are too many to be a corpus.
        """
        self.unpacked += count
        if self.unpacked > max(BOMB_FLOOR, MAX_RATIO * self.compressed_size):
            raise UserError(
                f"{name}: unpacks to more than {MAX_RATIO} times its "
                f"{self.compressed_size:,} bytes ({self.unpacked:,} so far), like a "
                "compression bomb. If it is a real corpus, unpack it by hand and name the "
                "unpacked file."
            )


class CountedFile(io.RawIOBase):
    """A file on disk that tells how many bytes were read from it.

    Attributes:
        progress: Called with the bytes read since the last call; None counts nothing.
        counted: Bytes told so far.
    """

    def __init__(self, file: io.RawIOBase, progress: Callable[[int], None] | None) -> None:
        """Wrap an open file.

        Args:
            file: Opened for reading, unbuffered.
            progress: Takes the numbers.
        """
        self._file = file
        self.progress = progress
        self.counted = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes: zip archives are read from the end."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position.

        Args:
            offset: As for any file.
            whence: As for any file.
        """
        if whence == io.SEEK_SET and offset < 0:
            # The disk would call this an error of its own; it is a damaged index of a zip.
            raise ValueError("it points to before its beginning")
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Give the position."""
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        """Read once.

        Args:
            buffer: Gets the bytes.

        Returns:
            How many there were.
        """
        count = self._file.readinto(buffer) or 0
        self.count(count)
        return count

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()

    def count(self, count: int) -> None:
        """Tell of bytes read.

        Args:
            count: How many more.
        """
        if self.progress is not None and count > 0:
            self.counted += count
            self.progress(count)


class Peekable(io.RawIOBase):
    """A stream whose beginning can be looked at; a failure waits until its place is reached."""

    def __init__(self, stream: Any) -> None:
        """Wrap a stream at its beginning.

        Args:
            stream: Has `read1` or `readinto`.
        """
        self._stream = stream
        self._ahead = b""
        self._error: Exception | None = None
        self._ended = False

    def readable(self) -> bool:
        """Say yes."""
        return True

    def peek(self, size: int) -> bytes:
        """Give the first bytes without consuming them.

        Args:
            size: How many; fewer come only from a stream that ends or fails there.
        """
        if len(self._ahead) < size:
            pieces, missing = [self._ahead], size - len(self._ahead)
            while missing > 0 and (piece := self._pull(missing)):
                pieces.append(piece)
                missing -= len(piece)
            self._ahead = b"".join(pieces)
        return self._ahead[:size]

    def readinto(self, buffer: Any) -> int:
        """Read once.

        Args:
            buffer: Gets the bytes.

        Returns:
            How many there were.

        Raises:
            UserError: If the stream is damaged, after the bytes before the damage were given.
        """
        if self._ahead:
            count = min(len(buffer), len(self._ahead))
            buffer[:count] = self._ahead[:count]
            self._ahead = self._ahead[count:]
            return count
        if self._error is not None:
            raise self._error
        return 0 if self._ended else self._stream.readinto(buffer)

    def _pull(self, size: int) -> bytes:
        if self._ended or self._error is not None:
            return b""
        buffer = bytearray(size)
        try:
            count = self._stream.readinto(buffer)
        except (UserError, OSError) as error:
            self._error = error
            return b""
        self._ended = not count
        return bytes(buffer[:count])


class Unpacked(io.RawIOBase):
    """The content of a gzip, bzip2 or xz stream, which may consist of several parts."""

    def __init__(self, compressed: Any, kind: str, name: str, budget: Budget) -> None:
        """Wrap a compressed stream at its beginning.

        Args:
            compressed: The compressed bytes.
            kind: "gzip", "bzip2" or "xz".
            name: The file, for messages.
            budget: Pays for what is unpacked.
        """
        self._compressed, self._kind, self._name, self._budget = compressed, kind, name, budget
        self._decompressor: Any = _decompressor(kind)
        self._input = b""

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Unpack once.

        Args:
            buffer: Gets the bytes.

        Returns:
            How many there were.

        Raises:
            UserError: If the compressed stream is damaged, cut short, or a bomb.
        """
        while True:
            if self._decompressor.eof and not self._next_part():
                return 0
            data = self._unpack(len(buffer))
            if data:
                buffer[: len(data)] = data
                self._budget.spend(len(data), self._name)
                return len(data)

    def _unpack(self, size: int) -> bytes:
        decompressor = self._decompressor
        if not self._input and getattr(decompressor, "needs_input", True):
            self._input = self._read_compressed()
            if not self._input:
                raise UserError(
                    f"{self._name}: the {self._kind} file is cut short. "
                    "Download or copy it again; the rows before the end can be read."
                )
        try:
            data = decompressor.decompress(self._input, size)
        except DAMAGE as error:
            raise damaged(self._name, f"{self._kind} file", error) from None
        # zlib hands back what it did not use; the others keep it.
        self._input = getattr(decompressor, "unconsumed_tail", b"")
        if decompressor.eof:
            self._input = decompressor.unused_data
        return data

    def _next_part(self) -> bool:
        # Zeros may follow a part: tapes and block devices are filled up with them.
        while not self._input.lstrip(b"\0"):
            self._input = self._read_compressed()
            if not self._input:
                return False
        self._input = self._input.lstrip(b"\0")
        self._decompressor = _decompressor(self._kind)
        return True

    def _read_compressed(self) -> bytes:
        buffer = bytearray(PACKED_CHUNK)
        return bytes(buffer[: self._compressed.readinto(buffer)])


class Member(io.RawIOBase):
    """One member of an archive, with damage turned into a sentence."""

    def __init__(
        self, stream: Any, name: str, budget: Budget | None, cause: Callable[[], Exception | None]
    ) -> None:
        """Wrap an open member.

        Args:
            stream: What `tarfile` or `zipfile` opened.
            name: Archive and member, for messages.
            budget: Pays for what is unpacked; None if it was paid for before.
            cause: Gives the error that made the archive end early, if one did.
        """
        self._stream, self._name, self._budget, self._cause = stream, name, budget, cause

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read once.

        Args:
            buffer: Gets the bytes.

        Returns:
            How many there were.

        Raises:
            UserError: If the archive is damaged, cut short, or a bomb.
        """
        try:
            data = self._stream.read1(len(buffer))
        except DAMAGE as error:
            raise self._cause() or damaged(self._name, "archive", error) from None
        buffer[: len(data)] = data
        if self._budget is not None:
            self._budget.spend(len(data), self._name)
        return len(data)


def damaged(name: str, kind: str, error: Exception) -> Exception:
    """Turn what the standard library raises for damage into a sentence.

    Args:
        name: The file.
        kind: What it is.
        error: What was raised.

    Returns:
        A `UserError`, or the error itself if the disk is to blame and not the content.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error
    return UserError(
        f"{name}: the {kind} is damaged ({str(error) or type(error).__name__}). "
        "Download or copy it again."
    )


def _decompressor(kind: str) -> Any:
    if kind == "gzip":
        return zlib.decompressobj(wbits=31)
    if kind == "bzip2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
