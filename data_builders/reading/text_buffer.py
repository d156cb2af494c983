# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A window that moves over the text of a JSON file and reads value after value."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from data_builders.reading.chunks import TextSource
from data_builders.report import BuildReport, RowError

# An element must fit into memory as text and as objects.
MAX_ELEMENT = 64 << 20
_SHOWN = 200

_BLANKS = re.compile(r"[ \t\r\n]*")
# What the decoder makes of bytes it cannot decode.
_UNDECODED = re.compile("[\udc80-\udcff]")
_NUMBER_TAIL = re.compile(r"[-+.eE\d]*")
_WORDS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
# An error this near to the end of the window may come from the end: "-Infinit", "\ud83d\ude0".
_TAIL = 16


class BrokenError(Exception):
    """The value at the position cannot be read.

    Attributes:
        error: The rule it breaks.
        behind: Whether the position is behind it already.
        too_long: Whether it is only too long.
    """

    def __init__(self, error: RowError, behind: bool = False, too_long: bool = False) -> None:
        """Remember what is wrong.

        Args:
            error: The rule broken.
            behind: Whether the position is behind the value.
            too_long: Whether it is only too long.
        """
        super().__init__(error.rule)
        self.error, self.behind, self.too_long = error, behind, too_long


class TextBuffer:
    """The window; reading only moves forward.

    Attributes:
        text: What is in the window.
        pos: Where to read next in it.
        ended: Whether the file ends with the window.
    """

    def __init__(self, source: TextSource, report: BuildReport) -> None:
        """Begin at the beginning.

        Args:
            source: The file.
            report: Takes the count of NUL characters.
        """
        self.text, self.pos, self.ended = "", 0, False
        self._source = source
        self._pieces = _pieces(source, report)
        self._undecoded = False
        self._line, self._counted = 1, 0
        self._decode = json.JSONDecoder().raw_decode

    def more(self) -> bool:
        """Drop what was read, and add at least as much as is left.

        Returns:
            Whether there was more.
        """
        self.line()
        pieces, added = [self.text[self.pos :]], 0
        while added <= len(pieces[0]):
            piece, undecoded = next(self._pieces, ("", False))
            if not piece:
                self.ended = True
                break
            self._undecoded |= undecoded
            pieces.append(piece)
            added += len(piece)
        self.text, self.pos, self._counted = "".join(pieces), 0, 0
        return added > 0

    def line(self) -> int:
        """Give the number of the line at the position."""
        if self.pos > self._counted:
            self._line += self.text.count("\n", self._counted, self.pos)
            self._counted = self.pos
        return self._line

    def peek(self) -> str:
        """Skip blanks and give the next character; at the end an empty string."""
        while True:
            blanks = _BLANKS.match(self.text, self.pos)
            self.pos = blanks.end() if blanks else self.pos
            if self.pos < len(self.text):
                return self.text[self.pos]
            if self.ended or not self.more():
                return ""

    def value(self) -> Any:
        """Read the value at the position and go behind it.

        Returns:
            What JSON makes of it.

        Raises:
            BrokenError: If it cannot be read.
        """
        while True:
            try:
                value, end = self._decode(self.text, self.pos)
            except (ValueError, RecursionError) as error:
                if self.ended or not _may_be_cut(error, len(self.text)):
                    raise BrokenError(RowError("bad JSON", self.shown())) from None
            else:
                # A number at the end of the window may go on behind it.
                if end < len(self.text) or self.ended or self.text[end - 1] in '"]}':
                    return self._checked(value, end)
            if len(self.text) - self.pos > MAX_ELEMENT:
                raise BrokenError(RowError("line too long", self.shown()), too_long=True)
            self.more()

    def cut_off(self) -> bool:
        """Say if the value at the position is broken by nothing but the end of the file."""
        if not self.ended:
            return False
        try:
            self._decode(self.text, self.pos)
        except json.JSONDecodeError as error:
            return error.msg.startswith("Unterminated string") or _is_tail(self.text[error.pos :])
        except (ValueError, RecursionError):
            return False
        return True

    def shown(self) -> str:
        """Give the beginning of what stands at the position, for a message."""
        return self.text[self.pos : self.pos + _SHOWN]

    def _checked(self, value: Any, end: int) -> Any:
        start, self.pos = self.pos, end
        if self._undecoded and _UNDECODED.search(self.text, start, end):
            shown = f"not valid {self._source.title}: {self.text[start : start + _SHOWN]}"
            raise BrokenError(RowError("wrong encoding", shown), behind=True)
        return value


def _may_be_cut(error: Exception, size: int) -> bool:
    return isinstance(error, json.JSONDecodeError) and (
        error.msg.startswith("Unterminated string") or error.pos >= size - _TAIL
    )


def _is_tail(text: str) -> bool:
    tail = text.strip()
    return (
        _NUMBER_TAIL.fullmatch(tail) is not None
        or any(word.startswith(tail) for word in _WORDS)
        or (tail[0] in "\\u" and len(tail) < _TAIL and '"' not in tail)
    )


def _pieces(source: TextSource, report: BuildReport) -> Iterator[tuple[str, bool]]:
    """Decode a file piece by piece; True tells of bytes that are not of the encoding."""
    decoder = codecs.getincrementaldecoder(source.codec)()
    for chunk in source.chunks():
        if not source.sure and not chunk.isascii():
            source.revise(chunk)
            decoder = codecs.getincrementaldecoder(source.codec)()
        text, broken, decoder = _decoded(decoder, chunk, False, source.codec)
        yield from _without_nuls(text, broken, report)
    text, broken, _ = _decoded(decoder, b"", True, source.codec)
    yield from _without_nuls(text, broken, report)


def _decoded(
    decoder: codecs.IncrementalDecoder, chunk: bytes, final: bool, codec: str
) -> tuple[str, bool, codecs.IncrementalDecoder]:
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
        again.errors = "strict"
        return text.replace("\ufffd", "\udcff") if errors == "replace" else text, True, again
    return "", True, decoder


def _without_nuls(text: str, broken: bool, report: BuildReport) -> Iterator[tuple[str, bool]]:
    if "\0" in text:
        report.note("NUL characters removed", text.count("\0"))
        text = text.replace("\0", "")
    if text:
        yield text, broken
