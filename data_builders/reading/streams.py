# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Streams of bytes that can be looked into, and what fills them: files, and what is packed."""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

from data_builders.errors import UserError
from data_builders.translation import _

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

# Gives so many bytes at most; none at the end.
Pull = Callable[[int], bytes]
# Takes the number of bytes that were read from the disk since its last call.
Progress = Callable[[int], None]


class Budget:
    """How much the compressed files within one file on disk may unpack to, all in all."""

    def __init__(self, compressed_size: int) -> None:
        """Begin at nothing unpacked of so many bytes on disk."""
        self.compressed_size = compressed_size
        self.unpacked = 0

    def spend(self, count: int, name: str) -> None:
        """Count unpacked bytes, and refuse what are too many to be a corpus."""
        self.unpacked += count
        if self.unpacked > max(BOMB_FLOOR, MAX_RATIO * self.compressed_size):
            raise UserError(
                "{name}: unpacks to more than {times} times its {packed:,} bytes ({unpacked:,} so "
                "far), like a compression bomb. If it is a real corpus, unpack it by hand and "
                "name the unpacked file.",
                name=name,
                times=MAX_RATIO,
                packed=self.compressed_size,
                unpacked=self.unpacked,
            )


class CountedFile(io.RawIOBase):
    """A file on disk that tells how many bytes were read from it.

    Attributes:
        progress: Called with the bytes read since the last call; None counts nothing.
        counted: Bytes told so far.
    """

    def __init__(self, file: Any, progress: Progress | None) -> None:
        """Wrap a file that is open for reading, unbuffered."""
        self.file, self.progress, self.counted = file, progress, 0
        self.tell, self.fileno = file.tell, file.fileno  # type: ignore[method-assign]

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes: zip archives are read from the end."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, as of any file."""
        if whence == io.SEEK_SET and offset < 0:
            # The disk would call this an error of its own; it is a damaged index of a zip.
            raise ValueError("it points to before its beginning")
        return int(self.file.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        """Read once into a buffer; give how many bytes there were."""
        count = self.file.readinto(buffer) or 0
        self.count(count)
        return count

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self.file.close()
        super().close()

    def count(self, count: int) -> None:
        """Tell of so many bytes more."""
        if self.progress is not None and count > 0:
            self.counted += count
            self.progress(count)


class Stream(io.RawIOBase):
    """Bytes that can be looked at before they are read.

    Attributes:
        error: Why it ends where it does. It is raised once that place is reached, so that what
            came before damage is handed on.
    """

    def __init__(self, pull: Pull | None, error: Exception | None = None) -> None:
        """Begin at the beginning; without `pull` nothing can be read, for the reason of `error`."""
        self.error = error
        self._source = pull
        self._ahead = b""

    def readable(self) -> bool:
        """Say yes."""
        return True

    def peek(self, size: int) -> bytes:
        """Give the first bytes without consuming them; fewer only where they end or fail."""
        if len(self._ahead) < size:
            pieces, missing = [self._ahead], size - len(self._ahead)
            while missing > 0 and (piece := self._more(missing)):
                pieces.append(piece)
                missing -= len(piece)
            self._ahead = b"".join(pieces)
        return self._ahead[:size]

    def pull(self, size: int) -> bytes:
        """Read once, at most so many bytes, and end where the stream fails."""
        if not self._ahead:
            return self._more(size)
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data

    def read_once(self, size: int) -> bytes:
        """Read once, and raise the error where the stream fails."""
        data = self.pull(size)
        if not data and self.error is not None:
            raise self.error
        return data

    def readinto(self, buffer: Any) -> int:
        """Read once into a buffer; give how many bytes there were."""
        data = self.read_once(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _more(self, size: int) -> bytes:
        if self._source is None:
            return b""
        data = b""
        try:
            data = self._source(size)
        except (UserError, OSError) as error:
            self.error = error
        if not data:
            self._source = None
        return data


class Unpacked:
    """Gives the content of a compressed stream, which may consist of several parts."""

    def __init__(self, packed: Pull, kind: str, name: str, budget: Budget) -> None:
        """Begin at the beginning of "gzip", "bzip2", "xz" or "zstd"."""
        self._packed, self._kind, self._name, self._budget = packed, kind, name, budget
        self._decompressor: Any = _decompressor(kind, name)
        self._input = b""

    def __call__(self, size: int) -> bytes:
        """Unpack once, at most so many bytes."""
        while not self._decompressor.eof or self._next_part():
            if data := self._unpack(size):
                self._budget.spend(len(data), self._name)
                return data
        return b""

    def _unpack(self, size: int) -> bytes:
        decompressor = self._decompressor
        if not self._input and getattr(decompressor, "needs_input", True):
            self._input = self._packed(PACKED_CHUNK)
            if not self._input:
                raise UserError(
                    "{name}: the {kind} file is cut short. Download or copy it again; the rows "
                    "before the end can be read.",
                    name=self._name,
                    kind=self._kind,
                )
        try:
            data = decompressor.decompress(self._input, size)
        except Exception as error:
            if not isinstance(error, DAMAGE) and type(error).__name__ != "ZstdError":
                raise
            raise damaged(self._name, _("{kind} file", kind=self._kind), error) from None
        # zlib hands back what it did not use; the others keep it.
        self._input = getattr(decompressor, "unconsumed_tail", b"")
        if decompressor.eof:
            self._input = decompressor.unused_data
        return bytes(data)

    def _next_part(self) -> bool:
        # Zeros may follow a part: tapes and block devices are filled up with them.
        while not self._input.lstrip(b"\0"):
            self._input = self._packed(PACKED_CHUNK)
            if not self._input:
                return False
        self._input = self._input.lstrip(b"\0")
        self._decompressor = _decompressor(self._kind, self._name)
        return True


def damaged(name: str, kind: str, error: Exception) -> Exception:
    """Word what a library raises for damage; an error of the disk, not of the content, stays."""
    if isinstance(error, UserError) or (isinstance(error, OSError) and error.errno is not None):
        return error
    return UserError(
        "{name}: the {kind} is damaged ({reason}). Download or copy it again.",
        name=name,
        kind=kind,
        reason=str(error) or type(error).__name__,
    )


def missing_extra(name: str, kind: str, extra: str) -> UserError:
    """Make the error for a kind of file whose library an extra of this package brings."""
    return UserError(
        "{name}: {kind} files need a library more. Install it with `pip install "
        "'tfchat-hf[{extra}]'`, or unpack the file by hand.",
        name=name,
        kind=kind,
        extra=extra,
    )


def buffered(stream: Stream) -> BinaryIO:
    """Give a stream the methods of a file."""
    return io.BufferedReader(stream, 1 << 16)


def _decompressor(kind: str, name: str) -> Any:
    if kind == "gzip":
        return zlib.decompressobj(wbits=31)
    if kind == "bzip2":
        return bz2.BZ2Decompressor()
    if kind == "xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
    try:
        from compression import zstd  # type: ignore[import-not-found]  # Python 3.14
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            raise missing_extra(name, "zstd", "zstd") from None
    # Dumps packed with --long need a window of up to 2 GB; memory is taken as it is filled.
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 31})
