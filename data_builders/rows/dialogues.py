# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From turns as they were said to dialogues: who speaks, what is joined, and what cuts them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from data_builders.dialogue import clean_turn
from data_builders.report import RowError
from data_builders.rows import vocabulary as known
from data_builders.rows.vocabulary import ROLES, fold

# "女：去哪儿？", "Usr: hello". No sentence mark stands in a name; a half-width colon is also in
# "12:30", so after other names than these it counts only where every line has one.
_PREFIX = re.compile(r"\s*([^\s：:，。！？；、,!?;]{1,12})\s*([：:])\s*")

_SPEAKING = frozenset("男女问答甲乙") | frozenset("abcdefgmw")

# Who says what is context for the next reply and no reply itself.
_CONTEXT = "context"


class Turns(NamedTuple):
    """One dialogue: turns, none blank; the role of each, and the language, where a source tells."""

    turns: tuple[str, ...]
    roles: tuple[str, ...] = ()
    lang: str | None = None


@dataclass
class Style:
    """What a description says of lists of turns.

    Attributes:
        roles: What the source calls system, user and assistant, folded.
        prefixes: Whether each text begins with the name of its speaker; None looks at them.
        replace: What stands for something else in all texts.
        turn_ends: What ends a turn where a text holds several.
        only_first: Whether of a list of replies the others are left out.
        cuts: How many turns cut a dialogue, by rule.
        counts: What else is to be said of the dialogues, and how often.
    """

    roles: Mapping[str, str] = field(default_factory=lambda: ROLES)
    prefixes: bool | None = None
    replace: Mapping[str, str] = field(default_factory=dict)
    turn_ends: Sequence[str] = ()
    only_first: bool = False
    cuts: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)


class Said(NamedTuple):
    """One turn before it is known who speaks.

    Attributes:
        text: What was said.
        who: The speaker as the source names him; None if it does not.
        wrong: Why it cannot be used.
        learned: Whether it may be learned as a reply; otherwise it is context.
    """

    text: str
    who: Any = None
    wrong: RowError | None = None
    learned: bool = True


def assembled(said: list[Said], style: Style, system: str | None) -> list[Turns]:
    """Find out who speaks, join neighbours, and cut where a turn cannot be used."""
    said = [_checked(one, style) for one in _without_prefixes(said, style)]
    said, with_roles = _with_roles(said, style)
    found: list[Turns] = []
    broken: RowError | None = None
    first = next((i for i, one in enumerate(said) if one.who != "system"), len(said))
    if with_roles and first:
        system = "\n".join(one.text for one in said[:first])
        said = said[first:]
    for piece in _pieces(said, with_roles):
        turns, who = _joined(piece, style)
        try:
            found.append(_dialogue(turns, who, with_roles, system))
        except RowError as error:
            broken = broken or error
    wrong = [one.wrong for one in said if one.wrong is not None]
    if not found:
        raise (wrong or [broken or RowError("fewer than two turns", "no turns")])[0]
    style.cuts.update(cut.rule for cut in wrong)
    return found


def _without_prefixes(said: list[Said], style: Style) -> list[Said]:
    """Take "Usr: " off the texts where it names the speaker."""
    if style.prefixes is False or any(one.who is not None for one in said):
        return said
    found = [_PREFIX.match(one.text) for one in said]
    names = [fold(match[1]) if match else "" for match in found]
    # Two letters "a" and "b" may be options of a question, as far as one can see.
    clear = len(names) > 1 and all(name in ROLES and len(name) > 1 for name in names)
    if style.prefixes is None and not clear:
        return said
    told = []
    for one, match, name in zip(said, found, names, strict=True):
        if match and (match[2] == "：" or name in ROLES or name in _SPEAKING):
            one = one._replace(text=one.text[match.end() :], who=match[1])
        told.append(one)
    return told


def _checked(one: Said, style: Style) -> Said:
    if one.wrong is not None:
        return one
    try:
        text = usable_text(one.text, style)
        return one if text is one.text else one._replace(text=text)
    except RowError as error:
        if error.rule == "image":
            raise
        # An empty system prompt says nothing.
        if one.who is not None and style.roles.get(fold(one.who)) == "system":
            return one._replace(text="")
        return one._replace(wrong=error)


def usable_text(text: str, style: Style) -> str:
    """Check a text, and put what is meant for what stands for it."""
    if "<" in text and known.IMAGE_MARK.search(text):
        raise RowError("image", text)
    # No blanks stay around a line break.
    for mark, meant in style.replace.items():
        pieces = text.split(mark)
        text = meant.join(map(str.strip, pieces) if meant.isspace() else pieces)
    return clean_turn(text)


def _with_roles(said: list[Said], style: Style) -> tuple[list[Said], bool]:
    """Name the speakers by their roles, if the source does."""
    named = [one for one in said if one.who is not None]
    roles = {str(one.who): style.roles.get(fold(one.who)) for one in named}
    heard = [roles[str(one.who)] for one in named if one.wrong is None or one.text]
    usable = [role for role in heard if role]
    all_told = all(roles.values()) and all(one.who is not None or one.wrong for one in said)
    if not usable or not (all_told or {"user", "assistant"} <= set(usable)):
        return [one._replace(who=None if one.who is None else str(one.who)) for one in said], False
    # Where nobody else answers, "system" is the one who does.
    answers = "assistant" not in usable and "user" in usable
    if answers and "system" in usable[usable.index("user") :]:
        roles = {name: "assistant" if role == "system" else role for name, role in roles.items()}
    told = []
    for one in said:
        role = roles.get(str(one.who))
        if role is None and one.wrong is None and one.text:
            told.append(one._replace(wrong=RowError("unknown role", one.who)))
        elif one.text or one.wrong:
            told.append(one._replace(who=role))
    return told, True


def _pieces(said: Iterable[Said], with_roles: bool) -> Iterator[list[Said]]:
    piece: list[Said] = []
    for one in said:
        if one.wrong is not None:
            yield piece
            piece = []
            continue
        if not one.learned and with_roles:
            one = one._replace(who=_CONTEXT if one.who == "assistant" else one.who)
        elif not one.learned:
            # Without roles every turn but the first is a reply.
            yield piece
            piece = []
        piece.append(one)
    yield piece


def _joined(piece: Iterable[Said], style: Style) -> tuple[list[str], list[Any]]:
    turns: list[str] = []
    who: list[Any] = []
    for one in piece:
        if turns and one.who is not None and one.who == who[-1]:
            turns[-1] += "\n" + one.text
            style.counts["turns joined to the one before, of the same speaker"] += 1
        else:
            turns.append(one.text)
            who.append(one.who)
    return turns, who


def _dialogue(turns: list[str], who: list[Any], with_roles: bool, system: str | None) -> Turns:
    if not with_roles:
        if len(turns) < 2:
            raise RowError("fewer than two turns", turns[0] if turns else "no turns")
        if system is None:
            return Turns(tuple(turns))
        # The last one is the reply, whatever the first one is.
        who = ["assistant" if (len(turns) - i) % 2 else "user" for i in range(len(turns))]
    elif "user" not in who or "assistant" not in who[who.index("user") :]:
        raise RowError("no reply", f"roles: {', '.join(who) or 'none'}")
    elif _CONTEXT in who:
        # Of the assistant's turns all are learned: what is not, stands among the user's. Behind
        # the last reply it is of no use.
        end = len(who) - who[::-1].index("assistant")
        turns, who = turns[:end], ["user" if w == _CONTEXT else w for w in who[:end]]
    before = [] if system is None else [system]
    return Turns((*before, *turns), (*("system" for _ in before), *who))
