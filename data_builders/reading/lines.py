# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The text of a file: its encoding, its bytes in chunks of about UTF-8, its numbered lines."""

from __future__ import annotations

import codecs
from collections.abc import Generator, Iterator
from contextlib import suppress

from data_builders.errors import UserError
from data_builders.reading.encodings import (
    CHINESE,
    guess_encoding,
    is_chinese,
    is_utf8,
    named_encoding,
    other_encoding,
)
from data_builders.reading.files import HEAD_SIZE, SourceFile
from data_builders.report import BuildReport, RowError
from data_builders.translation import _

CHUNK = 1 << 20
MAX_LINE = 64 << 20
# Of a line that is too long this much is kept, to show it.
_SHOWN = 256


class TextSource:
    """A text file read once through, in an encoding where bytes below 128 are ASCII.

    Attributes:
        name: The file, for rejects.
        head: The beginning of the text as bytes.
        codec: How to decode the chunks; `utf-8` if they were turned into it.
        other: How the lines are written that are not written as the file is, where files of two
            encodings were joined to one.
        title: The encoding of the file itself, for messages.
        found: How the encoding was told.
        whole: Whether the head is all there is.
        sure: False as long as another encoding may show up after nothing but ASCII.
    """

    def __init__(self, file: SourceFile, encoding: str | None) -> None:
        """Find out the encoding, if the user does not say it."""
        head = file.head()
        self.found = found = named_encoding(encoding, head) if encoding else guess_encoding(head)
        self.name, self.title, self.sure = file.name, found.codec, found.sure
        self._file, self._bom = file, found.bom
        self._report = BuildReport()
        self._recode = not _keeps_ascii(found.codec)
        self.codec = self._above = "utf-8" if self._recode else found.codec
        self.other: str | None = None
        self.whole = len(head) < HEAD_SIZE
        self.head = head[found.bom :]
        if self._recode:
            self.head = self.head.decode(found.codec, "replace").encode("utf-8", "replace")

    def opened(self, report: BuildReport) -> TextSource:
        """Begin to read the text, and note a guessed encoding or refuse it."""
        if doubt := self.doubt():
            raise UserError("{file}: {reason}", file=self.name, reason=doubt)
        self._report = report
        self._note(self.found.guessed)
        return self

    def doubt(self) -> str:
        """Say that the encoding cannot be told; "" if it can."""
        if self.found.plausible:
            return ""
        return _(
            "its encoding cannot be told ({encoding} gives no language known here). Name it "
            "with --encoding, such as --encoding gb18030.",
            encoding=self.title,
        )

    def head_text(self) -> str:
        """Give the beginning as text, as far as it can be decoded."""
        decoder = codecs.getincrementaldecoder(self.codec)("replace")
        text = decoder.decode(self.head, self.whole)
        if other := self._other_of(self.head):
            lines, above = [], self.codec
            for line in self.head.split(b"\n"):
                above = _codec_of(line, above, self.codec, other)
                lines.append(line.decode(above, "replace"))
            text = "\n".join(lines)
        return text.replace("\0", "")

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes after the byte order mark, at most about a megabyte at once."""
        return _recoded(self._bytes(), self.title) if self._recode else self._bytes()

    def revise(self, block: bytes) -> None:
        """Settle on an encoding by the first bytes that are not ASCII."""
        found = guess_encoding(block)
        if found.sure and found.plausible and not found.bom and _keeps_ascii(found.codec):
            self.codec = self._above = self.title = found.codec
            self._note(found.guessed)
        self.sure = True

    def decode_whole(self, block: bytes) -> str | None:
        """Decode lines at once; None where they are not all written as the file is."""
        # What is UTF-8 may decode as Chinese too, into nonsense.
        self.other = self._other_of(block) if self.codec in CHINESE else None
        if self.other is None:
            with suppress(UnicodeDecodeError):
                text = block.decode(self.codec)
                self._above = self.codec
                return text
            self.other = self._other_of(block)
        return None

    def decode(self, line: bytes) -> str:
        """Decode one line of a block that `decode_whole` did not decode."""
        if self.other is None:
            return line.decode(self.codec)
        codec = _codec_of(line, self._above, self.codec, self.other)
        text = line.decode(codec)
        self._above = codec
        if codec != self.codec and not line.isascii():
            which = f"{codec} in {self.title}"
            self._report.note(f"lines in another encoding than their file, read as such ({which})")
        return text

    def _other_of(self, block: bytes) -> str | None:
        return None if self._recode else other_encoding(block, self.codec)

    def _note(self, guessed: bool) -> None:
        if guessed:
            self._report.note(f"files read as {self.title}, a guess")

    def _bytes(self) -> Iterator[bytes]:
        # One read of the stream each: what came before damage is handed on before it is raised.
        read = getattr(self._file.stream, "read1", self._file.stream.read)
        skip = self._bom
        while chunk := read(CHUNK):
            if skip:
                chunk, skip = chunk[skip:], max(0, skip - len(chunk))
            if chunk:
                yield chunk


def _keeps_ascii(codec: str) -> bool:
    return codec == "utf-8" or '\n"['.encode(codec, "replace") == b'\n"['


def _recoded(chunks: Iterator[bytes], codec: str) -> Iterator[bytes]:
    # Lone surrogates pass and make their line invalid as UTF-8, so it is rejected like any other.
    decoder = codecs.getincrementaldecoder(codec)("surrogatepass")
    for chunk in chunks:
        text, _, decoder = decoded(decoder, chunk, False, codec)
        if text:
            yield text.encode("utf-8", "surrogatepass")
    text, _, _ = decoded(decoder, b"", True, codec)
    if text:
        yield text.encode("utf-8", "surrogatepass")


def decoded(
    decoder: codecs.IncrementalDecoder, chunk: bytes, final: bool, codec: str
) -> tuple[str, bool, codecs.IncrementalDecoder]:
    """Decode a chunk, with low surrogates (U+DC80 to U+DCFF) for bytes that are not of the codec.

    Returns:
        The text, whether there were such bytes, and the decoder of the next chunk.
    """
    state = decoder.getstate()
    try:
        return decoder.decode(chunk, final), False, decoder
    except UnicodeDecodeError:
        pass
    for errors in ("surrogateescape", "replace"):
        again = codecs.getincrementaldecoder(codec)(errors)
        again.setstate(state)
        try:
            text = again.decode(chunk, final)
        except UnicodeDecodeError:
            continue  # A byte below 128 is wrong, which no surrogate stands for.
        again.errors = decoder.errors
        return text.replace("\ufffd", "\udcff") if errors == "replace" else text, True, again
    return "", True, decoder


def text_lines(
    file: SourceFile, report: BuildReport, encoding: str | None = None
) -> Iterator[tuple[int, str]]:
    r"""Yield the lines of a text file, blank ones included, with their numbers from 1.

    A line ends at `\n` or `\r\n`; at a lone `\r` only if the beginning of the file has no
    `\n`. Lines that cannot be decoded are rejected; NUL characters are removed. An archive that
    is damaged raises that after the lines before the damage.
    """
    return _numbered(TextSource(file, encoding).opened(report), report)


def _numbered(source: TextSource, report: BuildReport) -> Iterator[tuple[int, str]]:
    old_mac = b"\n" not in source.head and b"\r" in source.head
    number = 1
    for block, too_long in _blocks(source.chunks(), old_mac):
        if too_long:
            report.reject(source.name, number, RowError("line too long", block))
            number += 1
            continue
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
            block = block.replace(b"\r", b"\n") if old_mac else block
        if not source.sure and not block.isascii():
            source.revise(block)
        text = source.decode_whole(block)
        if text is None:
            number = yield from _one_by_one(source, report, block, number)
            continue
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()  # The block ends with a line end: nothing stands after it.
        if b"\0" in block:
            lines = [without_nuls(line, report) for line in lines]
        yield from enumerate(lines, number)
        number += len(lines)


def _one_by_one(
    source: TextSource, report: BuildReport, block: bytes, number: int
) -> Generator[tuple[int, str], None, int]:
    for raw in block.removesuffix(b"\n").split(b"\n"):
        try:
            line = source.decode(raw)
        except UnicodeDecodeError:
            report.reject(source.name, number, _wrong_encoding(source.title, raw))
        else:
            yield number, without_nuls(line, report)
        number += 1
    return number


def _codec_of(line: bytes, above: str, codec: str, other: str) -> str:
    """Say how a line is written: as its file, or as a file that was joined to it.

    Args:
        line: The line.
        above: How the line above it is written: what could be both is written so too.
        codec: How the file is written.
        other: How the other one is written; one of the two is UTF-8.
    """
    if line.isascii():
        return above
    chinese = codec if codec in CHINESE else other
    if is_utf8(line):
        return chinese if above == chinese and is_chinese(line, chinese) else "utf-8"
    return chinese if codec == chinese or is_chinese(line, chinese) else codec


def _wrong_encoding(title: str, raw: bytes) -> RowError:
    shown = raw[:_SHOWN].decode("utf-8", "backslashreplace")
    return RowError("wrong encoding", f"not valid {title}: {shown}")


def without_nuls(line: str, report: BuildReport) -> str:
    """Take NUL characters out of a text, and note them."""
    count = line.count("\0")
    if count:
        report.note("NUL characters removed", count)
        return line.replace("\0", "")
    return line


def _blocks(chunks: Iterator[bytes], old_mac: bool) -> Iterator[tuple[bytes, bool]]:
    """Yield whole lines in blocks, or (with True) the beginning of a line that is too long."""
    held: list[bytes] = []
    size, too_long = 0, False
    for chunk in chunks:
        cut = _last_end(chunk, old_mac)
        if cut and too_long:
            yield held[0], True
            chunk = chunk[_first_end(chunk, old_mac) :]
            cut = _last_end(chunk, old_mac)
            held, size, too_long = [], 0, False
        if cut:
            yield b"".join((*held, chunk[:cut])), False
            held, size = [], 0
        held.append(chunk[cut:])
        size += len(held[-1])
        if size > MAX_LINE:
            held, too_long = [b"".join(held[:_SHOWN])[:_SHOWN]], True
    if rest := b"".join(held):
        yield rest, too_long


def _last_end(chunk: bytes, old_mac: bool) -> int:
    cut = chunk.rfind(b"\n") + 1
    # A "\r" at the very end may be the first half of "\r\n".
    return max(cut, chunk.rfind(b"\r", 0, -1) + 1) if old_mac else cut


def _first_end(chunk: bytes, old_mac: bool) -> int:
    ends = [chunk.find(b"\n")] + [chunk.find(b"\r", 0, -1)] * old_mac
    return min(end for end in ends if end >= 0) + 1
