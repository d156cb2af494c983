# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the settings of `generate()` are called in CTranslate2, and which it has not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import GenerationConfig

from ..text.errors import UserError

# Translated below.
_TRANSLATED = {
    "bad_words_ids",
    "do_sample",
    "early_stopping",
    "eos_token_id",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "min_new_tokens",
    "no_repeat_ngram_size",
    "num_beams",
    "num_return_sequences",
    "repetition_penalty",
    "suppress_tokens",
    "temperature",
    "top_k",
    "top_p",
}
# With beams, what is forbidden is taken out before probabilities are made of the rest: that is
# `renormalize_logits` true of transformers, whatever it says here.
# They say nothing about which tokens come, or only together with a setting that is refused.
_WITHOUT_EFFECT = {
    "anti_lm_cutoff",
    "anti_lm_tokens",
    "assistant_confidence_threshold",
    "assistant_lookbehind",
    "bos_token_id",
    "copy_allowed_length",
    "decoder_start_token_id",
    "disable_compile",
    "dry_allowed_length",
    "dry_base",
    "is_assistant",
    "low_memory",
    "max_matching_ngram_size",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "pad_token_id",
    "preset",
    "presets",
    "remove_invalid_values",
    "renormalize_logits",
    "rerank_by",
    "rerank_weight",
    "target_lookbehind",
    "transformers_version",
    "use_cache",
    "weight_dtype",
}
# Off at 1 instead of at nothing.
_OFF_AT_ONE = {
    "encoder_repetition_penalty",
    "guidance_scale",
    "num_beam_groups",
    "num_candidates",
    "typical_p",
}
_HUGE = 2**31


def check_settings(config: GenerationConfig, preset_names: Callable[[], list[str]] = list) -> None:
    """Refuse what CTranslate2 cannot do, or does otherwise.

    Args:
        config: Complete settings.
        preset_names: Gives the presets to name as the way out; asked only then.

    Raises:
        UserError: names the setting.
    """
    for name, value in vars(config).items():
        if name.startswith("_") or name in _TRANSLATED or name in _WITHOUT_EFFECT or not value:
            continue
        if name in _OFF_AT_ONE and value == 1:
            continue
        ways = " or ".join(f"preset {one!r}" for one in preset_names())
        raise UserError(
            f"CTranslate2 has no `{name}` (got {value!r}). Switch it off, use "
            f"{ways + ', or ' if ways else ''}`--engine onnx` or `--engine torch`."
        )
    _check_together(config)


def _check_together(config: GenerationConfig) -> None:
    """Refuse settings that CTranslate2 has one by one only."""
    beams = config.num_beams or 1
    if beams > 1 and config.do_sample:
        raise UserError(
            f"CTranslate2 cannot draw with beams (got `do_sample` true, `num_beams` {beams}). "
            "Use one of them, or `--engine torch`."
        )
    if beams > 1 and (config.repetition_penalty or 1) != 1:
        raise UserError(
            "With beams CTranslate2 takes `repetition_penalty` for another number than "
            f"transformers (got {config.repetition_penalty}, `num_beams` {beams}). Set it to 1, "
            "or use `--engine torch`."
        )


def check_early_stopping(config: GenerationConfig, asked: bool | str | None) -> None:
    """Refuse a rule for the end of beam search that is not CTranslate2's own.

    It ends when there are as many finished replies as beams: `early_stopping` true. That is also
    what is done where nobody asked; transformers searches on then.

    Args:
        config: Complete settings.
        asked: `early_stopping` as it was before defaults were filled in.
    """
    if (config.num_beams or 1) > 1 and asked not in (None, True):
        raise UserError(
            f"With beams CTranslate2 has `early_stopping` true only (got {asked!r}). Set it to "
            "true or leave it out, or use `--engine torch`."
        )


def is_neutral(config: GenerationConfig) -> bool:
    """Whether CTranslate2 has all that a configuration asks for."""
    try:
        check_settings(config)
    except UserError:
        return False
    return True


def reply_length(config: GenerationConfig) -> int:
    """The most new tokens of a reply."""
    return config.max_new_tokens or config.max_length - 1


def translated(config: GenerationConfig, tokens: list[str]) -> dict[str, Any]:
    """Give the arguments of `Translator.translate_batch`.

    Args:
        config: Settings that have passed `check_settings`.
        tokens: The vocabulary.
    """
    least = config.min_new_tokens or max(0, (config.min_length or 0) - 1)
    ends = _end_tokens(config)
    options = {
        "beam_size": config.num_beams or 1,
        "num_hypotheses": config.num_return_sequences or 1,
        "length_penalty": 1.0 if config.length_penalty is None else config.length_penalty,
        "repetition_penalty": config.repetition_penalty or 1.0,
        "no_repeat_ngram_size": config.no_repeat_ngram_size or 0,
        "max_decoding_length": reply_length(config),
        "min_decoding_length": least,
        "suppress_sequences": _banned(config, ends, tokens) or None,
        # Without an end token a reply goes on to its longest.
        "end_token": ends or [len(tokens)],
        "return_end_token": True,
        "max_input_length": 0,
        "max_batch_size": 0,
    }
    if config.do_sample:
        options |= {
            "sampling_topk": min(config.top_k or 0, len(tokens)),
            "sampling_topp": 1.0 if config.top_p is None else config.top_p,
            "sampling_temperature": config.temperature or 1.0,
        }
    return options


def _end_tokens(config: GenerationConfig) -> list[int]:
    ends = config.eos_token_id
    if ends is None:
        return []
    return [ends] if isinstance(ends, int) else list(ends)


def _banned(config: GenerationConfig, ends: list[int], tokens: list[str]) -> list[list[str]]:
    """List what must not be said; like transformers, the end token alone is never one of it."""
    rows = [[number] for number in config.suppress_tokens or ()]
    rows += [row for row in config.bad_words_ids or () if row not in [[end] for end in ends]]
    return [[tokens[number] for number in row] for row in rows]
