# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Formats that are data: what a corpus calls its fields and roles, and which rows to leave out.

The same few lines describe a known corpus (`data_builders/formats/known.yaml`) and one of the
user's own (`--describe my.yaml`, or `describe:` beside a source of a mixture):

    question: 问题|标题                # as in --columns; left out, well-known names are looked for
    reply: 客服回复
    roles: {user: [buyer], assistant: [seller]}
    speakers_in_text: true            # "buyer: ..." at the beginning of each turn
    replace: {_comma_: ","}
    drop_if: {状态: [作废, 测试]}       # rows, and messages, that hold one of these
    minimum: {stars: 3}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from data_builders.errors import UserError
from data_builders.rows.columns import PARTS, check_columns, value_at
from data_builders.rows.vocabulary import BAD_IF_NO, BAD_IF_YES, NO, ROLE_ORDER, ROLES, YES, fold
from data_builders.translation import listed

KNOWN = Path(__file__).parents[1] / "formats" / "known.yaml"


@dataclass(frozen=True)
class Description:
    """What is known of the rows of a corpus.

    Attributes:
        title: A line on what they look like.
        known_by: Paths of which each must lead to something in a row; `a|b` is either.
        columns: Which field plays which part.
        roles: What the source calls system, user and assistant, folded.
        speakers_in_text: Whether each text begins with its speaker; None looks at it.
        replace: What stands for something else in all texts.
        turn_ends: What ends a turn where a text holds several.
        drop_if: Rows to leave out, by field and values; None obeys well-known labels, and leaves
            out rows that name an image.
        minimum: The least a field may hold.
        alternatives: What to do with a list of replies: "each", or only the "first".
        lang: The language of all of it.
    """

    title: str = ""
    known_by: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=lambda: ROLES)
    speakers_in_text: bool | None = None
    replace: Mapping[str, str] = field(default_factory=dict)
    turn_ends: tuple[str, ...] = ()
    drop_if: Mapping[str, frozenset[str]] | None = None
    minimum: Mapping[str, float] = field(default_factory=dict)
    alternatives: str = "each"
    lang: str | None = None

    def fits(self, row: Any) -> bool:
        """Say whether a row has what this kind of rows is known by."""
        return bool(self.known_by) and all(
            any(_is_there(row, path) for path in either.split("|")) for either in self.known_by
        )

    def is_label(self, name: str) -> bool:
        """Say whether a field tells if its row is any good."""
        if self.drop_if is None:
            return name in self.minimum or fold(name) in (*BAD_IF_NO, *BAD_IF_YES)
        return name in self.minimum or name in self.drop_if

    def is_bad(self, name: str, value: str) -> bool:
        """Say whether a label says that its row is none; the value is folded."""
        if self.drop_if is None:
            return value in (NO if fold(name) in BAD_IF_NO else YES)
        return value in self.drop_if.get(name, ())


def _is_there(row: Any, path: str) -> bool:
    path, _, wanted = path.partition("=")
    value = value_at(row, path)
    if wanted:
        return type(value).__name__ == wanted or value == wanted
    return value is not None


_KEYS = {f.name for f in fields(Description)} - {"columns"} | set(PARTS)


@cache
def known_descriptions() -> dict[str, Description]:
    """Give the descriptions that come with the package, by name."""
    content = yaml.safe_load(KNOWN.read_text(encoding="utf-8"))
    return {name: parsed(entry or {}, name) for name, entry in content.items()}


def description_of(value: Any) -> dict[str, Any]:
    """Check the setting `describe`."""
    where = "`describe`"
    if isinstance(value, (str, Path)):
        where = str(value)
        try:
            value = yaml.safe_load(Path(value).read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: a date as 2024-13-45
            reason = " ".join(str(error).split())
            raise UserError(
                "{where} is no description in YAML: {reason}.", where=where, reason=reason
            ) from None
    if isinstance(value, Mapping) and len(value) == 1 and not set(value) & _KEYS:
        (inner,) = value.values()
        # The description of one format may stand under its name.
        value = inner if isinstance(inner, Mapping) else value
    parsed(value, where)
    return dict(value)


def parsed(entry: Any, where: str) -> Description:
    """Make a description of what stands in YAML."""
    if not isinstance(entry, Mapping):
        raise UserError(
            "{where} must hold keys such as `question` and `reply` (got {entry!r}).",
            where=where,
            entry=entry,
        )
    for key in entry:
        if key not in _KEYS:
            raise UserError(
                "{where} has no key `{key}`. Choose from {known}.",
                where=where,
                key=key,
                known=listed(sorted(_KEYS)),
            )
    plain = {key: entry[key] for key in ("title", "speakers_in_text", "lang") if key in entry}
    if entry.get("alternatives", "each") not in ("each", "first"):
        raise UserError("{where}: `alternatives` must be each or first.", where=where)
    drop_if = entry.get("drop_if")
    replace = _mapping(entry, "replace", where)
    _texts({"replace": [*replace, *replace.values()]}, "replace", where)
    _texts(entry, "lang", where)
    return Description(
        **plain,
        alternatives=entry.get("alternatives", "each"),
        known_by=_texts(entry, "known_by", where),
        columns=check_columns({part: entry[part] for part in PARTS if part in entry}),
        roles=_roles(_mapping(entry, "roles", where), where),
        replace=replace,
        turn_ends=_texts(entry, "turn_ends", where),
        drop_if=None if drop_if is None else _values(_mapping(entry, "drop_if", where)),
        minimum=check_numbers(_mapping(entry, "minimum", where), where),
    )


def _mapping(entry: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    found = entry.get(key) or {}
    if not isinstance(found, Mapping):
        raise UserError(
            "{where}: `{key}` must be a mapping (got {found!r}).", where=where, key=key, found=found
        )
    return found


def _texts(entry: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    found = _as_list(entry.get(key) or ())
    for value in found:
        if not isinstance(value, str):
            raise UserError(
                "{where}: `{key}` must hold texts (got {value!r}). Quote it.",
                where=where,
                key=key,
                value=value,
            )
    return tuple(found)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _roles(given: Mapping[str, Any], where: str) -> Mapping[str, str]:
    for role in given:
        if role not in ROLE_ORDER:
            raise UserError(
                "{where}: `roles` are {known} (got {role!r}).",
                where=where,
                known=listed(ROLE_ORDER),
                role=role,
            )
    own = {fold(name): role for role, names in given.items() for name in _as_list(names)}
    return {**ROLES, **own}


def _values(given: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    return {key: frozenset(map(fold, _as_list(values))) for key, values in given.items()}


def check_numbers(given: Any, where: str) -> dict[str, float]:
    """Refuse a `minimum` that is no mapping of fields to numbers; `where` is for the message."""
    try:
        return {key: float(value) for key, value in given.items()}
    except (AttributeError, TypeError, ValueError):
        raise UserError(
            "{where}: `minimum` must hold numbers (got {given!r}).", where=where, given=given
        ) from None
