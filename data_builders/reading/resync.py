# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Finding the next element of a JSON array or object after one that cannot be read."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any

from data_builders.reading.text_buffer import TextBuffer

# How far ahead the end of a broken element is looked for before it is taken for lost.
LOOK_AHEAD = 1 << 20
# Each try parses an element; nested garbage must not make that quadratic.
MAX_TRIES = 500
# A large array may hold many broken elements: none may cost more than some milliseconds.
MAX_TOKENS = 50_000

# A whole string, or a character that matters; a lone quote is a string with no end.
_TOKEN = re.compile(r'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"|[",\[\]{}]')
_ANY_MARK = re.compile(r'[",\[\]{}]')
_STRING_REST = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_NEXT_ITEM = re.compile(r",[ \t\r\n]*(?=([{\[]))")
_NEXT_MEMBER = re.compile(r',[ \t\r\n]*(?="[^"\\\x00-\x1f]*"[ \t\r\n]*:[ \t\r\n]*([{\["]))')

_CLOSERS = {"[": "]", "{": "}"}


def go_on(buffer: TextBuffer, close: str, like: Any) -> bool:
    """Move the buffer from a broken element to the next one that can be read.

    The brackets tell where the broken one ends, if they match. If not, or if something of the
    same keys as the element before stands earlier, that is the next.

    Args:
        buffer: Stands at the broken element.
        close: What ends the array or object: "]" or "}".
        like: The last element that could be read; None if there was none.

    Returns:
        Whether there is one, or the end of the array or object; the buffer stands at the comma
        before it, or at the end mark.
    """
    while len(buffer.text) - buffer.pos < LOOK_AHEAD and buffer.more():
        pass
    text, start = buffer.text, buffer.pos
    keys = like.keys() if isinstance(like, dict) and close == "]" else None
    alike = _find(text, start, close, keys) if keys else None
    end = _element_end(text, start, len(text) if alike is None else alike, close)
    end = alike if end is None else end
    while end is None:
        end = _find(buffer.text, buffer.pos, close, None)
        if end is None:
            # An element may begin in what is left: keep some of it.
            buffer.pos = max(buffer.pos, len(buffer.text) - LOOK_AHEAD // 4)
            if not buffer.more():
                buffer.pos = len(buffer.text)
                return False
    buffer.pos = end
    return True


def skip_value(buffer: TextBuffer, close: str) -> bool:
    """Move the buffer behind a value of any size, holding none of it.

    Args:
        buffer: Stands at the value.
        close: What ends the array or object that the value is in.

    Returns:
        Whether its end was found; the buffer stands at the comma or the end mark behind it.
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


def _element_end(text: str, pos: int, stop: int, close: str) -> int | None:
    """Find the comma or end mark behind an element whose brackets match."""
    stack: list[str] = []
    # Up to and including the comma at `stop`.
    for match in islice(_TOKEN.finditer(text, pos, stop + 1), MAX_TOKENS):
        token = text[match.start()]
        if token == '"':
            if match.end() == match.start() + 1:
                return None
        elif token == ",":
            if not stack:
                return match.start()
        elif token in _CLOSERS:
            stack.append(_CLOSERS[token])
        elif not stack:
            return match.start() if token == close else None
        elif stack.pop() != token:
            return None
    return None


def _find(text: str, pos: int, close: str, keys: Any) -> int | None:
    """Find the comma before an element that can be read, if need be one with these keys."""
    decode = json.JSONDecoder().raw_decode
    pattern = _NEXT_ITEM if close == "]" else _NEXT_MEMBER
    for tries, match in enumerate(pattern.finditer(text, pos + 1)):
        if tries == MAX_TRIES:
            break
        try:
            value, _ = decode(text, match.start(1))
        except (ValueError, RecursionError):
            continue
        if keys is None or (isinstance(value, dict) and value.keys() == keys):
            return match.start()
    return None
