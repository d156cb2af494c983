# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The cleaning of a build: which steps run, in which order, and what is dropped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import NamedTuple
from unicodedata import is_normalized

from data_builders.cleaning.block_list import BlockList, load_block_list
from data_builders.cleaning.bounds import (
    TOO_FEW_LETTERS,
    TOO_MANY_TURNS,
    broken_bound,
    unlettered_reply,
)
from data_builders.cleaning.characters import SUSPECT_CLASS, is_damaged, remove_control_characters
from data_builders.cleaning.english import rejoin_english
from data_builders.cleaning.kaomoji import remove_kaomoji
from data_builders.cleaning.links import remove_links
from data_builders.cleaning.markup import remove_markup
from data_builders.cleaning.mojibake import MOJIBAKE_CLASS, mend_mojibake
from data_builders.cleaning.normal_forms import FORM_CLASS, is_tidy, normal_forms
from data_builders.cleaning.placeholders import find_placeholder, placeholder_filler
from data_builders.cleaning.punctuation import is_unified, unify_punctuation
from data_builders.cleaning.segmentation import join_segmented, looks_segmented
from data_builders.cleaning.settling import MAX_ROUNDS
from data_builders.cleaning.simplified import load_simplifier
from data_builders.cleaning.stray_marks import remove_stray_marks
from data_builders.cleaning.subtitles import remove_subtitle_residue
from data_builders.errors import UserError

__all__ = ["CleanedDialogue", "Cleaner", "CleaningSettings", "looks_segmented"]

JOIN_SEGMENTED = ("auto", "always", "never")
DAMAGED, EMPTY, BLOCKED = "damaged characters", "empty after cleaning", "block list"
PLACEHOLDER = "placeholder"


@dataclass(frozen=True)
class CleaningSettings:
    """Which steps of cleaning are done.

    Attributes:
        join_segmented: Take out the spaces of Chinese split into characters or words: "auto"
            where the whole file looks split, "always" or "never".
        mojibake: Mend UTF-8 that was once read as Latin-1 or Latin-2.
        control_characters: Remove controls and what else shows nothing, make all line ends
            newlines, and drop dialogues with U+FFFD, which stands for lost characters.
        normal_forms: NFC; half-width letters and digits; single blanks. Chinese punctuation
            stays Chinese.
        punctuation: Full-width marks in Chinese text, half-width marks in English; "..." in
            Chinese becomes "……".
        placeholders: Words to put for what stands where a name is missing.
        markup: Remove HTML, emoticon tags, BBCode, wiki marks and @mentions.
        urls: Remove web and e-mail addresses.
        kaomoji: Remove faces drawn with characters.
        subtitles: Remove override tags, times, credits, episode titles and songs.
        stray_marks: Remove ` and - from the ends of Chinese turns.
        english_tokens: Put tokenised English together ("do n't ," -> "don't,").
        minimum_chars: Drop dialogues with a turn shorter than this.
        maximum_chars: Drop dialogues with a turn longer than this; 0 for no bound.
        maximum_turns: Drop dialogues of more turns; 0 for no bound.
        minimum_letters: Drop dialogues with a reply of fewer letters and digits; 0 for no bound.
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
        turns: The cleaned turns, as many as there were; None if the dialogue is dropped.
        rule: The key of `RULES` it was dropped by, or "".
        found: What broke the rule: a turn, a term or a number.
    """

    turns: tuple[str, ...] | None
    rule: str = ""
    found: str = ""


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
        """Check the settings, load the block list and OpenCC where asked for.

        Args:
            settings: Which steps to do.

        Raises:
            UserError: If a setting is wrong, the block list cannot be read or OpenCC is missing.
        """
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

    def clean(self, turns: Sequence[str], segmented: bool = False) -> CleanedDialogue:
        """Clean the turns of one dialogue, or drop it.

        Args:
            turns: At least one turn.
            segmented: Whether the file it is from looks split by spaces, see `looks_segmented`.

        Returns:
            The cleaned turns, or the rule that drops the dialogue.
        """
        settings = self.settings
        if settings.maximum_turns and len(turns) > settings.maximum_turns:
            return CleanedDialogue(None, TOO_MANY_TURNS, str(len(turns)))
        join = settings.join_segmented
        joined = join == "always" or (segmented and join == "auto")
        cleaned = []
        for turn in turns:
            text = turn
            if self._options[joined] or not self._is_clean(turn):
                if settings.control_characters and is_damaged(turn):
                    return CleanedDialogue(None, DAMAGED, turn)
                text = self._settle(turn, joined)
            if not text or text.isspace():
                return CleanedDialogue(None, EMPTY, turn)
            cleaned.append(text)
        return self._checked(tuple(cleaned))

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

    def _checked(self, turns: tuple[str, ...]) -> CleanedDialogue:
        settings = self.settings
        rule = broken_bound(turns, settings.minimum_chars, settings.maximum_chars, 0)
        if rule:
            pick = max if rule == "too long" else min
            return CleanedDialogue(None, rule, pick(turns, key=len))
        wordless = unlettered_reply(turns, settings.minimum_letters)
        if wordless is not None:
            return CleanedDialogue(None, TOO_FEW_LETTERS, wordless)
        if settings.drop_placeholders:
            found = next(filter(None, map(find_placeholder, turns)), "")
            if found:
                return CleanedDialogue(None, PLACEHOLDER, found)
        if self._block_list is not None:
            for turn in turns:
                term = self._block_list.find(turn)
                if term:
                    return CleanedDialogue(None, BLOCKED, term)
        return CleanedDialogue(turns)


# What the first three steps look for, told at a glance by `_is_clean`.
_ODD_CLASSES = {
    "mojibake": MOJIBAKE_CLASS,
    "control_characters": SUSPECT_CLASS,
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
            f"`join_segmented` must be one of {', '.join(JOIN_SEGMENTED)} "
            f"(got {settings.join_segmented!r})."
        )
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(field.default, bool) and not isinstance(value, bool):
            raise UserError(f"`{field.name}` must be true or false (got {value!r}).")
        if type(field.default) is int and (type(value) is not int or value < 0):
            raise UserError(f"`{field.name}` must be a whole number from 0 (got {value!r}).")
    _check_placeholders(settings.placeholders)
    if 0 < settings.maximum_chars < settings.minimum_chars:
        raise UserError(
            f"`maximum_chars` ({settings.maximum_chars}) is below `minimum_chars` "
            f"({settings.minimum_chars}): nothing could be kept. Raise it, or 0 for no bound."
        )


def _check_placeholders(words: Mapping[str, str] | None) -> None:
    if words is None:
        return
    if not isinstance(words, Mapping) or not all(
        isinstance(text, str) and text for pair in words.items() for text in pair
    ):
        raise UserError(
            "`placeholders` must be words by what they stand for, such as "
            f'{{"%name%": "我"}} (got {words!r}). To leave such rows out: `drop_placeholders`.'
        )
    for placeholder, word in words.items():
        if held := next((other for other in words if other in word), None):
            raise UserError(
                f"`placeholders`: {word!r}, put for {placeholder!r}, holds {held!r}, which would "
                "be replaced again. Choose another word."
            )
