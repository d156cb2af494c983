# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A window that moves over the text of a JSON file, value by value, and past what is broken."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from data_builders.reading.encodings import CHINESE, is_east_asian_utf8
from data_builders.reading.lines import TextSource, decoded, without_nuls
from data_builders.report import BuildReport, RowError

# An element must fit into memory as text and as objects.
MAX_ELEMENT = 64 << 20
_SHOWN = 200

_BLANKS = re.compile(r"[ \t\r\n]*")
# What the decoder makes of bytes it cannot decode.
_UNDECODED = re.compile("[\udc80-\udcff]")
# What a number, a word or an escape may be cut down to by the end of a file.
_CUT = re.compile(
    r"(?:[-+.eE\d]*|-?[a-zA-Z]{1,8}|\\u?[\da-fA-F]{0,4}(?:\\u?[\da-fA-F]{0,3})?)\s*\Z"
)
# An error this near to the end of the window may come from the end: "-Infinit", "\ud83d\ude0".
_TAIL = 16

# How far ahead the end of a broken element is looked for before it is taken for lost. What is
# looked at is paid for by what was read, or many broken elements would cost the square of them.
LOOK_AHEAD, MIN_LOOK = 1 << 20, 1 << 10
_KEPT = 1 << 14
# Each try parses an element.
MAX_TRIES = 500

# A whole string, or a character that matters; a lone quote is a string with no end.
_TOKEN = re.compile(r'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"|[",\[\]{}]')
_ANY_MARK = re.compile(r'[",\[\]{}]')
_STRING_REST = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_NEXT_ITEM = re.compile(r",[ \t\r\n]*(?=([{\[]))")
_NEXT_MEMBER = re.compile(r',[ \t\r\n]*(?="[^"\\\x00-\x1f]*"[ \t\r\n]*:[ \t\r\n]*([{\["]))')

_CLOSERS = {"[": "]", "{": "}"}


class BrokenError(Exception):
    """The value at the position cannot be read.

    Attributes:
        error: The rule it breaks.
        behind: Whether the position is behind it already.
        too_long: Whether it is only too long.
    """

    def __init__(self, error: RowError, behind: bool = False, too_long: bool = False) -> None:
        """Remember what is wrong."""
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
        """Begin at the beginning."""
        self.text, self.pos, self.ended = "", 0, False
        self._source = source
        self._pieces = _pieces(source, report)
        self._dropped, self._looked = 0, 0
        self._undecoded = False
        self._line, self._counted = 1, 0
        self._decode = json.JSONDecoder().raw_decode

    def more(self) -> bool:
        """Drop what was read, and add at least as much as is left; say whether there was more."""
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
        self._dropped += self.pos
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
        """Read the value at the position and go behind it."""
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
            cut = _CUT.match(self.text, error.pos) is not None
            return cut or error.msg.startswith("Unterminated string")
        except (ValueError, RecursionError):
            return False
        return True

    def drop(self) -> None:
        """Forget what was read: an error of `json` counts the lines from the very beginning."""
        if self.pos > _KEPT:
            self.line()
            self._dropped += self.pos
            self.text, self.pos, self._counted = self.text[self.pos :], 0, 0

    def may_look(self) -> int:
        """Say how many characters ahead may be looked at, so that all is linear in the end."""
        return max(MIN_LOOK, LOOK_AHEAD + 4 * (self._dropped + self.pos) - self._looked)

    def look(self, count: int) -> None:
        """Count characters that were looked at and may be read again."""
        self._looked += count

    def shown(self) -> str:
        """Give the beginning of what stands at the position, for a message."""
        return self.text[self.pos : self.pos + _SHOWN]

    def _checked(self, value: Any, end: int) -> Any:
        start, self.pos = self.pos, end
        if self._undecoded and _UNDECODED.search(self.text, start, end):
            shown = f"not valid {self._source.title}: {self.text[start : start + _SHOWN]}"
            raise BrokenError(RowError("wrong encoding", shown), behind=True)
        if (codec := self._source.codec) in CHINESE:
            raw = self.text[start:end].encode(codec, "replace")
            if is_east_asian_utf8(raw):
                shown = f"utf-8 in a file of {codec}: {raw.decode()[:_SHOWN]}"
                raise BrokenError(RowError("wrong encoding", shown), behind=True)
        return value


def _may_be_cut(error: Exception, size: int) -> bool:
    return isinstance(error, json.JSONDecodeError) and (
        error.msg.startswith("Unterminated string") or error.pos >= size - _TAIL
    )


def _pieces(source: TextSource, report: BuildReport) -> Iterator[tuple[str, bool]]:
    """Decode a file piece by piece; True tells of bytes that are not of the encoding."""
    decoder = codecs.getincrementaldecoder(source.codec)()
    for chunk in source.chunks():
        if not source.sure and not chunk.isascii():
            source.revise(chunk)
            decoder = codecs.getincrementaldecoder(source.codec)()
        text, broken, decoder = decoded(decoder, chunk, False, source.codec)
        if text := without_nuls(text, report):
            yield text, broken
    text, broken, _ = decoded(decoder, b"", True, source.codec)
    if text:
        yield text, broken


def go_on(buffer: TextBuffer, close: str, like: Any) -> bool:
    """Move the buffer from a broken element to the comma before one that can be read, or the end.

    The brackets tell where the broken one ends, if they match. If not, or if something of the
    same keys as the element before (`like`) stands earlier, that is the next. `close` ends the
    array or object. False if nothing more can be read.
    """
    buffer.drop()
    while not buffer.ended and len(buffer.text) - buffer.pos < LOOK_AHEAD:
        buffer.more()
    keys = like.keys() if isinstance(like, dict) and close == "]" else None
    alike = _find(buffer, close, keys)[0] if keys else None
    end = _element_end(buffer, len(buffer.text) if alike is None else alike, close)
    end = alike if end is None else end
    while end is None:
        end, looked = _find(buffer, close, None)
        if end is None and looked < len(buffer.text):
            buffer.pos = looked
            buffer.drop()
        elif end is None:
            # An element may begin in what is left: keep some of it.
            buffer.pos = max(buffer.pos, len(buffer.text) - LOOK_AHEAD // 4)
            if not buffer.more():
                buffer.pos = len(buffer.text)
                return False
    buffer.pos = end
    return True


def skip_value(buffer: TextBuffer, close: str) -> bool:
    """Move the buffer behind a value of any size, holding none of it, in what `close` ends.

    False if its end was not found.
    """
    depth, in_string = 0, False
    while True:
        if in_string:
            rest = _STRING_REST.match(buffer.text, buffer.pos)
            buffer.pos = rest.end() if rest else buffer.pos
            found = buffer.text[buffer.pos : buffer.pos + 1]
            in_string = found != '"'
        else:
            match = _ANY_MARK.search(buffer.text, buffer.pos)
            found = match.group() if match else ""
            buffer.pos = match.start() if match else len(buffer.text)
            if depth == 0 and found and found in "," + close:
                return True
            depth += (found in _CLOSERS) - (found in _CLOSERS.values())
            in_string = found == '"'
        if found in ("", "\\"):
            if not buffer.more():
                return False
        else:
            buffer.pos += 1


def _element_end(buffer: TextBuffer, stop: int, close: str) -> int | None:
    """Find the comma or end mark behind an element whose brackets match."""
    text, pos, place = buffer.text, buffer.pos, buffer.pos
    stack: list[str] = []
    found = None
    # Up to and including the comma at `stop`.
    for match in _TOKEN.finditer(text, pos, min(stop + 1, pos + buffer.may_look())):
        token, place = text[match.start()], match.end()
        if token == '"':
            if match.end() == match.start() + 1:
                break
        elif token == ",":
            if not stack:
                found = match.start()
                break
        elif token in _CLOSERS:
            stack.append(_CLOSERS[token])
        elif not stack:
            found = match.start() if token == close else None
            break
        elif stack.pop() != token:
            break
    buffer.look(place - pos)
    return found


def _find(buffer: TextBuffer, close: str, keys: Any) -> tuple[int | None, int]:
    """Find the comma before an element that can be read, if need be one with these keys.

    Also gives up to where was looked.
    """
    decode, text, pos = json.JSONDecoder().raw_decode, buffer.text, buffer.pos
    pattern = _NEXT_ITEM if close == "]" else _NEXT_MEMBER
    most = buffer.may_look()
    left, found = most, None
    looked = min(len(text), pos + most)
    for tries, match in enumerate(pattern.finditer(text, pos + 1, looked)):
        if tries == MAX_TRIES or left <= 0:
            looked = max(match.start() - 1, min(looked, pos + MIN_LOOK))
            break
        begin = end = match.start(1)
        try:
            value, end = decode(text, begin)
        except json.JSONDecodeError as error:
            left -= error.pos - begin + (error.pos - pos) // 8
        except RecursionError:
            left -= 1 << 16
        else:
            if keys is None or (isinstance(value, dict) and value.keys() == keys):
                found = looked = match.start()
                break
        left -= end - begin
    buffer.look(most - left + looked - pos)
    return found, max(looked, pos + 1)
