# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The generation settings a person may change while chatting: names, ranges, and their effect.

Nothing here has a value of its own: what is not set comes from the model's generation_config.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

from transformers import GenerationConfig

_YES = {"true", "yes", "on", "1"}
_NO = {"false", "no", "off", "0"}

# Setting one of these says that sampling is wanted; under greedy search they would do nothing.
IMPLIES_SAMPLING = ("temperature", "top_p", "top_k")


class ChatError(ValueError):
    """Something the person at the keyboard can put right; the message says how."""


@dataclass(frozen=True)
class Setting:
    """What one setting accepts.

    Attributes:
        kind: `bool`, `int` or `float`.
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
            return "true or false"
        noun = "a whole number" if self.kind is int else "a number"
        start = f"above {self.low}" if self.open_low else f"from {self.low}"
        return f"{noun} {start} to {self.high}"

    def parse(self, text: str) -> bool | int | float | None:
        """Return the value that `text` spells, or None where it is not an allowed one."""
        if self.kind is bool:
            return True if text.lower() in _YES else False if text.lower() in _NO else None
        try:
            value = self.kind(text)
        except ValueError:
            return None
        # `not (a <= b)` rather than `a > b`: nan must fail too.
        inside = self.low <= value <= self.high and not (self.open_low and value == self.low)
        return value if inside else None


SETTINGS: dict[str, Setting] = {
    "do_sample": Setting(bool, about="draw each token at random instead of taking the likeliest"),
    "temperature": Setting(float, 0, 10, open_low=True, about="above 1 wilder, below 1 tamer"),
    "top_p": Setting(float, 0, 1, open_low=True, about="draw from this much probability only"),
    "top_k": Setting(int, 0, 1_000_000, about="draw from this many tokens only; 0 is all"),
    "num_beams": Setting(int, 1, 64, about="beam search; above 1 a reply comes whole"),
    "max_new_tokens": Setting(int, 1, 1_000_000, about="longest reply, in tokens"),
    "repetition_penalty": Setting(float, 0, 10, open_low=True, about="above 1 repeats less"),
    "no_repeat_ngram_size": Setting(int, 0, 100, about="never say so many tokens twice; 0 is off"),
    "length_penalty": Setting(float, -10, 10, about="with beams: above 0 prefers long replies"),
    "seed": Setting(int, 0, 2**32 - 1, about="same seed, talk and message: same reply"),
}


class ChatSettings:
    """What was set by hand, on top of a model's own generation_config.

    Args:
        base: The model's generation_config; never changed.
        position_limit: Most positions the decoder has, its start token included.
    """

    def __init__(self, base: GenerationConfig, position_limit: int) -> None:
        """Start with nothing set."""
        self.base = base
        self.max_reply = position_limit - 1
        self.chosen: dict[str, bool | int | float] = {}

    def set(self, name: str, text: str) -> None:
        """Set `name` to the value spelled by `text`; `default` goes back to the model's own.

        Raises:
            ChatError: The name is unknown or the value is out of range.
        """
        setting = self._known(name)
        if text.lower() in ("default", "none"):
            self.chosen.pop(name, None)
            return
        value = setting.parse(text)
        if value is None:
            raise ChatError(f"`{name}` must be {setting.range_text()} (got {text!r}).")
        self.chosen[name] = value
        if name in IMPLIES_SAMPLING:
            self.chosen["do_sample"] = True

    def _known(self, name: str) -> Setting:
        """Return what setting `name` accepts for this model."""
        if name not in SETTINGS:
            raise ChatError(f"There is no setting {name!r}. Settings: {', '.join(SETTINGS)}.")
        if name == "max_new_tokens":  # the decoder has no positions for more
            return replace(SETTINGS[name], high=self.max_reply)
        return SETTINGS[name]

    @property
    def seed(self) -> int | None:
        """The seed that was set, or None."""
        value = self.chosen.get("seed")
        return None if value is None else int(value)

    @property
    def num_beams(self) -> int:
        """Beams in force; above 1 a reply cannot be streamed."""
        return int(self.value("num_beams") or 1)

    def value(self, name: str) -> bool | int | float | None:
        """Return the value in force, None where neither the person nor the model says."""
        if name == "max_new_tokens":
            return self._reply_length()
        return self.chosen.get(name, getattr(self.base, name, None))

    def _reply_length(self) -> int:
        """Most tokens of a reply: what was asked for, never more than the decoder can hold."""
        asked = self.chosen.get("max_new_tokens") or self.base.max_new_tokens
        if not asked and self.base.max_length:
            asked = self.base.max_length - 1  # max_length counts the start token
        return max(1, min(int(asked or self.max_reply), self.max_reply))

    def generation_config(self) -> GenerationConfig:
        """Return the configuration for `generate()`: the model's own with the changes on it."""
        config = copy.deepcopy(self.base)
        for name, value in self.chosen.items():
            if name not in ("seed", "max_new_tokens"):
                setattr(config, name, value)
        if config.max_length and not config.max_new_tokens:
            config.max_length = self._reply_length() + 1
        else:
            config.max_new_tokens = self._reply_length()
        return config

    def explain(self, name: str) -> str:
        """Say what one setting does, its value in force and its range."""
        return f"{self._line(name)}\n  {self._known(name).about}"

    def describe(self) -> list[str]:
        """List every setting with its value in force and where that comes from."""
        return [self._line(name) for name in SETTINGS]

    def _line(self, name: str) -> str:
        """Say one setting, its value, its source and its range, in at most 79 columns."""
        self._known(name)
        value = self.value(name)
        shown = "not set" if value is None else str(value).lower()
        source = "set here" if name in self.chosen else "model"
        if value is None:
            source = ""
        return f"{name:<21}{shown:<9}{source:<10}{self._known(name).range_text()}"
