# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The cleaning of a build: which steps run, in which order, and what is dropped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from sys import maxsize
from typing import NamedTuple
from unicodedata import is_normalized

from data_builders.cleaning.block_list import BlockList, load_block_list
from data_builders.cleaning.characters import (
    FORM_CLASS,
    LOST,
    MOJIBAKE_CLASS,
    SUSPECT_CLASS,
    is_damaged,
    is_tidy,
    mend_mojibake,
    normal_forms,
    remove_control_characters,
)
from data_builders.cleaning.chinese import (
    is_unified,
    join_segmented,
    load_simplifier,
    looks_segmented,
    unify_punctuation,
)
from data_builders.cleaning.markup import remove_links, remove_markup
from data_builders.cleaning.residue import (
    rejoin_english,
    remove_kaomoji,
    remove_stray_marks,
    remove_subtitle_residue,
)
from data_builders.cleaning.settling import MAX_ROUNDS
from data_builders.errors import UserError
from data_builders.placeholders import (
    BEGINNINGS,
    find_placeholder,
    is_missing_turn,
    placeholder_filler,
)
from data_builders.translation import listed

__all__ = ["CleanedDialogue", "Cleaner", "CleaningSettings", "looks_segmented"]

JOIN_SEGMENTED = ("auto", "always", "never")
DAMAGED, EMPTY, MISSING = "damaged characters", "empty after cleaning", "placeholder turn"
TOO_SHORT, TOO_LONG, TOO_FEW_LETTERS = "too short", "too long", "too few letters"
TOO_MANY_TURNS, PLACEHOLDER, BLOCKED = "too many turns", "placeholder", "block list"
# A turn of so many times `maximum_chars` is too long whatever the steps would take out of it.
FAR_TOO_LONG = 8


@dataclass(frozen=True)
class CleaningSettings:
    """Which steps of cleaning are done.

    Attributes:
        join_segmented: Take out the spaces of Chinese split into characters or words: "auto"
            where the whole file looks split, "always" or "never".
        mojibake: Mend UTF-8 that was once read as Latin-1, Latin-2 or their Windows forms.
        control_characters: Remove controls and what else shows nothing, make all line ends
            newlines, and cut dialogues at a turn with U+FFFD, which stands for lost characters.
        normal_forms: NFC; half-width letters and digits; single blanks, but in turns of several
            lines, tables and code. Chinese punctuation stays Chinese.
        punctuation: Full-width marks in Chinese text, half-width marks in English; "..." in
            Chinese becomes "……".
        placeholders: Words to put for what stands where a name is missing.
        markup: Remove HTML, emoticon tags, BBCode, wiki marks and @mentions.
        urls: Remove web and e-mail addresses.
        kaomoji: Remove faces drawn with characters.
        subtitles: Remove override tags, times, credits, episode titles and songs.
        stray_marks: Remove ` and - from the ends of Chinese turns.
        english_tokens: Put tokenised English together ("do n't ," -> "don't,").
        minimum_chars: Cut dialogues at a turn shorter than this.
        maximum_chars: Cut dialogues at a turn longer than this; 0 for no bound.
        maximum_turns: Drop dialogues of more turns; 0 for no bound.
        minimum_letters: Cut dialogues at a reply of fewer letters and digits; 0 for no bound.
        drop_placeholders: Drop dialogues with %name%, XXX, {name}, **** and the like left in.
        block_list: A file of terms, one a line; dialogues with one of them are dropped.
        to_simplified: Turn traditional Chinese into simplified; needs OpenCC.
    """

    join_segmented: str = "auto"
    mojibake: bool = True
    control_characters: bool = True
    normal_forms: bool = True
    punctuation: bool = True
    placeholders: dict[str, str] | None = None
    markup: bool = False
    urls: bool = False
    kaomoji: bool = False
    subtitles: bool = False
    stray_marks: bool = False
    english_tokens: bool = False
    minimum_chars: int = 1
    maximum_chars: int = 2000
    maximum_turns: int = 0
    minimum_letters: int = 0
    drop_placeholders: bool = False
    block_list: str | None = None
    to_simplified: bool = False

    def __hash__(self) -> int:
        """Hash the fields, one of which is a dict."""
        return hash(json.dumps(asdict(self), sort_keys=True))


class CleanedDialogue(NamedTuple):
    """What became of one dialogue.

    Attributes:
        turns: The cleaned turns, as many as there were, "" for each that cannot be used; None if
            the dialogue is dropped.
        rule: The key of `RULES` it was dropped by, or the first that one of its turns broke.
        found: What broke the rule: a turn, a term or a number.
    """

    turns: tuple[str, ...] | None
    rule: str = ""
    found: str = ""

    def pieces(
        self, roles: Sequence[str] = ()
    ) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Cut the dialogue at turns that cannot be used; a system prompt goes with every piece.

        Yields turns and roles of each piece that has a question and a reply.
        """
        turns = self.turns or ()
        if turns and "" not in turns:
            yield turns, tuple(roles)
            return
        prompt = 1 if turns and turns[0] and roles and roles[0] == "system" else 0
        begin = prompt
        for end in (*(place for place, turn in enumerate(turns) if not turn), len(turns)):
            # What an assistant answered is gone.
            while begin > prompt and begin < end and roles and roles[begin] == "assistant":
                begin += 1
            said, span = tuple(roles[begin:end]), turns[begin:end]
            begin = end + 1
            if len(span) >= 2 and (not roles or "assistant" in said[1:]):
                yield (*turns[:prompt], *span), (*roles[:prompt], *said)


_NOT_BROKEN = CleanedDialogue(None)


class _Step(NamedTuple):
    name: str
    function: Callable[[str], str]


class Cleaner:
    """Cleans dialogues; cheap to build from its settings in each worker process.

    Cleaning is idempotent: the steps are repeated until none of them changes anything.

    Attributes:
        settings: The settings given.
        changed: How many turns each step has changed; a turn changed by two counts for both.
    """

    def __init__(self, settings: CleaningSettings) -> None:
        """Check the settings, load the block list and OpenCC where asked for."""
        _check(settings)
        self.settings = settings
        steps = _steps(settings)
        join = _Step("join_segmented", join_segmented)
        self.changed = {step.name: 0 for step in (join, *steps)}
        first = tuple(step for step in steps if step.name in _ODD_CLASSES)
        later = tuple(step for step in steps if step.name not in _ODD_CLASSES)
        self._steps = {False: (*first, *later), True: (*first, join, *later)}
        options = tuple(step for step in later if step.name != "punctuation")
        self._options = {False: options, True: (join, *options)}
        self._plain = _plain_characters(settings)
        self._block_list = _block_list(settings, steps)
        self._is_last_check = not settings.drop_placeholders and self._block_list is None

    def clean(self, turns: Sequence[str], segmented: bool = False) -> CleanedDialogue:
        """Clean the turns of one dialogue; `looks_segmented` says what its file is."""
        if self.settings.maximum_turns and len(turns) > self.settings.maximum_turns:
            return CleanedDialogue(None, TOO_MANY_TURNS, str(len(turns)))
        join = self.settings.join_segmented
        joined = join == "always" or (segmented and join == "auto")
        cleaned: list[str] = []
        broken = _NOT_BROKEN
        quick = not (self._options[joined] or self.settings.minimum_letters)
        least, most = max(1, self.settings.minimum_chars), self.settings.maximum_chars or maxsize
        for turn in turns:
            # Most turns: nothing to clean, and nothing to see.
            if quick and least <= len(turn) <= most and turn[0] not in BEGINNINGS:
                if self._is_clean(turn):
                    cleaned.append(turn)
                    continue
            text, rule = self._cleaned(turn, joined, cleaned)
            if rule:
                broken = broken if broken.rule else CleanedDialogue(None, rule, text)
                text = ""
            cleaned.append(text)
        if not broken.rule and self._is_last_check:
            return CleanedDialogue(tuple(cleaned))
        if broken.rule and not any(map(all, zip(cleaned, cleaned[1:], strict=False))):
            return broken
        return self._searched(broken._replace(turns=tuple(cleaned)))

    def _cleaned(self, turn: str, joined: bool, before: Sequence[str]) -> tuple[str, str]:
        """Clean one turn; where it cannot be used, give what it was and the rule it breaks."""
        settings = self.settings
        if settings.maximum_chars and len(turn) > FAR_TOO_LONG * settings.maximum_chars:
            return turn, TOO_LONG
        text = turn
        if self._options[joined] or not self._is_clean(turn):
            if settings.control_characters and is_damaged(turn):
                return turn, DAMAGED
            text = self._settle(turn, joined)
        if not text or text.isspace():
            return turn, EMPTY
        if is_missing_turn(text, before):
            return text, MISSING
        if len(text) < settings.minimum_chars:
            return text, TOO_SHORT
        if settings.maximum_chars and len(text) > settings.maximum_chars:
            return text, TOO_LONG
        few = settings.minimum_letters if before else 0
        if few and sum(map(str.isalnum, text)) < few:
            return text, TOO_FEW_LETTERS
        return text, ""

    def _is_clean(self, text: str) -> bool:
        """Say whether the base steps have nothing to do: most turns, in a microsecond."""
        if not self._plain.fullmatch(text):
            return False
        if self.settings.punctuation and not is_unified(text):
            return False
        return not self.settings.normal_forms or (
            is_tidy(text) and (text.isascii() or is_normalized("NFC", text))
        )

    def _settle(self, text: str, joined: bool) -> str:
        changed = set()
        for _ in range(MAX_ROUNDS):
            before = text
            steps = (self._options if self._is_clean(text) else self._steps)[joined]
            for name, function in steps:
                after = function(text)
                if after != text:
                    changed.add(name)
                    text = after
            if text == before:
                break
        for name in changed:
            self.changed[name] += 1
        return text

    def _searched(self, cleaned: CleanedDialogue) -> CleanedDialogue:
        turns = cleaned.turns or ()
        if self.settings.drop_placeholders:
            found = next(filter(None, map(find_placeholder, turns)), "")
            if found:
                return CleanedDialogue(None, PLACEHOLDER, found)
        if self._block_list is not None:
            term = next(filter(None, map(self._block_list.find, turns)), "")
            if term:
                return CleanedDialogue(None, BLOCKED, term)
        return cleaned


# What the first three steps look for, told at a glance by `_is_clean`.
_ODD_CLASSES = {
    "mojibake": MOJIBAKE_CLASS,
    "control_characters": SUSPECT_CLASS + LOST[0],
    "normal_forms": FORM_CLASS,
}
# In the order they run. Characters come first, for the others to see plain text.
_FUNCTIONS: dict[str, Callable[[str], str]] = {
    "mojibake": mend_mojibake,
    "control_characters": remove_control_characters,
    "normal_forms": normal_forms,
    "markup": remove_markup,
    "subtitles": remove_subtitle_residue,
    "urls": remove_links,
    "kaomoji": remove_kaomoji,
    "stray_marks": remove_stray_marks,
    "english_tokens": rejoin_english,
    # After what has marks of its own is gone.
    "punctuation": unify_punctuation,
}


def _steps(settings: CleaningSettings) -> tuple[_Step, ...]:
    steps = [_Step(name, step) for name, step in _FUNCTIONS.items() if getattr(settings, name)]
    if settings.placeholders:
        first = sum(step.name in _ODD_CLASSES for step in steps)
        steps.insert(first, _Step("placeholders", placeholder_filler(settings.placeholders)))
    if settings.to_simplified:
        steps.append(_Step("to_simplified", load_simplifier()))
    return tuple(steps)


def _plain_characters(settings: CleaningSettings) -> re.Pattern[str]:
    odd = "".join(_ODD_CLASSES[name] for name in _ODD_CLASSES if getattr(settings, name))
    return re.compile(f"[^{odd}]*+" if odd else "(?s:.*+)")


def _block_list(settings: CleaningSettings, steps: Sequence[_Step]) -> BlockList | None:
    if settings.block_list is None:
        return None
    same = ("control_characters", "normal_forms", "punctuation", "to_simplified")
    return load_block_list(
        settings.block_list, [step.function for step in steps if step.name in same]
    )


def _check(settings: CleaningSettings) -> None:
    if settings.join_segmented not in JOIN_SEGMENTED:
        raise UserError(
            "`{option}` must be one of {choices} (got {value!r}).",
            option="join_segmented",
            choices=listed(JOIN_SEGMENTED),
            value=settings.join_segmented,
        )
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(field.default, bool) and not isinstance(value, bool):
            raise UserError(
                "`{name}` must be true or false (got {value!r}).", name=field.name, value=value
            )
        if type(field.default) is int and (type(value) is not int or value < 0):
            raise UserError(
                "`{name}` must be a whole number from 0 (got {value!r}).",
                name=field.name,
                value=value,
            )
    _check_placeholders(settings.placeholders)
    if 0 < settings.maximum_chars < settings.minimum_chars:
        raise UserError(
            "`maximum_chars` ({maximum}) is below `minimum_chars` ({minimum}): nothing could be "
            "kept. Raise it, or 0 for no bound.",
            maximum=settings.maximum_chars,
            minimum=settings.minimum_chars,
        )


def _check_placeholders(words: Mapping[str, str] | None) -> None:
    if words is None:
        return
    if not isinstance(words, Mapping) or not all(
        isinstance(text, str) and text for pair in words.items() for text in pair
    ):
        raise UserError(
            '`placeholders` must be words by what they stand for, such as {{"%name%": "我"}} (got '
            "{words!r}). To leave such rows out: `drop_placeholders`.",
            words=words,
        )
    for placeholder, word in words.items():
        if held := next((other for other in words if other in word), None):
            raise UserError(
                "`placeholders`: {word!r}, put for {placeholder!r}, holds {held!r}, which would "
                "be replaced again. Choose another word.",
                word=word,
                placeholder=placeholder,
                held=held,
            )
