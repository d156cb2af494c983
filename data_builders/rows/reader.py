# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How a row of named fields becomes dialogues, whatever container it is from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from data_builders.dialogue import RawDialogue, clean_turn
from data_builders.errors import UserError
from data_builders.placeholders import is_missing_turn, is_placeholder
from data_builders.report import FileReport, RowError, shorten
from data_builders.rows import vocabulary as known
from data_builders.rows.cells import conversations_in, history_in, list_in_text, marked_turns
from data_builders.rows.columns import (
    Field,
    Side,
    kind_of_value,
    known_sides,
    said_of,
    unknown_sentence,
)
from data_builders.rows.description import Description
from data_builders.rows.turns import (
    MAX_MESSAGES,
    Style,
    Turns,
    as_list,
    is_filled,
    no_text,
    number_as_text,
    read_turns,
    shown,
    text_in,
    usable_text,
)
from data_builders.rows.vocabulary import BAD_IF_NO, BAD_IF_YES, NO, YES, fold, snake


class RowReader:
    """Reads rows of the same fields.

    Attributes:
        names: The fields it needs.
        left_out: The other fields.
        said: Which field plays which part, for the user.
        parts: The same, of the first dialogue of a row; empty if nothing is known.
        group: The field that says to which dialogue a row of one turn belongs, if there is one.
        has_history: Whether a row repeats the turns before it.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        kinds: tuple[str, ...],
        given: Mapping[str, str],
        description: Description,
    ) -> None:
        """Find out which fields are which, or obey what is given."""
        sides = (Side(None, dict(given)),) if given else known_sides(names, kinds)
        self.description = description
        self._sides = [
            (side.lang, {part: Field(w, names) for part, w in side.parts.items()}) for side in sides
        ]
        self._labels = [name for name in names if _is_label(name, description)]
        # A description that says itself what to drop drops nothing else.
        looks = description.drop_if is None
        self._images = [name for name in names if looks and known.names_image(name)]
        parts = [field for _, fields in self._sides for field in fields.values()]
        tops = [name for field in parts for name in field.tops(names)]
        has_reply = any("reply" in fields for _, fields in self._sides)
        self._options = _options_among(names, tops) if has_reply else {}
        needed = [*tops, *self._labels, *self._images, *self._options.values()]
        needed += [name for name in names if name in _TREE_KEYS]
        self.names = tuple(dict.fromkeys(name for name in needed if name in names))
        self.left_out = tuple(name for name in names if name not in self.names)
        self.said = said_of(sides)
        self._style = self.style()
        self.parts = dict(sides[0].parts) if sides else {}
        self.group = self.parts.get("group")
        self.has_history = any("history" in fields for _, fields in self._sides)
        # Lists of questions for a test of models: nobody answers in them.
        self._asks_only = (
            not given
            and fold(self.parts.get("dialogue", "")) == "turns"
            and any(snake(name) in ("question_id", "prompt_id") for name in names)
        )

    def read_row(self, row: Mapping[str, Any], line: int, report: FileReport) -> list[RawDialogue]:
        """Read one row by its names, or tell the report why it is none."""
        if self._labels and (label := self.label(row)):
            report.note(f"rows left out by their label ({label})")
            report.report.drop("bad by its label", 1)
            return []
        style = self._style
        found: list[RawDialogue] = []
        every = self._read(row, style)
        report.report.pieces += max(0, len(every) - 1)
        for one in every:
            if isinstance(one, RowError):
                # An empty cell alone would show nothing.
                text = one.found if str(one.found or "").strip() else _shown_row(row)
                report.reject(line, one.rule, text)
            else:
                found.append(RawDialogue(one.turns, one.roles, line=line, lang=one.lang))
        if style.cuts or style.counts:
            self._style = self.style()
            note_cuts(style, line, report)
        return found

    def read(self, row: Mapping[str, Any]) -> list[Turns]:
        """Read one row."""
        found = self._read(row, self.style())
        if good := [one for one in found if isinstance(one, Turns)]:
            return good
        raise next(one for one in found if isinstance(one, RowError))

    def style(self) -> Style:
        """Give the style of the lists in these rows, with nothing counted yet."""
        said = self.description
        first = said.alternatives == "first"
        return Style(said.roles, said.speakers_in_text, said.replace, said.turn_ends, first)

    def label(self, row: Mapping[str, Any]) -> str:
        """Give the label by which a row is left out, or ""."""
        for name in self._labels:
            value = row.get(name)
            if name in self.description.minimum:
                if _number(value) < self.description.minimum[name]:
                    return f"{name} below {self.description.minimum[name]:g}"
            elif value is not None and not isinstance(value, (list, dict)):
                if _is_bad(name, fold(number_as_text(value)), self.description):
                    return f"{name} {shorten(value)}"
        return ""

    def turn_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Give the turn of a row that holds one."""
        fields = self._sides[0][1]
        turn = {"text": fields["text"].get(row)}
        if "speaker" in fields:
            turn["role"] = fields["speaker"].get(row)
        return turn | {key: row[key] for key in _TREE_KEYS if key in row}

    def _read(self, row: Mapping[str, Any], style: Style) -> list[Turns | RowError]:
        found: list[Turns | RowError] = []
        if self._images and any(is_filled(row.get(name)) for name in self._images):
            return [RowError("image", None)]
        for lang, fields in self._sides:
            if "pairs" in fields:
                return list(self._each_pair(fields["pairs"].get(row), style))
            try:
                if self._asks_only and _are_texts(fields["dialogue"].get(row)):
                    raise RowError("no reply", "a list of questions")
                values = {part: field.get(row) for part, field in fields.items()}
                if self._options and isinstance(values["reply"], str):
                    values["reply"] = _option_text(values["reply"], row, self._options)
                read = list(_read_side(values, style))
            except RowError as error:
                found.append(error)
                continue
            told = lang or self.description.lang
            found += [one._replace(lang=told) if isinstance(one, Turns) else one for one in read]
        return found

    @cached_property
    def _inner(self) -> JsonReaders:
        return JsonReaders({}, self.description)

    def _each_pair(self, value: Any, style: Style) -> Iterator[Turns | RowError]:
        """Read each object of a list as a row of its own."""
        try:
            for item in as_list(value):
                reader = self._inner.of(item) if isinstance(item, dict) else None
                if reader is None or "pairs" in reader.parts:
                    yield RowError("not an object", shown(item))
                elif label := reader.label(item):
                    yield RowError("bad by its label", label)
                else:
                    yield from reader._read(item, style)
        except RowError as error:
            yield error


# "B", "(b)", "B." and "2"; several have no text together. "B. " before a text.
_LETTERS = re.compile(r"\W*([A-Ha-h]|\d|[A-H](?:\W*[A-H])+)\W*")
_BEFORE_OPTION = re.compile(r"^\W*[A-Ha-h]\s*[.)、．:：）]\s*")
# What makes a tree of messages that stand in rows of their own.
_TREE_KEYS = ("message_id", "parent_id", "rank", "deleted", "review_result")


def row_reader(
    names: Sequence[str],
    columns: Mapping[str, str],
    where: str,
    kinds: Mapping[str, str] | None = None,
    description: Description | None = None,
) -> RowReader:
    """Make the reader of a table, or say that a field named is not there or no name is known.

    `kinds` tells what each field holds, as `kind_of_value` says it, where it is known; `where`
    names the file or data set in messages.
    """
    description = description or Description()
    given = columns or description.columns
    known_kinds = tuple((kinds or {}).get(name, "text") for name in names)
    reader = RowReader(tuple(names), known_kinds, given, description)
    if not reader.parts:
        raise UserError(unknown_sentence(where, names))
    for part, written in given.items():
        field = Field(written, names)
        for name in field.tops(names):
            if name not in names and len(field.paths) == 1:
                raise UserError(missing_column(where, part, name, names))
    return reader


def missing_column(where: str, part: str, name: str, names: Sequence[str]) -> str:
    """Say that a column named is not there."""
    listed = ", ".join(map(str, names[:20])) or "no columns"
    return (
        f"{where} has no column {name!r}, which `columns` names as {part} (it has {listed}). "
        "Correct the name."
    )


class JsonReaders:
    """Readers of JSON rows, whose fields may differ from row to row.

    Attributes:
        description: What is known of the rows.
        has_columns: Whether it is said which field plays which part.
        is_named: Whether the rows are of a kind with a name.
    """

    def __init__(self, columns: Mapping[str, str], description: Description) -> None:
        """Remember the settings."""
        self.description = description
        self._given = columns or description.columns
        self.has_columns = bool(self._given)
        self.is_named = bool(description.known_by)
        self._known: dict[Any, RowReader] = {}

    def of(self, row: Mapping[str, Any]) -> RowReader:
        """Give the reader of a row."""
        kinds = tuple(map(kind_of_value, row.values()))
        key = (*row, kinds)
        if key not in self._known:
            if len(self._known) > 4096:
                self._known.clear()
            self._known[key] = self._made(tuple(map(str, row)), kinds)
        reader = self._known[key]
        if not reader.parts:
            raise RowError("missing key", shown(row))
        return reader

    def _made(self, names: tuple[str, ...], kinds: tuple[str, ...]) -> RowReader:
        reader = RowReader(names, kinds, self._given, self.description)
        if not reader.parts and "other" in kinds:
            # True where a text should be: the row is read to say so.
            reader = RowReader(names, (), self._given, self.description)
        return reader


def note_cuts(style: Style, line: int, report: FileReport) -> None:
    """Count the turns that cut a dialogue, or stop there if `strict`."""
    for rule, count in style.cuts.items():
        if report.report.strict:
            report.reject(line, rule, "one turn of the dialogue")
        report.note(f"turns that cut a dialogue in two ({rule})", count)
    for what, count in style.counts.items():
        report.note(what, count)


# --- one side of a row ---------------------------------------------------------------------------


def _read_side(values: Mapping[str, Any], style: Style) -> Iterable[Turns | RowError]:
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


def _options_among(names: Sequence[str], tops: Sequence[str]) -> dict[str, str]:
    """Find the fields of what may be chosen from, by letter; of a list of them by ""."""
    others = [name for name in names if name not in tops]
    found = {match[1]: name for name in others if (match := known.OPTION.fullmatch(snake(name)))}
    listed = next((name for name in others if fold(name) in known.OPTIONS), None)
    return {"": listed} if listed else found if {"a", "b"} <= found.keys() else {}


def _option_text(reply: str, row: Mapping[str, Any], fields: Mapping[str, str]) -> str:
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
        if any(_is_bad(key, fold(value[key]), Description()) for key in value if _is_label(key)):
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


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_label(name: str, said: Description = Description()) -> bool:  # noqa: B008
    if name in said.minimum:
        return True
    if said.drop_if is not None:
        return name in said.drop_if
    return fold(name) in BAD_IF_NO or fold(name) in BAD_IF_YES


def _is_bad(name: str, value: str, said: Description) -> bool:
    if said.drop_if is not None:
        return value in said.drop_if.get(name, ())
    return value in (NO if fold(name) in BAD_IF_NO else YES)


def _number(value: Any) -> float:
    try:
        return float("inf") if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        return float("-inf")


def _shown_row(row: Mapping[str, Any]) -> Any:
    return tuple(
        value if isinstance(value, (str, bytes)) else shown(value) for value in row.values()
    )
