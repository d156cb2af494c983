# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a build may leave out of a corpus it has read, and how it splits the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from data_builders.errors import UserError
from data_builders.selecting.entropy import SIDES
from data_builders.translation import listed

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")
_FROM_ZERO = (
    "maximum_question_chars",
    "maximum_reply_chars",
    "maximum_reply_count",
    "maximum_question_count",
    "maximum_share",
    "entropy_threshold",
)


@dataclass(frozen=True)
class SelectionSettings:
    """Which dialogues and pairs of the cleaned corpus go into the dataset.

    Attributes:
        exact_duplicates: Leave out dialogues that stand in the corpus already, by themselves or as
            the beginning of a longer one.
        near_duplicates: Leave out those that differ from an earlier one only in case, width,
            punctuation, blanks, spelling and particles, or in a few words of many
            (`data_builders.selecting.copies`). Another reply to the same question, or another
            question with the same reply, is no duplicate.
        maximum_question_chars: Leave out pairs with a longer question; 0 sets no bound.
        maximum_reply_chars: Leave out pairs with a longer reply; 0 sets no bound.
        maximum_reply_count: How often one reply may occur; further pairs with it are left out.
            0 sets no bound.
        maximum_question_count: How often one question may be asked with nothing before it; further
            pairs with it are left out. 0 sets no bound.
        maximum_share: Share of all pairs that one reply, or one question, may have in any case, so
            that the two bounds grow with a large corpus.
        entropy_filter: "source", "target", "both" or "none": leave out pairs whose question gets,
            or whose reply follows, too many different things (`data_builders.selecting.entropy`).
        entropy_threshold: Bits above which that is too many.
        leak_free: Let no question, and no near copy of it, stand on two sides of the split.
    """

    exact_duplicates: bool = True
    near_duplicates: bool = True
    maximum_question_chars: int = 0
    maximum_reply_chars: int = 0
    maximum_reply_count: int = 60
    maximum_question_count: int = 50
    maximum_share: float = 0.0002
    entropy_filter: str = "none"
    entropy_threshold: float = 1.0
    leak_free: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UserError: If a value is outside its range.
        """
        if self.entropy_filter not in SIDES:
            raise UserError(
                "{setting} must be of {known} (got {given!r}).",
                setting="`entropy_filter`",
                known=listed(SIDES),
                given=self.entropy_filter,
            )
        for name in _FROM_ZERO:
            if getattr(self, name) < 0:
                raise UserError(
                    "`{name}` must not be negative (got {given}).",
                    name=name,
                    given=getattr(self, name),
                )


def settings_of(kind: type[Settings], given: Settings | Mapping[str, Any] | None) -> Settings:
    """Make a settings object of what YAML or a caller gives.

    Args:
        kind: The dataclass to make.
        given: One of these, a mapping of its fields, or None for the defaults.

    Returns:
        The settings.

    Raises:
        UserError: If a key is not a field, or a value has another type.
    """
    if isinstance(given, kind):
        return given
    known = {field.name: field.default for field in fields(kind)}
    if given is not None and not isinstance(given, Mapping):
        name = kind.__name__.removesuffix("Settings").lower()
        first = next(iter(known))
        raise UserError(
            "`{name}` must be settings by name, such as `{first}` (got {given!r}).",
            name=name,
            first=first,
            given=given,
        )
    for key, value in (given or {}).items():
        if key not in known:
            raise UserError(
                "There is no setting `{key}`. Choose from {known}.", key=key, known=listed(known)
            )
        check_type(key, value, known[key])
    return kind(**dict(given or {}))


def as_plain(value: Any) -> Any:
    """Make settings ready for JSON.

    Args:
        value: A dataclass, a mapping, a sequence or a plain value, one within the other.

    Returns:
        Dicts, lists and plain values.
    """
    if is_dataclass(value):
        return {f.name: as_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    return [as_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def check_type(key: str, value: Any, default: Any) -> None:
    """Refuse a value of another type than the default's.

    Args:
        key: The setting, for the message.
        value: What is given.
        default: What is right; None allows anything.

    Raises:
        UserError: If the types differ; a whole number will do for a fraction.
    """
    if default is None:
        return
    allowed = (int, float) if isinstance(default, float) else type(default)
    # bool is a kind of int to Python, not to whoever writes `maximum_turns: yes`.
    if isinstance(value, allowed) and isinstance(value, bool) == isinstance(default, bool):
        return
    raise UserError(
        "`{key}` must be a {kind} such as {default!r} (got {value!r}).",
        key=key,
        kind=type(default).__name__,
        default=default,
        value=value,
    )
