# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Named ways to decode, and what each setting of this project's own means.

A preset is a whole `GenerationConfig`: it says a value for everything that another preset may
touch, because transformers fills what a configuration leaves open from the model's default one.
"""

import copy
from typing import Any, NamedTuple

from transformers import GenerationConfig


class OwnSetting(NamedTuple):
    """A generation setting that transformers does not have."""

    default: Any
    low: float
    high: float
    about: str


OWN_SETTINGS: dict[str, OwnSetting] = {
    "max_phrase_repeats": OwnSetting(0, 0, 100, "most times a phrase may stand in a row; 0: any"),
    "max_character_run": OwnSetting(0, 0, 100, "most times a character may stand in a row; 0: any"),
    "dry_multiplier": OwnSetting(0.0, 0, 100, "cost of going on with what was said before; 0: off"),
    "dry_base": OwnSetting(1.75, 1, 10, "how fast that cost grows with the tokens repeated"),
    "dry_allowed_length": OwnSetting(2, 1, 15, "so many tokens may be repeated for nothing"),
    "copy_penalty": OwnSetting(
        0.0, 0, 100, "cost a token of going on copying the question; 0: off"
    ),
    "copy_allowed_length": OwnSetting(2, 1, 15, "so many tokens may be copied for nothing"),
    "anti_lm_weight": OwnSetting(0.0, 0, 2, "how much to turn away from what fits any question"),
    "anti_lm_tokens": OwnSetting(5, 1, 64, "at the first so many tokens of the reply"),
    "anti_lm_cutoff": OwnSetting(
        0.1, 0, 1, "among tokens at least so likely, against the likeliest"
    ),
    "num_candidates": OwnSetting(1, 1, 512, "replies to make, of which the best is taken"),
    "rerank_weight": OwnSetting(0.5, 0, 2, "weight of the second opinion on the candidates"),
}
RERANK_BY = ("reverse", "unconditional")
WEIGHT_DTYPES = (None, "int8")
# Settings with no range: one of a few words, or None.
OWN_CHOICES: dict[str, tuple] = {
    "rerank_by": (None, *RERANK_BY),
    "weight_dtype": WEIGHT_DTYPES,
}

# What plain greedy search is: the ground on which every preset stands.
_NEUTRAL: dict[str, Any] = {
    "do_sample": False,
    "num_beams": 1,
    "temperature": 1.0,
    "top_k": 50,  # transformers' default; any other one warns where nothing is drawn
    "top_p": 1.0,
    "min_p": None,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "length_penalty": 1.0,
    "early_stopping": False,
    "renormalize_logits": False,
    **{name: setting.default for name, setting in OWN_SETTINGS.items()},
    "rerank_by": None,
}
# Against loops: no phrase more than twice in a row, a laugh of four at most, and what was said
# once costs more to say again.
_NO_LOOPS = {"max_phrase_repeats": 2, "max_character_run": 4, "dry_multiplier": 0.8}
_NO_ECHO = {"copy_penalty": 1.0}
# Among tokens at least a tenth as likely as the likeliest (min-p; Nguyen et al., 2024), which needs
# no sorting: for 32 rows of 8,000 tokens top-p takes 14 ms a step and min-p 0.5.
_DRAW = {"do_sample": True, "top_k": 0, "min_p": 0.1}

PRESETS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "precise": {**_NO_LOOPS},
    # As CTranslate2 searches, so that both find the same.
    "beam": {
        "num_beams": 4,
        "no_repeat_ngram_size": 3,
        "early_stopping": True,
        "renormalize_logits": True,
    },
    "balanced": {**_NO_LOOPS, **_NO_ECHO, "anti_lm_weight": 0.7, "anti_lm_cutoff": 0.05},
    "creative": {**_NO_LOOPS, **_NO_ECHO, **_DRAW, "temperature": 0.7, "anti_lm_weight": 0.4},
    "mutual": {
        **_NO_LOOPS,
        **_NO_ECHO,
        **_DRAW,
        "num_candidates": 16,
        "rerank_by": "reverse",
        "rerank_weight": 0.5,
    },
}
DEFAULT_PRESET = "balanced"
ABOUT_PRESETS = {
    "greedy": "the likeliest token each time; nothing against loops",
    "precise": "greedy without loops: the same reply every time, close to the data",
    "beam": "beam search: likely replies, safe and alike",
    "balanced": "the same reply every time, but not the one that fits any question",
    "creative": "draws freely: every reply another one",
    "mutual": "draws 16 and asks a reverse model which fits (`reverse_model`)",
}


def preset_settings(name: str) -> dict[str, Any]:
    """Give every setting of a built-in preset, neutral ones included."""
    return {**_NEUTRAL, **PRESETS[name]}


def all_presets() -> dict[str, dict[str, Any]]:
    """Give the built-in presets whole, as generation_config.json keeps them."""
    return {name: preset_settings(name) for name in PRESETS}


def has_own_settings(config: GenerationConfig) -> bool:
    """Tell whether a configuration holds settings that only this project knows."""
    return any(name in vars(config) for name in (*OWN_SETTINGS, *OWN_CHOICES, "presets"))


def with_presets(config: GenerationConfig, default: str | None = None) -> GenerationConfig:
    """Return a generation configuration that carries the presets.

    Args:
        config: What a model has: special tokens, lengths and what was set on purpose.
        default: The preset whose values become those of the configuration itself.
    """
    # A configuration marked as made from a model's loses entries of its own when it is loaded.
    config = copy.deepcopy(config)
    config._from_model_config = False
    config.presets = all_presets()
    if default is not None:
        config.update(**preset_settings(default), allow_custom_entries=True)
    return config


__all__ = ["ABOUT_PRESETS", "DEFAULT_PRESET", "OWN_CHOICES", "OWN_SETTINGS", "PRESETS"]
