# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which two files belong together, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# What stands in the name of the questions, and what in that of the replies; likeliest first.
_SURE = (
    ("src", "tgt"),
    ("src", "trg"),
    ("source", "target"),
    ("sources", "targets"),
    ("post", "response"),
    ("posts", "responses"),
    ("post", "reply"),
    ("post", "comment"),
    ("question", "answer"),
    ("questions", "answers"),
    ("question", "reply"),
    ("questions", "replies"),
    ("question", "response"),
    ("query", "reply"),
    ("query", "response"),
    ("query", "answer"),
    ("ask", "answer"),
    ("context", "response"),
    ("prompt", "response"),
    ("message", "response"),
    ("input", "output"),
)
# Also the names of files that are whole corpora each.
_UNSURE = (("enc", "dec"), ("encode", "decode"), ("from", "to"), ("q", "a"), ("in", "out"))
_WORD = re.compile(r"[A-Za-z]+")


def _partner_words(pairs: Sequence[tuple[str, str]], replies: bool) -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    for question, reply in pairs:
        key, value = (reply, question) if replies else (question, reply)
        words.setdefault(key, []).append(value)
    return words


_REPLY_WORDS = _partner_words(_SURE + _UNSURE, replies=False)
_QUESTION_WORDS = _partner_words(_SURE + _UNSURE, replies=True)
_UNSURE_WORDS = frozenset(word for pair in _UNSURE for word in pair)


def parallel_partner(name: str) -> str | None:
    """Give the name that the other one of two parallel files should have.

    Args:
        name: Name of a file, such as "data/src-train.txt" or "train.dec".

    Returns:
        The likeliest name of its partner ("data/tgt-train.txt", "train.enc"); None if the name
        is not of that kind.
    """
    for words in (_REPLY_WORDS, _QUESTION_WORDS):
        for partner in _renamed(name, words):
            return partner
    return None


def is_well_named(name: str) -> bool:
    """Say whether a name is hardly given to anything but one of two parallel files.

    Args:
        name: Name of a file.

    Returns:
        True for "src-train.txt", False for "train.enc" or for a name without a partner.
    """
    found = next(_found_words(name, _REPLY_WORDS | _QUESTION_WORDS), None)
    return found is not None and found.group().lower() not in _UNSURE_WORDS


def find_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Find the pairs of parallel files among the files of a folder, by their names.

    Args:
        names: All names, with or without their folders.

    Returns:
        Questions and replies, in the order of `names`; no name is in two pairs. Equal numbers
        of lines are for the caller to check.
    """
    free, pairs = dict.fromkeys(names), []
    for name in names:
        if name not in free:
            continue
        for partner in _renamed(name, _REPLY_WORDS):
            if partner in free and partner != name:
                pairs.append((name, partner))
                del free[name], free[partner]
                break
    return pairs


def _found_words(name: str, words: dict[str, list[str]]) -> Iterator[re.Match[str]]:
    # From the right: the file's own name tells more than its folder's.
    begin = max(name.rfind("/"), name.rfind("\\")) + 1
    found = [match for match in _WORD.finditer(name) if match.group().lower() in words]
    for match in reversed(found):
        # One letter is no more than the end of a name: "chat.q", but not "chat/a/1.txt".
        if len(match.group()) > 1 or (match.start() > begin and name[match.start() - 1] == "."):
            yield match


def _renamed(name: str, words: dict[str, list[str]]) -> Iterator[str]:
    for match in _found_words(name, words):
        for word in words[match.group().lower()]:
            yield name[: match.start()] + _cased_like(word, match.group()) + name[match.end() :]


def _cased_like(word: str, model: str) -> str:
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word.capitalize() if model[:1].isupper() else word
