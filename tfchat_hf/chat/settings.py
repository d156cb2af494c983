# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The generation settings a person may change while chatting: names, ranges, and their effect.

Nothing here has a value of its own: what is not set comes from the preset that was chosen, and
without one from the model's generation_config.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from transformers import GenerationConfig

from data_builders.errors import UserError
from data_builders.translation import _, joined, listed
from data_builders.widths import padded

from ..fast import decoding
from ..model.generation_tfchat import OWN_SETTINGS, TFChatGenerationMixin

YES = {"true", "yes", "on", "1", "是", "开"}
NO = {"false", "no", "off", "0", "否", "关"}
_DEFAULT = ("default", "none", "默认")

# Setting one of these says that sampling is wanted; under greedy search they would do nothing.
IMPLIES_SAMPLING = ("temperature", "top_p", "top_k")
# What a preset says nothing about stays when one is chosen.
KEPT_BY_PRESETS = ("seed", "max_new_tokens")
# Shown here with transformers' settings; those that are missing belong to whoever tunes a preset.
_SHOWN_OWN_SETTINGS = (
    "max_phrase_repeats",
    "dry_multiplier",
    "presence_penalty",
    "frequency_penalty",
    "copy_penalty",
    "anti_lm_weight",
)


@dataclass(frozen=True)
class Setting:
    """What one setting accepts.

    Attributes:
        kind: `bool`, `int`, `float`, or `str` for the name of a preset.
        low: Smallest allowed value.
        high: Largest allowed value.
        open_low: Whether `low` itself is refused.
        about: One line for `/help`.
    """

    kind: type
    low: float = 0
    high: float = 1
    open_low: bool = False
    about: str = ""

    def range_text(self) -> str:
        """Say the allowed values in words."""
        if self.kind is bool:
            return _("true or false (on or off)")
        if self.kind is str:
            return _("a name; /presets lists them")
        ends = {"low": self.low, "high": self.high}
        if self.kind is int:
            return _("a whole number from {low} to {high}", **ends)
        if self.open_low:
            return _("a number above {low} to {high}", **ends)
        return _("a number from {low} to {high}", **ends)

    def parse(self, text: str) -> bool | int | float | None:
        """Return the value that `text` spells, or None where it is not an allowed one."""
        if self.kind is bool:
            return True if text.lower() in YES else False if text.lower() in NO else None
        try:
            value = self.kind(text)
        except ValueError:
            return None
        # `not (a <= b)` rather than `a > b`: nan must fail too.
        inside = self.low <= value <= self.high and not (self.open_low and value == self.low)
        return value if inside else None


def _own(name: str) -> Setting:
    """Describe a setting that transformers does not have."""
    own = OWN_SETTINGS[name]
    return Setting(type(own.default), own.low, own.high, about=own.about)


SETTINGS: dict[str, Setting] = {
    "preset": Setting(str, about="a named set of the settings below; those set later go on top"),
    "do_sample": Setting(bool, about="draw each token at random instead of taking the likeliest"),
    "temperature": Setting(float, 0.01, 10, about="above 1 wilder, below 1 tamer"),
    "top_p": Setting(float, 0, 1, open_low=True, about="draw from this much probability only"),
    "top_k": Setting(int, 0, 1_000_000, about="draw from this many tokens only; 0 is all"),
    "num_beams": Setting(int, 1, 64, about="beam search; above 1 a reply comes whole"),
    "max_new_tokens": Setting(int, 1, 1_000_000, about="longest reply, in tokens"),
    "repetition_penalty": Setting(float, 0, 10, open_low=True, about="above 1 repeats less"),
    "no_repeat_ngram_size": Setting(int, 0, 100, about="never say so many tokens twice; 0 is off"),
    "length_penalty": Setting(float, -10, 10, about="with beams: above 0 prefers long replies"),
    **{name: _own(name) for name in _SHOWN_OWN_SETTINGS},
    "num_candidates": Setting(int, 1, 512, about="replies to make, of which the best is taken"),
    "seed": Setting(int, 0, 2**32 - 1, about="same seed, talk and message: same reply"),
}


class ChatSettings:
    """What was set by hand, on top of a preset or of a model's own generation_config.

    Args:
        own: The model's generation_config; never changed.
        position_limit: Most positions the decoder has, its start token included.
        presets: The model, if it has presets.
        left_out: Presets that cannot be had here.
    """

    def __init__(
        self,
        own: GenerationConfig,
        position_limit: int,
        presets: TFChatGenerationMixin | None = None,
        left_out: Sequence[str] = (),
    ) -> None:
        """Start with nothing set."""
        self.own = self.base = own
        self.presets, self.left_out = presets, left_out
        self.max_reply = position_limit - 1
        self.chosen: dict[str, bool | int | float | str] = {}

    def set(self, name: str, text: str) -> None:
        """Set `name` to what `text` spells; `default` goes back to the preset's or model's value.

        Choosing a preset drops what was set before, except what a preset says nothing about.

        Raises:
            UserError: The name is unknown or the value is out of range.
        """
        setting = self.known(name)
        if name == "preset":
            self._choose_preset(text)
            return
        before = dict(self.chosen)
        if text.lower() in _DEFAULT:
            self.chosen.pop(name, None)
        elif (value := setting.parse(text)) is None:
            raise UserError(joined(*_wrong_value(name, setting, text)))
        else:
            self.chosen[name] = value
            if name in IMPLIES_SAMPLING or (name == "num_candidates" and value > 1):
                self.chosen["do_sample"] = True
        try:
            self._check_together()
        except UserError:
            self.chosen = before
            raise

    def _check_together(self) -> None:
        """Refuse candidates that the search cannot give."""
        candidates, beams = (int(self.value(n) or 1) for n in ("num_candidates", "num_beams"))
        if candidates > 1 and beams > 1:
            raise UserError(
                "`num_candidates` {candidates} are drawn, and `num_beams` {beams} draws "
                "none. Set one of the two to 1.",
                candidates=candidates,
                beams=beams,
            )
        if candidates > 1 and not self.value("do_sample"):
            raise UserError(
                "`num_candidates` {candidates} needs replies that differ, and `do_sample` is "
                "false. Set `do_sample` to true, or `num_candidates` to 1.",
                candidates=candidates,
            )

    def preset_names(self) -> list[str]:
        """Name the presets of the model."""
        names = decoding.preset_names(self.presets) if self.presets is not None else []
        return [name for name in names if name not in self.left_out]

    def describe_presets(self) -> list[tuple[str, str]]:
        """List every preset with what it is for; the one in force has a star."""
        chosen = self.chosen.get("preset")
        return [
            (f"{'*' if name == chosen else ' '} {name}", self.about_preset(name))
            for name in self.preset_names()
        ]

    def about_preset(self, name: str) -> str:
        """Say what a preset is for; of a model's own one, what differs from its default."""
        if name in decoding.ABOUT:
            return _(decoding.ABOUT[name])
        preset = None if self.presets is None else self.presets.preset(name)
        values = {key: getattr(preset, key, None) for key in SETTINGS}
        changed = [
            f"{key} {str(value).lower()}"
            for key, value in values.items()
            if value is not None and value != getattr(self.own, key, None)
        ]
        return ", ".join(changed) or _("as the model does by itself")

    def _choose_preset(self, name: str) -> None:
        """Start from a preset, or from the model's own configuration again."""
        if name.lower() in _DEFAULT:
            base = self.own
        elif name in self.preset_names():
            base = decoding.preset(self.presets, name)
        else:
            names = listed(self.preset_names()) or _("none")
            raise UserError(
                "`preset` must be one of the model's (got {name!r}). Presets: {names}.",
                name=name,
                names=names,
            )
        self.base = base
        self.chosen = {key: self.chosen[key] for key in KEPT_BY_PRESETS if key in self.chosen}
        if base is not self.own:
            self.chosen["preset"] = name

    def known(self, name: str) -> Setting:
        """Return what setting `name` accepts for this model."""
        if name not in SETTINGS:
            raise UserError(
                "There is no setting {name!r}. Settings: {settings}.",
                name=name,
                settings=listed(SETTINGS),
            )
        if name == "max_new_tokens":  # the decoder has no positions for more
            return replace(SETTINGS[name], high=self.max_reply)
        return SETTINGS[name]

    @property
    def seed(self) -> int | None:
        """The seed that was set, or None."""
        value = self.chosen.get("seed")
        return None if value is None else int(value)

    @property
    def rows_per_reply(self) -> int:
        """How many replies the decoder works on for one that is given."""
        return max(int(self.value(name) or 1) for name in ("num_beams", "num_candidates"))

    @property
    def comes_whole(self) -> bool:
        """Tell whether a reply comes at its end: it is chosen among several only then."""
        return self.rows_per_reply > 1

    @property
    def rerank_by(self) -> str | None:
        """What chooses among candidates."""
        candidates = int(self.value("num_candidates") or 1)
        asked = getattr(self.base, "rerank_by", None)
        return (asked or "unconditional") if candidates > 1 else None

    def value(self, name: str) -> bool | int | float | str | None:
        """Return the value in force, None where neither the person nor the model says."""
        if name == "max_new_tokens":
            return self.reply_length()
        return self.chosen.get(name, getattr(self.base, name, None))

    def reply_length(self) -> int:
        """Most tokens of a reply: what was asked for, never more than the decoder can hold."""
        asked = self.chosen.get("max_new_tokens") or self.base.max_new_tokens
        if not asked and self.base.max_length:
            asked = self.base.max_length - 1  # max_length counts the start token
        return max(1, min(int(asked or self.max_reply), self.max_reply))

    def generation_config(self) -> GenerationConfig:
        """Return the configuration for `generate()`: the preset's or model's with the changes."""
        config = copy.deepcopy(self.base)
        changes: dict[str, bool | int | float | str | None] = {**self.chosen}
        if "num_candidates" in self.chosen:
            changes["rerank_by"] = self.rerank_by
        for name, value in changes.items():
            if name not in ("preset", *KEPT_BY_PRESETS):
                setattr(config, name, value)
        config.num_return_sequences = 1
        if config.max_length and not config.max_new_tokens:
            config.max_length = self.reply_length() + 1
        else:
            config.max_new_tokens = self.reply_length()
        return config

    def about(self, name: str) -> str:
        """Say what one setting does."""
        return _(self.known(name).about)

    def describe(self, name: str) -> tuple[str, str]:
        """Say one setting, its value in force and where that comes from; and its range."""
        known = self.known(name)
        source = _("model") if self.base is self.own else _("preset")
        if self.value(name) is None:
            source = ""
        elif name in self.chosen:
            source = _("set here")
        words = f"{name:<21}{padded(self.shown(name), 9)} {padded(source, 8)}"
        return words, known.range_text()

    def shown(self, name: str) -> str:
        """Write the value in force."""
        value = self.value(name)
        return _("not set") if value is None else str(value).lower()


def _wrong_value(name: str, setting: Setting, text: str) -> Iterator[str]:
    """Say what a setting must be, and what is meant by a temperature of 0."""
    yield _(
        "`{name}` must be {range} (got {value!r}).",
        name=name,
        range=setting.range_text(),
        value=text,
    )
    if name == "temperature" and text and not text.strip("0."):
        yield _(
            "For the likeliest token each time take `--preset greedy`, or /set do_sample false."
        )
