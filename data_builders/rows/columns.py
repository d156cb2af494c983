# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which fields of a row hold the dialogue, in any container: `columns`, or well-known names.

    {"question": "instruction", "reply": "output"}
    {"question": "title+body", "reply": "answer"}      both, one under the other
    {"question": "body|title", "reply": "answer"}      the first of them that is not blank
    {"question": "request.text", "reply": "answers.0"} a field in an object, an item of a list
    {"messages": "conversations"}                      objects with a role and a text
    {"dialogue": "utterances"}                         any list of turns
    {"group": "talk", "text": "said", "speaker": "by"} a table with one turn a row

`context` stands under the question, `history` and `system` before it, `speakers` beside a list.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import Any, NamedTuple

from data_builders.errors import UserError
from data_builders.placeholders import is_placeholder
from data_builders.report import RowError
from data_builders.rows import vocabulary as known
from data_builders.rows.values import no_text, number_as_text
from data_builders.rows.vocabulary import fold, snake
from data_builders.translation import _, listed

PARTS = (
    *("question", "context", "reply", "history", "system", "messages", "dialogue", "speakers"),
    *("chosen", "group", "text", "speaker"),
)
_PAIR = {"question", "context", "reply", "history", "system"}
_LIST = {"messages", "dialogue", "speakers", "chosen", "system", "history"}
_GROUP = {"group", "text", "speaker", "system"}
_MARKED = (("en", "en_{}"), ("en", "{}_en"), ("zh", "zh_{}"), ("zh", "{}_zh"))
_NUMBERS = ("id", "ids", "idx", "index", "no", "num", "number", "type", "count", "length")
_NO_LETTERS = re.compile(r"[\W_]+")


class Side(NamedTuple):
    """What is written for each part of one dialogue of a row, and its language if that is told."""

    lang: str | None
    parts: dict[str, str]


class Field:
    """One part of a row: a field, a way into it, or several together (`paths`)."""

    def __init__(self, written: str, names: Sequence[str]) -> None:
        """Understand what is written."""
        several = next((mark for mark in "+&|" if mark in written), "")
        self._mark = "" if written in names else several
        found = written.split(self._mark) if self._mark else [written]
        self.paths = [path.strip() for path in found]
        self._name = self.paths[0] if len(self.paths) == 1 else None

    def tops(self, names: Sequence[str]) -> list[str]:
        """Give the fields of the row itself that are needed."""
        return [path if path in names else path.partition(".")[0] for path in self.paths]

    def get(self, row: Mapping[str, Any]) -> Any:
        """Give the value; of several fields the text they make."""
        if self._name is not None:
            value = row[self._name] if self._name in row else value_at(row, self._name)
            return value if isinstance(value, str) else number_as_text(value)
        texts = [number_as_text(value_at(row, path)) for path in self.paths]
        if self._mark == "&":
            return _alternating(texts)
        for text in texts:
            if text is not None and not isinstance(text, str):
                raise no_text(text)
        said = [text.strip() for text in texts if text and not is_placeholder(text)]
        return "\n".join(dict.fromkeys(said)) if self._mark == "+" else _the_first(said)


def value_at(row: Any, path: str) -> Any:
    """Give what stands at a path, such as "chat.turn_1" or "0.text"; None where nothing does."""
    if isinstance(row, Mapping) and path in row:
        return row[path]
    name, _, rest = path.partition(".")
    if isinstance(row, Mapping):
        value = row.get(name)
    elif isinstance(row, list) and name.isdecimal() and int(name) < len(row):
        value = row[int(name)]
    else:
        return None
    return value_at(value, rest) if rest else value


def _letters(text: str) -> str:
    return _NO_LETTERS.sub("", text).lower()


def _alternating(lists: list[Any]) -> list[Any]:
    """Put two lists together, an item of each at a time."""
    if not all(isinstance(one, list) for one in lists):
        raise RowError("not a list", lists)
    rows = zip_longest(*lists, fillvalue="")
    return [item for row in rows for item in row if item != ""]


def _the_first(texts: list[str]) -> str:
    """Take the first text, but where it says no more than the second one."""
    if len(texts) > 1 and _letters(texts[0]) in _letters(texts[1]):
        return texts[1]
    return texts[0] if texts else ""


def check_columns(columns: Any) -> dict[str, str]:
    """Check the setting before anything is read."""
    if not isinstance(columns, Mapping):
        raise UserError(
            '`columns` must name columns by part (got {columns!r}). Write {{"question": "...", '
            '"reply": "..."}}.',
            columns=columns,
        )
    for part, name in columns.items():
        if part not in PARTS:
            raise UserError(
                "`columns` has no part {part!r}. Choose from {known}.",
                part=part,
                known=listed(PARTS),
            )
        if not isinstance(name, str) or not name:
            raise UserError(
                "`columns` needs the name of a column for {part} (got {name!r}).",
                part=part,
                name=name,
            )
    given = set(columns)
    pair = "reply" in given and given & {"question", "history"} and given <= _PAIR
    a_list = len(given & {"messages", "dialogue"}) == 1 and given <= _LIST
    group = {"group", "text"} <= given <= _GROUP
    if columns and not (pair or a_list or group):
        raise UserError(
            "`columns` must give question and reply (with context, history, system as needed), or "
            "messages or dialogue (with speakers, chosen, system), or group and text (with "
            "speaker): got {given}.",
            given=listed(columns),
        )
    return dict(columns)


@lru_cache(maxsize=4096)
def known_sides(names: tuple[str, ...], kinds: tuple[str, ...] = ()) -> tuple[Side, ...]:
    """Find the fields of a row by their names."""
    backwards = names[::-1]
    folded = {snake(n): n for n in backwards} | {fold(n): n for n in backwards}
    kind = dict(zip(names, kinds or ["text"] * len(names), strict=True))
    marked: dict[str, Side] = {}
    for lang, form in _MARKED:
        inner = {base: folded[full] for base in _BASES if (full := form.format(base)) in folded}
        if parts := _pair_in(inner, kind):
            marked.setdefault(lang, Side(lang, parts))
    others: dict[tuple[str, ...], str] = {("en",): "zh", ("zh",): "en"}
    plain = _known_parts(folded, kind)
    # Beside English columns the unmarked ones are Chinese, and the other way round.
    sides = [Side(others.get(tuple(marked)), plain)] if plain else []
    return (*sides, *marked.values())


_BASES = (*known.QUESTIONS, *known.REPLIES, "context")


def _known_parts(folded: Mapping[str, str], kind: Mapping[str, str]) -> dict[str, str]:
    usable = {name: full for name, full in folded.items() if kind[full] not in ("number", "other")}
    listed = {name: full for name, full in usable.items() if kind[full] != "text"}
    numbers = {name: folded[name] for name in known.NUMBERED if name in folded}
    numbers = {name: full for name, full in numbers.items() if kind[full] == "number"}
    turns = {full for name, full in listed.items() if kind[full] in ("turns", "pairs")}
    first = _first_in(usable)
    more = {"system": first(known.SYSTEMS)}
    if whole := _first_in(listed)(known.DIALOGUES):
        return _given({"dialogue": whole} | _beside_a_list(first, listed) | more)
    parts: dict[str, str] = {}
    if {"questions", "answers"} <= listed.keys() and not first(known.QUESTIONS):
        parts = {"dialogue": f"{listed['questions']}&{listed['answers']}"}
    parts = parts or _pair_in(usable, kind)
    whole = _first_in(listed)((*known.WEAK_DIALOGUES, "prompt", "chosen"))
    if not parts and (whole := whole or (turns.pop() if len(turns) == 1 else None)):
        apart = kind[whole] == "pairs" and not known.TALK.search(snake(whole))
        part = "pairs" if apart else "dialogue"
        parts = _given({part: whole} | _beside_a_list(first, listed))
    parts = parts or _pair_in(usable | numbers, kind)
    if not parts and (group := _first_in(folded)(known.GROUPS)) and (said := first(known.SAID)):
        by = _first_in({name: full for name, full in folded.items() if full != said})
        speaker = by(known.SAID_BY) or next(filter(known.names_speaker, folded.values()), None)
        parts = _given({"group": group, "text": said, "speaker": speaker})
    if not parts and (whole := first(known.DIALOGUES) or first(known.MARKED)):
        parts = {"dialogue": whole}
    return _given(parts | more) if parts else {}


def _pair_in(usable: Mapping[str, str], kind: Mapping[str, str]) -> dict[str, str]:
    """Find question and reply among fields by their folded names."""
    if {"a", "b", "c"} <= usable.keys():  # options, of which the first is no answer
        usable = {name: full for name, full in usable.items() if name != "a"}
    first = _first_in(usable)
    question, reply = first(known.QUESTIONS), first(known.REPLIES)
    patterns = None if question else first(known.PATTERNS)
    history, instances = first(known.HISTORIES), usable.get("instances")
    if instances and question and kind[instances] != "text":
        return {"question": question, "instances": instances}
    if reply is None:
        return {}
    if patterns and kind[patterns] == "list":
        return {"patterns": patterns, "reply": reply}
    if question and kind[question] not in ("text", "number"):
        # A prompt of several turns.
        return {"dialogue": question, "chosen": reply}
    if question is None or question == reply:
        question = None if history else first(known.CONTEXTS)
    if question is None and history is None:
        return {}
    asked = _question(question, usable) if question else None
    return _given({"question": asked, "reply": reply, "history": history})


def _beside_a_list(
    first: Callable[[Iterable[str]], str | None], listed: Mapping[str, str]
) -> dict[str, str | None]:
    chosen = first(("chosen", "response_chosen"))
    return {"speakers": _first_in(listed)(known.SPEAKERS), "chosen": chosen}


def _question(question: str, usable: Mapping[str, str]) -> str:
    first = _first_in(usable)
    if fold(re.sub(r"(?i)^(en|zh)_|_(en|zh)$", "", question)) in ("instruction", "prompt"):
        given = first(known.INPUTS)
        return f"{question}+{given}" if given and given != question else question
    if details := first(known.DETAILS.get(fold(question), ())):
        return f"{question}+{details}"
    # On question-answer sites the body is often left empty and the title is the question.
    title = first(known.TITLES)
    return f"{question}|{title}" if title and title != question else question


@lru_cache(maxsize=4096)
def kind_of_objects(keys: tuple[str, ...]) -> str:
    """Say what a list of objects with these keys holds.

    It is "turns" of text with speaker, or of a text a role; "pairs" of question and reply, which
    need not have to do with each other; "list" of anything else.
    """
    folded = {fold(key): key for key in keys}
    first = _first_in(folded)
    question, reply = first(known.QUESTIONS), first(known.REPLIES)
    if question and reply and question != reply:
        if is_weak({"question": question, "reply": reply}):
            return "list"
        spoken = {fold(question), fold(reply)} & (known.ROLES.keys() - {"q", "a", "问", "答"})
        return "turns" if spoken or any(map(known.names_speaker, keys)) else "pairs"
    told = any(snake(key).split("_")[0] in known.SURE_SPEAKERS for key in keys)
    return "turns" if told and any(key in folded for key in known.TEXT_KEYS) else "list"


def kind_of_value(value: Any) -> str:
    """Say what a value can be used for: turns, pairs, list (or object), text, number or other."""
    if value is None or isinstance(value, (str, bytes)):
        return "text"
    if isinstance(value, list):
        kinds = {kind_of_objects(tuple(v)) if isinstance(v, dict) else "list" for v in value[:8]}
        return "list" if not kinds or "list" in kinds else max(kinds)
    if isinstance(value, dict):
        return "list"
    return "other" if number_as_text(value) is value else "number"


def _first_in(fields: Mapping[str, str]) -> Callable[[Iterable[str]], str | None]:
    return lambda names: next((fields[name] for name in names if name in fields), None)


def _given(parts: Mapping[str, str | None]) -> dict[str, str]:
    return {part: name for part, name in parts.items() if name}


def is_weak(parts: Mapping[str, str]) -> bool:
    """Say whether names are so common that they might stand for something else than talk."""
    question, reply = parts.get("question", ""), parts.get("reply", "")
    return fold(question) in known.WEAK_QUESTIONS and fold(reply) in known.WEAK_REPLIES


def known_columns(names: Sequence[str], kinds: Mapping[str, str] = {}) -> str | None:
    """Say which columns of a header would be taken by their names, and what they hold if known."""
    sides = known_sides(tuple(names), tuple(kinds.get(name, "text") for name in names))
    if not sides or fold(sides[0].parts.get("dialogue", "")) in known.MARKED[:5]:
        return None
    return said_of(sides)


def said_of(sides: Iterable[Side]) -> str:
    """Say which field plays which part, for the user."""
    return "; ".join(", ".join(f"{p} = {w}" for p, w in side.parts.items()) for side in sides)


def unknown_sentence(where: str, names: Sequence[str], most: int = 20) -> str:
    """Say that the names of fields tell nothing, and what to do."""
    keys = listed(map(str, names[:most])) or _("no names")
    if len(names) > most:
        keys = _("{names} and {number} more", names=keys, number=len(names) - most)
    nearest = _nearest(names)
    guess = dict.fromkeys(("question", "reply"), "...") | nearest
    pairs = listed(f"{name} = {part}" for part, name in nearest.items())
    said = _(" (nearest: {pairs})", pairs=pairs) if nearest else ""
    written = " ".join(f"{part}={name}" for part, name in guess.items())
    return _(
        "{where}: no known format; its rows have the keys {keys}{nearest}. Say which are question "
        "and reply: --columns {written}; or messages=NAME, dialogue=NAME.",
        where=where,
        keys=keys,
        nearest=said,
        written=written,
    )


def _nearest(names: Sequence[str]) -> dict[str, str]:
    """Find the names that are most like a question and a reply; the number of one is none."""
    usable = {fold(name): str(name) for name in names if snake(name).split("_")[-1] not in _NUMBERS}
    found: dict[str, str] = {}
    for part, words in (("question", known.QUESTIONS), ("reply", known.REPLIES)):
        long = [word for word in words if len(word) > 2 or not word.isascii()]
        like = [name for name in usable if set(long) & set(name.split("_")) or _is_like(name, long)]
        if nearest := next((name for name in (*words, *like) if name in usable), None):
            found[part] = usable[nearest]
    return found if len(set(found.values())) == len(found) else {}


def _is_like(name: str, words: Sequence[str]) -> bool:
    inner = any(word in name for word in words)
    return inner or bool(difflib.get_close_matches(name, words, 1, 0.8))
