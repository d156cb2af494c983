# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which settings of `generate()` a model without this project's code still has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import GenerationConfig

if TYPE_CHECKING:
    from .. import TFChatForConditionalGeneration

# Settings of this project that do something only while another one is on.
_ONLY_WITH = {
    "dry_base": "dry_multiplier",
    "dry_allowed_length": "dry_multiplier",
    "copy_allowed_length": "copy_penalty",
    "anti_lm_tokens": "anti_lm_weight",
    "anti_lm_cutoff": "anti_lm_weight",
    "rerank_by": "num_candidates",
    "rerank_weight": "num_candidates",
}
_OFF_AT_ONE = ("num_candidates",)
# No settings of a reply: the presets have a table of their own, and a new folder a new version.
_LEFT_OUT = ("presets", "preset", "transformers_version")


def stock_settings(config: GenerationConfig) -> dict[str, Any]:
    """Give the settings that transformers itself has, without those that are not set."""
    known = set(vars(GenerationConfig())) - set(_LEFT_OUT)
    return {
        name: value
        for name, value in vars(config).items()
        if name in known and not name.startswith("_") and value is not None
    }


def lost_settings(
    model: TFChatForConditionalGeneration, config: GenerationConfig
) -> dict[str, Any]:
    """Give the settings that are on and that only this project's code knows.

    Args:
        model: For what its configuration adds to every reply.
        config: The model's settings, or those of a preset.

    Returns:
        Each name with its value.
    """
    known = {*vars(GenerationConfig()), *_LEFT_OUT}
    own = {
        name: value
        for name, value in vars(config).items()
        if name not in known and not name.startswith("_")
    }
    lost = {name: value for name, value in own.items() if _is_on(name, own)}
    first_byte = getattr(model.config, "first_byte_token_id", None)
    return lost | ({} if first_byte is None else {"first_byte_token_id": first_byte})


def _is_on(name: str, own: dict[str, Any]) -> bool:
    """Tell whether a setting of this project changes replies."""
    if name in _ONLY_WITH:
        return _is_on(_ONLY_WITH[name], own)
    value = own.get(name)
    return bool(value) and not (name in _OFF_AT_ONE and value == 1)


def marian_generation_config(config: GenerationConfig) -> GenerationConfig:
    """Make the `generation_config.json` of the folder."""
    return GenerationConfig(**stock_settings(config))


def preset_arguments(
    model: TFChatForConditionalGeneration, name: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a preset.

    Args:
        model: The model that has it.
        name: One of `model.preset_names()`.

    Returns:
        The arguments of `generate()` by which it differs from the folder's default, and what is
        lost of it.
    """
    preset = model.preset(name)
    kept, default = stock_settings(preset), stock_settings(model.generation_config)
    if "greedy" in model.preset_names():
        # For what the default leaves open.
        default = stock_settings(model.preset("greedy")) | default
    changed = {key: value for key, value in kept.items() if value != default.get(key)}
    if "min_p" in default and "min_p" not in kept:
        changed["min_p"] = 0.0  # None would be passed over
    return changed, lost_settings(model, preset)
