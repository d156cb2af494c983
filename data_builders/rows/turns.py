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
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from data_builders.dialogue import clean_turn
from data_builders.placeholders import is_placeholder
from data_builders.report import RowError
from data_builders.rows import vocabulary as known
from data_builders.rows.vocabulary import ROLE_ORDER, ROLES, TOOL_ROLES, fold

# One list of a file that is one dialogue: beyond this it is none, and would fill the memory.
MAX_MESSAGES = 10_000
# "女：去哪儿？", "Usr: hello". No sentence mark stands in a name; a half-width colon is also in
# "12:30", so after other names than these it counts only where every line has one.
_PREFIX = re.compile(r"\s*([^\s：:，。！？；、,!?;]{1,12})\s*([：:])\s*")
_SPEAKING = frozenset("男女问答甲乙") | frozenset("abcdefgmw")
# What is nothing but the name of a speaker, and what no name has in it.
_SPEAKER = re.compile(
    rf"[A-Za-z甲乙男女]|(?i:{'|'.join(name for name in ROLES if len(name) > 1)})"
    r"|(?i:speaker|person|participant|agent|user|说话人)[ _#-]?\w{1,2}"
)
_NO_NAME = re.compile(r"[。！？.!?,，；;]|.{25}")
# What MOSS puts around its turns.
_WRAPPED = re.compile(r"^<\|[A-Za-z ]+\|>:?\s*|<eo[a-z]>$")


# Stands for what a tool did before the answer that is shown.
TOOL_STEP = object()
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
    return _assembled(_without_prefixes(said, style), style, system)


def _assembled(said: Sequence[Said], style: Style, system: str | None) -> list[Turns]:
    """Find out who speaks, join neighbours, and cut where a turn cannot be used."""
    said = [_checked(one, style) for one in said]
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


def as_list(value: Any) -> list[Any]:
    """Check that something is a list of a bearable length."""
    if not isinstance(value, list):
        raise no_text(value) if isinstance(value, bytes) else RowError("not a list", shown(value))
    if len(value) > MAX_MESSAGES:
        raise RowError("too many messages", f"more than {MAX_MESSAGES:,}")
    return value


def shown(value: Any) -> str:
    """Say in a few words what a value is, however large it may be."""
    if isinstance(value, dict):
        return f"keys: {', '.join(map(str, islice(value, 8))) or 'none'}"
    return f"a list of {len(value)}" if isinstance(value, list) else repr(value)


def is_filled(value: Any) -> bool:
    """Say whether a field that names something has anything in it."""
    if isinstance(value, (list, tuple)):
        return any(map(is_filled, value))
    if isinstance(value, dict):
        return any(map(is_filled, value.values()))
    return not is_placeholder(value) if isinstance(value, str) else bool(value)


def no_text(value: Any) -> RowError:
    """Give the error for a value that should be a text."""
    if isinstance(value, bytes):
        return RowError("not valid UTF-8", value)
    return RowError("not a string", shown(value))


def number_as_text(value: Any) -> Any:
    """Write a number as text, of 3.0 (a column with gaps) "3"; give anything else as it is."""
    if not isinstance(value, (int, float, Decimal)) or isinstance(value, bool):
        return value
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def text_in(content: Any) -> str:
    """Give the text of a turn that may consist of parts."""
    content = content if isinstance(content, str) else number_as_text(content)
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [text for part in as_list(content) if (text := _text_of_part(part)) is not None]
        return "\n".join(parts)
    if isinstance(content, dict):
        return _text_of_part(content) or ""
    raise no_text(content)


def _text_of_part(part: Any) -> str | None:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise no_text(part)
    kind = fold(part.get("type") or part.get("content_type") or "")
    if kind in known.IMAGE_PARTS or any(fold(key) in known.IMAGE_PARTS for key in part):
        raise RowError("image", shown(part))
    if kind in known.TOOL_PARTS or any(key in part for key in known.TOOL_KEYS):
        raise RowError("tool message", shown(part))
    if kind in known.THOUGHT_PARTS or part.get("thought") is True:
        return None
    for key in ("text", "value", "content", "parts"):
        if isinstance(part.get(key), str):
            return part[key]
        if key == "parts" and isinstance(part.get(key), list):
            return text_in(part[key])
    raise no_text(part)


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
