# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One dialogue of a row out of the values of its parts: a pair, a list of turns, an intent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from data_builders.dialogue import clean_turn
from data_builders.placeholders import is_missing_turn, is_placeholder
from data_builders.report import RowError
from data_builders.rows import vocabulary as known
from data_builders.rows.cells import conversations_in, history_in, list_in_text, marked_turns
from data_builders.rows.description import Description
from data_builders.rows.dialogues import Style, Turns, usable_text
from data_builders.rows.turns import read_turns
from data_builders.rows.values import (
    MAX_MESSAGES,
    as_list,
    no_text,
    number_as_text,
    shown,
    text_in,
)
from data_builders.rows.vocabulary import fold, snake

# Of what stands in a reply only the well-known labels count.
_WELL_KNOWN = Description()
# "B", "(b)", "B." and "2"; several have no text together. "B. " before a text.
_LETTERS = re.compile(r"\W*([A-Ha-h]|\d|[A-H](?:\W*[A-H])+)\W*")

_BEFORE_OPTION = re.compile(r"^\W*[A-Ha-h]\s*[.)、．:：）]\s*")


def read_side(values: Mapping[str, Any], style: Style) -> Iterable[Turns | RowError]:
    """Read what the parts of one dialogue hold."""
    system = _optional(values.get("system"))
    if "patterns" in values:
        return _read_intent(values, style, system)
    if "reply" in values:
        return _read_pair(values, style, system)
    return (_read_instances if "instances" in values else _read_lists)(values, style, system)


def _read_lists(values: Mapping[str, Any], style: Style, system: str | None) -> Iterator[Turns]:
    whole = "messages" if "messages" in values else "dialogue"
    value, chosen = _cut_at(values[whole], style.turn_ends), values.get("chosen")
    if isinstance(chosen, str) and (marked := marked_turns(chosen)):
        chosen = marked
    if isinstance(chosen, list) and len(chosen) > 1:
        value, chosen = chosen, None  # it is the dialogue as a whole
    for items in conversations_in(value):
        items = _unrolled(as_list(items))
        if chosen is not None and chosen != []:
            reply = chosen[0] if isinstance(chosen, list) else chosen
            items = [*items, {"assistant": reply} if isinstance(reply, str) else reply]
        if isinstance(values.get("history"), list):
            items = [*history_in(values["history"]), *items]
        speakers = values.get("speakers")
        if isinstance(speakers, str) and speakers.strip():
            speakers = list_in_text(speakers)
        yield from read_turns(items, style, speakers, system)


def _unrolled(items: list[Any]) -> list[Any]:
    """Take the last of the turns that each repeat what went before: it has all of them."""
    last = items[-1] if items else None
    if not isinstance(last, dict) or not isinstance(last.get("history"), list):
        return items
    replies = last.get("candidates")
    return [*last["history"], replies[-1]] if isinstance(replies, list) and replies else items


def _read_instances(
    values: Mapping[str, Any], style: Style, system: str | None
) -> Iterator[Turns | RowError]:
    for instance in as_list(values["instances"]):
        fields = instance if isinstance(instance, dict) else {}
        asked = [values["question"], _optional(fields.get("input"))]
        question = "\n".join(text.strip() for text in asked if isinstance(text, str))
        yield _answered([], question, fields.get("output"), style, system)


def _read_intent(
    values: Mapping[str, Any], style: Style, system: str | None
) -> Sequence[Turns | RowError]:
    """Answer each way to ask with each of the replies."""
    replies = values["reply"] if isinstance(values["reply"], list) else [values["reply"]]
    asked, replies = ([o for o in as_list(v) if o != ""] for v in (values["patterns"], replies))
    if not asked or not replies:
        raise RowError("empty text", "no ways to ask" if replies else "no replies")
    if len(asked) * len(replies) > MAX_MESSAGES:
        raise RowError("too many messages", f"more than {MAX_MESSAGES:,}")
    if len(replies) > 1:
        style.counts["ways to ask that are answered by each of several replies"] += len(asked)
    return [_answered([], one, reply, style, system) for one in asked for reply in replies]


def options_among(names: Sequence[str], tops: Sequence[str]) -> dict[str, str]:
    """Find the fields of what may be chosen from, by letter; of a list of them by ""."""
    others = [name for name in names if name not in tops]
    found = {match[1]: name for name in others if (match := known.OPTION.fullmatch(snake(name)))}
    listed = next((name for name in others if fold(name) in known.OPTIONS), None)
    return {"": listed} if listed else found if {"a", "b"} <= found.keys() else {}


def option_text(reply: str, row: Mapping[str, Any], fields: Mapping[str, str]) -> str:
    """Give the text of an option of which the reply is only the letter."""
    found: Any = row.get(fields[""]) if "" in fields else {k: row.get(n) for k, n in fields.items()}
    if isinstance(found, dict) and isinstance(found.get("label"), list):
        found = dict(zip(found["label"], as_list(found.get("text")), strict=False))
    elif isinstance(found, list):
        found = {chr(ord("a") + place): option for place, option in enumerate(found[:8])}
    letter = _LETTERS.fullmatch(reply)
    if letter is None or not isinstance(found, dict) or not found:
        return reply
    texts = {fold(key): number_as_text(value) for key, value in found.items()}
    option = reply if reply in texts.values() else texts.get(letter[1].lower())
    if not isinstance(option, str):
        raise RowError("letter of an option", reply)
    return _BEFORE_OPTION.sub("", option)


def _read_pair(
    values: Mapping[str, Any], style: Style, system: str | None
) -> Sequence[Turns | RowError]:
    before: list[Any] = []
    if values.get("history") is not None:
        turns = values["history"]
        missing = isinstance(turns, str) and is_placeholder(turns)
        before = history_in(None if missing else _cut_at(turns, style.turn_ends))
    question = None
    if "question" in values:
        question = _asked(values["question"], values.get("context"))
        if isinstance(question, list):
            before, question = [*before, *question], None
    reply = _reply(values["reply"])
    if not isinstance(reply, list):
        return [_answered(before, question, reply, style, system)]
    if _is_talk(reply):  # What was chosen is the dialogue as a whole.
        return read_turns(reply, style, system=system)
    if not reply:
        raise RowError("empty text", "an empty list of replies")
    replies = reply[:1] if style.only_first else reply
    return [_answered(before, question, one, style, system) for one in replies]


def _is_talk(replies: list[Any]) -> bool:
    """Say whether these are messages of both sides, and not several replies to choose from."""
    named = (one.get(k) for one in replies if isinstance(one, dict) for k in known.ROLE_KEYS)
    return {"user", "assistant"} <= {known.ROLES.get(fold(name)) for name in named}


def _answered(
    before: list[Any], question: Any, reply: Any, style: Style, system: str | None
) -> Turns | RowError:
    """Put the turns before, a question and its reply together; both must be usable."""
    try:
        pair = [] if question is None else [_usable(question, "", style)]
        pair.append(_usable(reply, pair[0] if pair else "", style))
        if before:
            last = pair[-1]
            if any(isinstance(item, dict) for item in before):
                roles = ("user", "assistant")[-len(pair) :]
                said = [{"role": r, "content": t} for r, t in zip(roles, pair, strict=True)]
                return _the_last(read_turns([*before, *said], style, system=system), last)
            return _the_last(read_turns([*before, *pair], style, system=system), last)
        if len(pair) < 2:
            raise RowError("fewer than two turns", pair[0])
        if system is None:
            return Turns(tuple(pair))
        return Turns((system, *pair), ("system", "user", "assistant"))
    except RowError as error:
        return error


def _the_last(found: list[Turns], reply: str) -> Turns:
    """Take the dialogue that ends with the reply; what a broken turn cut off is no matter here."""
    if not found[-1].turns[-1].endswith(reply):
        raise RowError("no reply", reply)
    return found[-1]


def _usable(value: Any, asked: str, style: Style) -> str:
    if isinstance(value, dict):
        labels = [key for key in value if _WELL_KNOWN.is_label(key)]
        if any(_WELL_KNOWN.is_bad(key, fold(value[key])) for key in labels):
            raise RowError("bad by its label", shown(value))
        keys = (*known.TEXT_KEYS, *known.REPLIES)
        value = next((value[key] for key in keys if isinstance(value.get(key), str)), value)
    text = value if isinstance(value, str) else text_in("" if value is None else value)
    if is_missing_turn(text, [asked]):
        raise RowError("empty text", text)
    return usable_text(text, style)


def _asked(question: Any, context: Any) -> Any:
    """Give the question; a list where the turns before it stand in the same text."""
    if isinstance(question, str) and (marked := marked_turns(question)):
        return marked
    if not isinstance(context, str) or is_placeholder(context):
        return "" if question is None else question
    if not isinstance(question, str):
        raise no_text(question)
    return f"{question.strip()}\n{context.strip()}"


def _reply(value: Any) -> Any:
    """Give the reply, or a list of them: of an object the texts in it."""
    if not isinstance(value, dict):
        return value
    texts = next((value[key] for key in known.TEXT_KEYS if value.get(key) is not None), None)
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        return list(dict.fromkeys(texts))
    return value


def _optional(value: Any) -> str | None:
    if not isinstance(value, str) or is_placeholder(value):
        return None
    return clean_turn(value)


def _cut_at(value: Any, ends: Sequence[str]) -> Any:
    """Cut a text into its turns where the corpus has marks for that."""
    if not ends or not isinstance(value, str):
        return value
    for end in ends[1:]:
        value = value.replace(end, ends[0])
    return [text for text in value.split(ends[0]) if text.strip()]
