# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How a row of named fields becomes dialogues, whatever container it is from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.report import FileReport, RowError, shorten
from data_builders.rows import vocabulary as known
from data_builders.rows.columns import (
    Field,
    Side,
    kind_of_value,
    known_sides,
    said_of,
    unknown_sentence,
)
from data_builders.rows.description import Description
from data_builders.rows.dialogues import Style, Turns
from data_builders.rows.sides import option_text, options_among, read_side
from data_builders.rows.values import as_list, is_filled, number_as_text, shown
from data_builders.rows.vocabulary import fold, snake
from data_builders.translation import _, listed


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
        self._labels = [name for name in names if description.is_label(name)]
        # A description that says itself what to drop drops nothing else.
        looks = description.drop_if is None
        self._images = [name for name in names if looks and known.names_image(name)]
        parts = [field for _, fields in self._sides for field in fields.values()]
        tops = [name for field in parts for name in field.tops(names)]
        has_reply = any("reply" in fields for _, fields in self._sides)
        self._options = options_among(names, tops) if has_reply else {}
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
                if self.description.is_bad(name, fold(number_as_text(value))):
                    return f"{name} {shorten(value)}"
        return ""

    def turn_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Give the turn of a row that holds one."""
        fields = self._sides[0][1]
        turn = {"text": fields["text"].get(row)}
        if "speaker" in fields:
            turn["role"] = fields["speaker"].get(row)
        turn |= {key: row[key] for key in _TREE_KEYS if key in row}
        return turn | {"deleted": True} if self._labels and self.label(row) else turn

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
                    values["reply"] = option_text(values["reply"], row, self._options)
                read = list(read_side(values, style))
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
    return _(
        "{where} has no column {name!r}, which `columns` names as {part} (it has {columns}). "
        "Correct the name.",
        where=where,
        name=name,
        part=part,
        columns=listed(map(str, names[:20])) or _("no columns"),
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


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _number(value: Any) -> float:
    try:
        return float("inf") if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        return float("-inf")


def _shown_row(row: Mapping[str, Any]) -> Any:
    return tuple(
        value if isinstance(value, (str, bytes)) else shown(value) for value in row.values()
    )
