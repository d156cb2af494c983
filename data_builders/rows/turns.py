# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a list of turns means, whatever it is a list of.

    ["Is it open?", "Until nine."]
    [["Is it open?", "Until nine."], ["And Sundays?", "Closed."]]
    [[0, "Is it open?"], [1, "Until nine."]]
    [{"speaker": "A", "text": "Is it open?"}, {"speaker": "B", "text": "Until nine."}]
    [{"role": "user", "content": "Is it open?"}, {"role": "assistant", "content": "Until nine."}]
    [{"human": "Is it open?", "assistant": "Until nine."}]
    [{"user_utterance": {"text": "Is it open?"}, "system_utterance": {"text": "Until nine."}}]
    [["A", "Is it open?"], ["B", "Until nine."]]
    ["Usr: Is it open?", "Bot: Until nine."]

Neighbours of one speaker are one turn. A turn that cannot be used (a call of a tool, an empty
text) cuts the dialogue: what stands before it and after it are dialogues of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from data_builders.report import RowError
from data_builders.rows import vocabulary as known
from data_builders.rows.dialogues import Said, Style, Turns, assembled
from data_builders.rows.values import TOOL_STEP, as_list, is_filled, no_text, shown, text_in
from data_builders.rows.vocabulary import ROLE_ORDER, ROLES, TOOL_ROLES, fold

# What is nothing but the name of a speaker, and what no name has in it.
_SPEAKER = re.compile(
    rf"[A-Za-z甲乙男女]|(?i:{'|'.join(name for name in ROLES if len(name) > 1)})"
    r"|(?i:speaker|person|participant|agent|user|说话人)[ _#-]?\w{1,2}"
)

_NO_NAME = re.compile(r"[。！？.!?,，；;]|.{25}")

# What MOSS puts around its turns.
_WRAPPED = re.compile(r"^<\|[A-Za-z ]+\|>:?\s*|<eo[a-z]>$")


class _Keys(NamedTuple):
    """Which keys of an object tell what; `is_spoken`: one is like "user_utterance"."""

    text: str | None
    tools: tuple[str, ...]
    images: tuple[str, ...]
    bad: tuple[str, ...]
    weights: tuple[str, ...]
    is_spoken: bool


@lru_cache(maxsize=4096)
def _keys_of(keys: tuple[str, ...]) -> _Keys:
    folded = {fold(key): key for key in keys}
    texts = (
        names[key]
        for names in ({k: k for k in keys}, folded)
        for key in known.TEXT_KEYS
        if key in names
    )
    return _Keys(
        next(texts, None),
        tuple(key for key in known.TOOL_KEYS if key in keys),
        tuple(key for key in keys if known.names_image(str(key))),
        tuple(key for key in known.BAD_IF_YES if key in keys),
        tuple(key for key in known.NOT_LEARNED if key in keys),
        any(known.role_of_text(str(key)) for key in keys),
    )


class _List(NamedTuple):
    """What the items of a list have in common.

    Attributes:
        speakers: Keys that name the speaker, those first that tell speakers apart.
        answers_first: Whether the answer to the item before stands before the next question.
        named: Whether the items are [speaker, text].
    """

    speakers: tuple[str, ...] = ()
    answers_first: bool = False
    named: bool = False


def read_turns(
    items: Any, style: Style, speakers: Any = None, system: str | None = None
) -> list[Turns]:
    """Read a list of turns: one dialogue, or more where turns cut it.

    Args:
        items: The list.
        style: What a description says of it.
        speakers: Beside it, who speaks each turn.
        system: What stands before the dialogue.
    """
    seen = _seen(as_list(items), style)
    said = [one for item in items for one in _said_in(item, style, seen)]
    if isinstance(speakers, list) and len(speakers) == len(said):
        said = [one._replace(who=who) for one, who in zip(said, speakers, strict=True)]
    elif isinstance(speakers, list) and speakers:
        style.counts["lists of speakers that are not as long as the turns, not used"] += 1
    if len(said) > 1 and isinstance(items[0], dict) and all(one.who is None for one in said):
        style.counts["dialogues whose turns do not say who speaks, taken turn by turn"] += 1
    return assembled(said, style, system)


def _seen(items: list[Any], style: Style) -> _List:
    """Look at all items of a list for what one of them cannot tell."""
    objects = [item for item in items if isinstance(item, dict)]
    if not objects:
        inner = [item for one in items if isinstance(one, list) for item in one]
        objects = [item for item in inner if isinstance(item, dict)]
        return _List(_speaker_keys(objects), named=are_named(items))
    answers = [bool(_spoken(item, style).get("assistant")) for item in objects]
    return _List(_speaker_keys(objects), not answers[0] and any(answers))


def _speaker_keys(objects: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Find the keys that say who speaks, those first that tell speakers apart."""
    known_keys = (*known.ROLE_KEYS, *known.SPEAKER_KEYS)
    keys = dict.fromkeys(key for item in objects for key in item)
    found = [key for key in known_keys if key in keys]
    found += [key for key in keys if key not in known_keys and known.names_speaker(key)]
    if len(found) < 2:
        return tuple(found)
    told = {key: {str(_name(key, item.get(key))) for item in objects} - {"None"} for key in found}
    roles = {key: key in known.ROLE_KEYS and any(map(_is_role, told[key])) for key in found}
    return tuple(sorted(found, key=lambda key: (not roles[key], len(told[key]) < 2)))


def _is_role(name: str) -> bool:
    return fold(name) in ROLES or fold(name) in TOOL_ROLES


def _name(key: str, value: Any) -> Any:
    """Give the name of a speaker; of "is_user" his role."""
    if isinstance(value, dict):
        return value.get("role") or value.get("name") or value.get("id")
    if isinstance(value, bool) and (role := ROLES.get(known.snake(key).rpartition("_")[2])):
        return role if value else {"user": "assistant"}.get(role, "user")
    return None if isinstance(value, list) else value


def are_named(items: Sequence[Any], strict: bool = False) -> bool:
    """Say whether the items of a list are each [speaker, text, ...].

    With `strict` only names count that are nothing but names: "A", "user", "Speaker 1".
    """
    pairs = [item for item in items if isinstance(item, list) and len(item) > 1]
    if len(pairs) < max(2, len(items)) or not all(isinstance(p[1], str) for p in pairs):
        return False
    names = [p[0] for p in pairs if isinstance(p[0], str)]
    if len(names) < len(pairs) or all(map(_SPEAKER.fullmatch, names)):
        return len(names) == len(pairs)
    if strict or len(set(names)) * 2 > len(names) or any(map(_NO_NAME.search, names)):
        return False
    return sum(map(len, names)) * 2 < sum(len(p[1]) for p in pairs)


def _said_in(item: Any, style: Style, seen: _List) -> Iterator[Said]:
    """Give the turns of one item of a list; what cannot be used says why."""
    try:
        if item is TOOL_STEP:
            style.counts["messages of tools before an answer left out"] += 1
        elif isinstance(item, dict):
            yield from _of_object({k: v for k, v in item.items() if v is not None}, style, seen)
        elif isinstance(item, list):
            yield from _of_list(item, style, seen)
        else:
            yield Said(item) if isinstance(item, str) else Said("", wrong=no_text(item))
    except RowError as error:
        # A dialogue about an image makes no sense without it: it is not cut but rejected.
        if error.rule == "image":
            raise
        yield Said("", wrong=error)


def _of_list(items: list[Any], style: Style, seen: _List) -> Iterator[Said]:
    numbered = len(items) == 2 and isinstance(items[0], int) and isinstance(items[1], str)
    if numbered or seen.named:
        yield Said(items[1], items[0])
        return
    for item in as_list(items):
        if isinstance(item, list):
            raise no_text(item)
        said = list(_said_in(item, style, seen))
        # Of several short messages that are one turn, an empty one says nothing.
        yield from (one for one in said if one.text.strip() or one.wrong or one.who is None)


def _of_object(item: dict[str, Any], style: Style, seen: _List) -> Iterator[Said]:
    keys = _keys_of(tuple(item))
    who = None
    for key in seen.speakers:
        if key in item:
            who = _name(key, item[key])
            break
    if (keys.tools and any(item[key] for key in keys.tools)) or _names_tool(who):
        raise RowError("tool message", who if isinstance(who, str) else shown(item))
    if keys.images and any(is_filled(item[key]) for key in keys.images):
        raise RowError("image", shown(item))
    text = keys.text
    if text is not None and isinstance(item[text], dict) and "author" in item[text]:
        yield from _of_object(item[text], style, _List(_speaker_keys([item[text]])))
        return  # a node of an export
    by_role = keys.is_spoken and who is None and text and known.role_of_text(text) is None
    if text is None or (by_role and _spoken(item, style)):
        yield from _by_role(item, style, seen, text)
        return
    if keys.bad and any(item[name] is True for name in keys.bad):
        raise RowError("bad by its label", shown(item))
    learned = not any(fold(item[name]) in known.NO for name in keys.weights)
    if not learned and style.roles.get(fold(who)) == "assistant":
        style.counts["replies of weight 0 that are context and not learned"] += 1
    learned = learned and item.get("is_learned_elsewhere") is not True
    yield Said(text_in(item[text]), who, learned=learned)


def _names_tool(who: Any) -> bool:
    return isinstance(who, str) and fold(who) in TOOL_ROLES


def _spoken(item: Mapping[str, Any], style: Style) -> dict[str, str]:
    """Give the texts that stand under the name of a role and a word for text, by role."""
    found: dict[str, str] = {}
    if not _keys_of(tuple(item)).is_spoken:
        return found
    for key, value in item.items():
        if (name := known.role_of_text(key)) and isinstance(value, (str, int, float, list, dict)):
            found.setdefault(style.roles[name], text_in(value).strip())
    if "system" in found and "assistant" not in found:
        found["assistant"] = found.pop("system")
    return found


def _by_role(
    item: dict[str, Any], style: Style, seen: _List, text: str | None = None
) -> Iterator[Said]:
    """Read an object with a text a role, or with a question and its reply."""
    if spoken := _spoken(item, style):
        if text is not None:
            spoken.setdefault("user", text_in(item[text]))
        order = ROLE_ORDER[::-1] if seen.answers_first else ROLE_ORDER
        # Who does not say anything in an item does not speak in it.
        told = [Said(spoken[role], role) for role in order if spoken.get(role, "").strip()]
        yield from told or [Said("", "user")]
        return
    named = {key: style.roles[fold(key)] for key in item if fold(key) in style.roles}
    if not {"user", "assistant"} & set(named.values()):
        folded = {fold(key): key for key in item}
        question = next((folded[key] for key in known.QUESTIONS if key in folded), None)
        reply = next((folded[key] for key in known.REPLIES if key in folded), None)
        if question is None or reply is None:
            raise RowError("missing key", shown(item))
        named |= {question: "user", reply: "assistant"}
    for key in sorted(named, key=lambda key: ROLE_ORDER.index(named[key])):
        if named[key] == "system" and not (isinstance(item[key], str) and item[key].strip()):
            continue
        try:
            yield Said(_WRAPPED.sub("", text_in(item[key]).strip()), named[key])
        except RowError as error:
            yield Said("", named[key], error)
