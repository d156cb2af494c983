# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Steps that leave alone what they gave back, and cuts that leave no double blanks."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps

from data_builders.dialogue import trimmed

# What a step removes can bring two pieces of the next match together: "<<b>b>". Nested deeper
# than this it is no text that anyone wrote, and each round costs a look at all of it.
MAX_ROUNDS = 20
_CLOSING = tuple(",.!?;:)，。！？；：）、")


def settled(step: Callable[[str], str]) -> Callable[[str], str]:
    """Repeat a step until it changes nothing more, which makes it idempotent."""

    @wraps(step)
    def until_settled(text: str) -> str:
        for _ in range(MAX_ROUNDS):
            after = step(text)
            if after == text:
                break
            text = after
        return text

    return until_settled


def cut(pattern: re.Pattern[str], text: str) -> str:
    """Take out what matches, with the blank that would be left over.

    "see http://a.example now" without its URL is "see now".
    """
    pieces = []
    end = 0
    for match in pattern.finditer(text):
        pieces.append(text[end : match.start()])
        end = match.end()
    if not pieces:
        return text
    pieces.append(text[end:])
    kept = pieces[:1]
    for piece in pieces[1:]:
        if not kept or kept[-1][-1:] in ("", " ", "\n"):
            piece = piece.lstrip(" ")
        if kept and kept[-1].endswith(" ") and piece[:1] in _CLOSING:
            kept[-1] = kept[-1][:-1]
        if piece:
            kept.append(piece)
    return trimmed("".join(kept))
