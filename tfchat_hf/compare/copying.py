# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How much of a reply is taken from what was said before it. Plain text in, no model."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from ..text.overlap import metric_tokens

# Three words in a row are hardly said twice by chance. Three Chinese characters are ("你是不"),
# for a word is one or two of them: there it takes four.
COPIED_WORDS = 3
COPIED_CHARACTERS = 4


def copy_rate(replies: Sequence[str], contexts: Sequence[Sequence[str]]) -> float:
    """Gives the share of all words of the replies that are copied from their contexts.

    Words are `metric_tokens` in small letters without punctuation. Copied is a run of three or
    more that stands in one turn of the context too; of four, where all are Chinese characters.

    Args:
        replies: one text a question.
        contexts: the turns before each of them.
    """
    marks = [_copied(*pair) for pair in zip(replies, contexts, strict=True)]
    words = sum(map(len, marks))
    return sum(map(sum, marks)) / words if words else 0.0


def echo_share(replies: Sequence[str], contexts: Sequence[Sequence[str]]) -> float:
    """Gives the share of replies that say the newest turn again, whatever the punctuation.

    Args:
        replies: one text a question.
        contexts: the turns before each of them, the newest last.
    """
    pairs = [
        (_words(reply), _words(turns[-1]))
        for reply, turns in zip(replies, contexts, strict=True)
        if turns
    ]
    return sum(bool(own) and own == asked for own, asked in pairs) / max(len(replies), 1)


def _copied(reply: str, turns: Sequence[str]) -> list[bool]:
    """Marks the words of a reply that are copied, `(words,)`."""
    words = _words(reply)
    marks = [False] * len(words)
    asked = [_words(turn) for turn in turns]
    for size in (COPIED_WORDS, COPIED_CHARACTERS):
        known = {run for turn in asked for run in _runs(turn, size)}
        for place, run in enumerate(_runs(words, size)):
            if run in known and (size == COPIED_CHARACTERS or not all(map(_is_han, run))):
                marks[place : place + size] = [True] * size
    return marks


def _words(text: str) -> list[str]:
    """Lists the words and characters of a text, without its punctuation."""
    return [token for token in metric_tokens(text.casefold()) if token[0].isalnum()]


def _runs(words: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Lists the runs of so many neighbouring words."""
    return [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]


def _is_han(word: str) -> bool:
    """Tells whether a word is one Chinese character."""
    return len(word) == 1 and unicodedata.name(word, "").startswith("CJK")
