# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Lines of a text file, numbered, whatever their ends and encoding."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from data_builders.reading.chunks import TextSource
from data_builders.reading.files import SourceFile
from data_builders.report import BuildReport, RowError

MAX_LINE = 64 << 20
# Of a line that is too long this much is kept, to show it.
_SHOWN = 256


def text_lines(
    file: SourceFile, report: BuildReport, encoding: str | None = None
) -> Iterator[tuple[int, str]]:
    r"""Yield the lines of a text file, blank ones included.

    A line ends at `\n` or `\r\n`; at a lone `\r` only if the beginning of the file has no
    `\n`. Lines that cannot be decoded are rejected; NUL characters are removed.

    Args:
        file: The file, not read yet.
        report: Takes the rejected lines.
        encoding: What the user says it is; None finds it out.

    Yields:
        The number of the line, from 1, and its text without the end.

    Raises:
        UserError: If there is no such encoding, or the file is a damaged archive (after the
            lines before the damage were yielded).
    """
    source = TextSource(file, encoding)
    if not source.found.plausible:
        from data_builders.errors import UserError

        raise UserError("--encoding" + source.title)
    return _numbered(source, report)


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
        try:
            lines = block.decode(source.codec).split("\n")
        except UnicodeDecodeError:
            number = yield from _one_by_one(source, report, block, number)
            continue
        if not lines[-1]:
            lines.pop()  # The block ends with a line end: nothing stands after it.
        if b"\0" in block:
            lines = [_without_nuls(line, report) for line in lines]
        yield from enumerate(lines, number)
        number += len(lines)


def _one_by_one(
    source: TextSource, report: BuildReport, block: bytes, number: int
) -> Generator[tuple[int, str], None, int]:
    for raw in block.removesuffix(b"\n").split(b"\n"):
        try:
            line = raw.decode(source.codec)
        except UnicodeDecodeError:
            report.reject(source.name, number, wrong_encoding(source.title, raw))
        else:
            yield number, _without_nuls(line, report)
        number += 1
    return number


def wrong_encoding(title: str, raw: bytes) -> RowError:
    """Make the error for bytes that cannot be decoded.

    Args:
        title: The encoding tried.
        raw: The bytes.

    Returns:
        The error, to be handed to the report.
    """
    shown = raw[:_SHOWN].decode("utf-8", "backslashreplace")
    return RowError("wrong encoding", f"not valid {title}: {shown}")


def _without_nuls(line: str, report: BuildReport) -> str:
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
