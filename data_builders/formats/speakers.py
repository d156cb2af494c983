# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Who speaks: the names that begin lines, or stand on lines of their own above what is said.

    ANN: Hello.    **Ann:** Hello.    Ann (00:12): Hello.    [Ann] Hello.    Ann<TAB>Hello.
    Q1: Where?     A1. There.         1、问：在哪？          - User: Where?  1. Where?

A colon behind a name is plain enough. What else may divide a name from the words (a bracket, a
tab, a bar) also divides labels, terms and stage directions from theirs, so there the names must be
few, stand at nearly all lines and take turns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple, TypeVar

MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
ASKS = frozenset(["q", "question", "问", "問", "问题", "提问", "instruction"])
ANSWERS = frozenset(["a", "answer", "答", "答案", "回答", "ans", "response"])
ROLES = frozenset("user assistant human bot ai system chatgpt gpt 用户 助手 人类 机器人".split())
ROLE = "|".join(sorted(ASKS | ANSWERS | ROLES, key=len, reverse=True))
_EMPHASIS = r"\*{1,3}|__?|`"
# A point of a list or a number, if a role follows it.
_LEAD = re.compile(
    rf"(?:[-*+•]\s+|\(?\d{{1,4}}[.、)）]\s*)(?=(?:{_EMPHASIS})?(?i:{ROLE})\s*\d{{0,4}}\s*[:：*_`])"
)
_EMPHASISED = re.compile(
    rf"({_EMPHASIS})(?=[^\s*_`])([^*`:：]{{1,30}}?)\s*(?:[:：]\s*\1|\1\s*[:：])\s*(.*)"
)
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?(?:\s?[AaPp]\.?[Mm]\.?)?"
_STAMP = rf"(?:{_CLOCK}|\d{{1,4}})"
_IN_BRACKETS = rf"[(（\[]\s?{_STAMP}(?:\s?[–-]\s?{_STAMP})?\s?[)）\]]"
_TIMED = re.compile(
    r"([^:：|=\t()（）\[\]]{0,29}[^\s:：|=\t()（）\[\]])"
    rf"(?:\s*{_IN_BRACKETS}|\s+{_CLOCK})\s*[:：](?:\s+(.*)|$)"
)
_TIMED_ABOVE = re.compile(
    rf"[(\[]?{_CLOCK}[)\]]?\s+([^\W\d_][^:：|=\t.,!?]{{0,29}})"
    rf"|([^\W\d_][^:：|=\t.,!?]{{0,29}}?)(?:\s+{_CLOCK}|\s*{_IN_BRACKETS})"
)
# With a number behind it (`Q1:`), or with a dot instead of the colon (`Q.`).
_ASKED = re.compile(
    rf"((?i:{'|'.join(sorted(ASKS | ANSWERS, key=len, reverse=True))}))"
    r"(?:\s?\d{1,4}\s?[:：.、]|(?<=[QA问答])\.(?=\s))\s*(.*)"
)
_CHOICE = re.compile(r"\s*\(?[B-E][.)、]\s")
_NUMBERED = re.compile(r"\s*\(?\d{1,4}[.、)）]\s*(\S.*)")
_SPEAKER = re.compile(r"([^\s:：|=][^:：|=\t]{0,30})[:：]{1,2}\s*(.*)")
# What stands before a colon in mails, logs and settings.
_NO_SPEAKERS = re.compile(
    r"(?i)(?:from|to|cc|subject|date|sent|reply-to|re|info|debug|warn|warning|error|trace|fatal|"
    r"critical|http|https|url|title|author|note|id|name|tags?|version|text|\d+)"
)
# A machine before a colon, a date, a bracket that is not closed before it, or a point of a list.
_NO_NAME = re.compile(
    rf"\d+\.\d+\.\d+|.*\[\d+\]$|.*\d{{1,4}}[./-]\d{{1,2}}[./-]\d|\W?(?:\w+,? )?{MONTH} +\d|[\"]"
    r"|[^()（）\[\]<>]*[(（\[<][^()（）\[\]<>]*$|[\[<][^\[\]<>]*[\]>].|[\[<]/|[-*+•]\s"
)
_POINT = re.compile(r"\s*(?:[-*+•]\s|\(?\d{1,2}[.)]\s)")
# A name above what is said: `First Citizen:`, `小明：`; of capitals without a colon, `HAMLET.`.
_ABOVE = re.compile(
    r"(?=[^\W\d_]|#+ )"
    r"(?:([^:：|=\t，。!?！？;；]{1,30})[:：]|([\w'’-]{2,}(?: [\w'’.-]+){0,3}?)\.?)$"
)
# Without a colon, so that only a look at many lines can tell it from other marks.
_NAME = r"([^\s\d\[\]【】<>|=\t:：.,!?;。，！？；][^\[\]【】<>|=\t:：.,!?;。，！？；]{0,29}?)"
# The first two are of brackets; a tab or a bar is also between a question and its reply.
_STYLES = [
    re.compile(layout)
    for layout in (
        rf"[\[【]\s*{_NAME}\s*[\]】]\s*(.+)",
        rf"<?\s*{_NAME}\s*>\s+(.+)",
        rf"{_NAME} {{0,3}}\t {{0,3}}([^\t]+)$",
        rf"{_NAME}\s{{1,3}}\|\s{{1,3}}([^|]+)$",
    )
]
_BEGINNING = re.compile(
    r"(?=.*\S)\W{0,3}[\w .'’·-]{1,30}?(?:[\])）】>:：;；|\t*_]+|\s[-–—|=>]+\s|\W?:"
    r"|\s?[(\[][^()\[\]]{1,20}[)\]]:?\s)"
    r"|\W{0,2}\d\S*\s|@\S+\s|[\U0001f000-\U0001faff]\S{0,3}\s|[A-Z]{2,}\.\s"
    rf"|(?:{ROLE}|Q|A|User|Assistant|Human|Bot)\s+(?=\S)"
)
_DIGITS = re.compile(r"\d+")
_END = re.compile(r".*[.!?…。！？~～]\W*$")

Line = TypeVar("Line")
Take = Callable[[str], tuple[str, str] | None]


class Names(NamedTuple):
    """The names that begin lines.

    Attributes:
        counted: How often each speaks; empty if lines have no names.
        take: Takes a line apart into the name and what is said.
        sure: Whether nothing but names looks like this.
    """

    counted: Counter[str]
    take: Take
    sure: bool = True


def share(lines: Sequence[Line], test: Callable[[Line], object]) -> float:
    """Say which part of the lines passes a test; 0 if there are no lines."""
    return sum(1 for line in lines if test(line)) / len(lines) if lines else 0.0


def role_of(name: str) -> str:
    """Give a name as the sets of roles have it."""
    return name.lower().strip("# ")


def speaker_and_text(line: str) -> tuple[str, str] | None:
    """Take a line such as "ANN: Hello." apart, or give None if no name begins it."""
    line = _LEAD.sub("", line.strip(), count=1) if _LEAD.match(line.strip()) else line.strip()
    if found := _EMPHASISED.match(line):
        line = f"{found[2]}: {found[3]}"
    if found := _ASKED.match(line) or _TIMED.match(line):
        name, text = found[1].strip("*_` "), (found[2] or "").strip()
        return None if _NO_SPEAKERS.fullmatch(name) or _NO_NAME.match(name) else (name, text)
    found = _SPEAKER.match(line)
    if not found or _NO_SPEAKERS.fullmatch(found[1].strip()) or found[2].startswith("//"):
        return None
    # The colon of a clock.
    place = found.end(1)
    clock = found[0][place - 1].isdigit() and found[0][place + 1 : place + 2].isdigit()
    return None if clock or _NO_NAME.match(found[1]) else (found[1].strip(), found[2].strip())


def speakers_of(lines: Sequence[str]) -> Names:
    """Find the names that begin lines, if the lines are speeches of a few people.

    None are found unless half of the lines have one and names come again.
    """
    found = Counter(said[0] for line in lines if (said := speaker_and_text(line)))
    if found and found.keys() <= {name for name in found if role_of(name) in ANSWERS}:
        # Only the answers are marked: the questions have numbers.
        asked = sum(1 for line in lines if _numbered(line) and not speaker_and_text(line))
        if 0.9 <= asked / found.total() <= 1.1:
            return Names(
                found + Counter(Q=asked), lambda line: speaker_and_text(line) or _numbered(line)
            )
    # A few lines that all have a name, as the beginning of a play, are no plain lines either.
    few = found.total() == len(lines) <= 4
    again = len(found) > 1 and (few or found.total() >= 2 * len(found))
    if share(lines, _CHOICE.match) < 0.05 and again and 2 * found.total() >= len(lines):
        return Names(found, speaker_and_text)
    return _taking_turns(lines)


def _numbered(line: str) -> tuple[str, str] | None:
    found = _NUMBERED.match(line)
    return ("Q", found[1].strip()) if found else None


def _taking_turns(lines: Sequence[str]) -> Names:
    """Find a mark behind the names of a few people who take turns."""
    for style in _STYLES:
        order = [found[1] for line in lines if (found := style.match(line.strip()))]
        counted = Counter(order)
        most = len(order) / 3 + 1 if style in _STYLES[:2] else 3
        if len(order) < max(4, 0.9 * len(lines)) or not 1 < len(counted) <= most:
            continue
        if any(map(_NO_SPEAKERS.fullmatch, counted)):
            continue
        roles = {role_of(name) for name in counted} <= ASKS | ANSWERS | ROLES
        if roles or share(list(pairwise(order)), lambda two: two[0] != two[1]) > 0.65:
            return Names(counted, partial(_styled, style), roles)
    return Names(Counter(), speaker_and_text)


def _styled(style: re.Pattern[str], line: str) -> tuple[str, str] | None:
    found = style.match(line.strip())
    return (found[1].strip(), found[2].strip()) if found else None


def begin_alike(lines: Sequence[str]) -> bool:
    """Say whether most lines begin with one of a few names, marks or numbers of the same shape."""
    begins = [found[0] for line in lines if (found := _BEGINNING.match(line.strip()[:80]))]
    shapes = Counter(_DIGITS.sub("0", begin.strip()) for begin in begins)
    often = max(3, len(lines) / 50)
    return sum(count for count in shapes.values() if count >= often) > 0.5 * len(lines)


def are_labels(values: Sequence[str]) -> bool:
    """Say whether first columns are a few short names or labels that come again and again."""
    few = len(set(values)) <= (len(values) // 2 if len(values) < 9 else len(values) / 3)
    if not few or len(values) < 4 or len(set(values)) > 30:
        return False
    short = share(values, lambda value: len(value) <= 30 and not _END.match(value))
    words = share(values, lambda value: len(value.split()) <= 3)
    # One question with all its replies below each other is no label.
    mixed = share(list(pairwise(values)), lambda two: two[0] != two[1]) > 0.3
    return short > 0.9 and words > 0.9 and (mixed or share(values, str.isascii) > 0.9)


def name_above(line: str) -> str | None:
    """Give the name that a line consists of, such as "First Citizen:" or "HAMLET.", or None."""
    line = line.strip()
    role = role_of(line)
    if role in ASKS | ANSWERS | ROLES and (len(role) > 1 or not role.isascii()):
        return line
    if timed := _TIMED_ABOVE.fullmatch(line):
        line = f"{timed[1] or timed[2]}:"
    elif emphasised := re.fullmatch(rf"({_EMPHASIS})([^*_`]{{1,30}}?)[:：]?\1[:：]?", line):
        line = f"{emphasised[2]}:"
    found = _ABOVE.match(line)
    name = found and (found[1] or (found[2].isupper() and found[2])) or ""
    return None if not name or _NO_SPEAKERS.fullmatch(name) or _NO_NAME.match(name) else name


def stand_apart(lines: Sequence[str]) -> bool:
    """Say whether blank lines stand before the names that are lines of their own."""
    before = zip(lines, ["", *lines], strict=False)
    return share([above for line, above in before if name_above(line)], str.strip) < 0.3


def names_above(lines: Sequence[str]) -> Counter[str]:
    """Count the names that stand on lines of their own, above what they say.

    None count unless names come again, and words follow them.
    """
    found: Counter[str] = Counter()
    apart, followed, last, before = stand_apart(lines), 0, "", ""
    for line in lines:
        name = name_above(line) if not (apart and before.strip()) else None
        followed += bool(last and line.strip() and not name)
        found.update([name] if name else [])
        last = name or (last if not line.strip() else "")
        before = line
    again = len(found) > 1 and found.total() >= max(4, 2 * len(found), len(lines) / 12)
    if share(lines, _POINT.match) > 0.1:
        return Counter()
    return found if again and followed >= 0.85 * found.total() - 1 else Counter()
