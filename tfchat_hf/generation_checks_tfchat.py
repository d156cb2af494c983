# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Generation settings that cannot be meant so: which two, and what to do about it."""

import difflib
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel

from .packed_linear_tfchat import check_int8
from .presets_tfchat import OWN_CHOICES, OWN_SETTINGS, RERANK_BY


def check_settings(config: GenerationConfig) -> None:
    """Check this project's settings one by one.

    Raises:
        ValueError: names the setting, the rule and the value.
    """
    for name, setting in OWN_SETTINGS.items():
        value = getattr(config, name)
        whole = isinstance(setting.default, int)
        kinds = int if whole else (int, float)
        # `not (a <= b)` rather than `a > b`: nan must fail too.
        if isinstance(value, bool) or not isinstance(value, kinds):
            fits = False
        else:
            fits = setting.low <= value <= setting.high
        if not fits:
            raise ValueError(
                f"`{name}` must be a {'whole ' if whole else ''}number from {setting.low} to "
                f"{setting.high} (got {value!r}): {setting.about}."
            )
    for name, words in OWN_CHOICES.items():
        if getattr(config, name) not in words:
            raise ValueError(
                f"`{name}` must be one of {', '.join(map(repr, words))} "
                f"(got {getattr(config, name)!r})."
            )


def check_preset(name: str, settings: dict[str, Any]) -> None:
    """Refuse a preset with a setting that nobody knows, a misspelt one most likely.

    Raises:
        ValueError: names preset and setting.
    """
    known = {*vars(GenerationConfig()), *OWN_SETTINGS, *OWN_CHOICES}
    for setting in settings:
        if setting not in known:
            near = difflib.get_close_matches(setting, known, 1)
            hint = f"Did you mean `{near[0]}`?" if near else "Delete it."
            raise ValueError(
                f"Preset {name!r} in generation_config.json sets `{setting}`, which is no "
                f"generation setting. {hint}"
            )


def check_unused_rerank(kwargs: dict[str, Any]) -> None:
    """Refuse a way to choose where there is nothing to choose from.

    Raises:
        ValueError: names both settings.
    """
    if kwargs.get("rerank_by") is not None:
        raise ValueError(
            f"`rerank_by={kwargs['rerank_by']!r}` chooses among candidates, and "
            "`num_candidates=1` makes one. Raise `num_candidates`, or leave `rerank_by` out."
        )


def check_weight_dtype(model: PreTrainedModel, config: GenerationConfig) -> None:
    """Refuse products in 8 bits where there are none.

    Raises:
        ValueError: if the model is not on a CPU, or torch was built without them.
    """
    if config.weight_dtype != "int8":
        return
    reason = check_int8()
    if model.dtype != torch.float32:
        reason = f"the weights are {model.dtype} instead of float32"
    if model.device.type != "cpu":
        reason = f"the model is on {model.device.type}"
    if reason:
        raise ValueError(
            f'`weight_dtype="int8"` needs float32 weights on a CPU with int8 products, and '
            f"{reason}. Take the setting away, or move the model with `.float().cpu()`."
        )


def check_rerank(
    model: PreTrainedModel,
    config: GenerationConfig,
    reverse_model: PreTrainedModel | None,
    others: dict[str, Any],
    kwargs: dict[str, Any],
) -> None:
    """Refuse a choice among candidates that cannot be made.

    Raises:
        ValueError: names the two settings that do not go together, and what to do.
    """
    count, wanted = config.num_candidates, config.num_return_sequences or 1
    if reverse_model is not None and (config.rerank_by != "reverse" or count == 1):
        raise ValueError(
            f"`reverse_model` would not be asked with `num_candidates={count}` and "
            f'`rerank_by={config.rerank_by!r}`. Set `rerank_by="reverse"` and `num_candidates` '
            "above 1, or leave it out."
        )
    if config.rerank_by is None:
        raise ValueError(
            f"`num_candidates={count}` makes candidates, and `rerank_by=None` chooses none. Set "
            f"`rerank_by` to {' or '.join(map(repr, RERANK_BY))}, or take "
            "`num_return_sequences` to see several replies."
        )
    if wanted > count:
        raise ValueError(
            f"`num_return_sequences={wanted}` is more than `num_candidates={count}`. Raise "
            "`num_candidates`, or ask for fewer."
        )
    if not config.do_sample and (config.num_beams or 1) < count:
        raise ValueError(
            f"`num_candidates={count}` needs different candidates, and `do_sample=False` with "
            f"`num_beams={config.num_beams}` finds only {config.num_beams}. Set `do_sample=True`, "
            f"or `num_beams={count}`."
        )
    if others["streamer"] is not None:
        raise ValueError(
            f"`streamer` shows a reply while it is made, and `num_candidates={count}` knows which "
            "one it is when all are made. Leave one of them out."
        )
    if kwargs.get("inputs") is None and kwargs.get("input_ids") is None:
        raise ValueError(
            f"`num_candidates={count}` reads the question again to score the candidates, so it "
            "needs `input_ids` and not `encoder_outputs` or `inputs_embeds`."
        )
    if others["assistant_model"] is not None or others["custom_generate"] is not None:
        given = "assistant_model" if others["assistant_model"] is not None else "custom_generate"
        raise ValueError(
            f"`{given}` decodes in a way of its own and `num_candidates={count}` needs plain "
            "candidates. Leave one of them out."
        )
    if config.eos_token_id is None:
        raise ValueError(
            f"`num_candidates={count}` scores replies up to their end, and `eos_token_id` is None. "
            "Set it, or make one reply."
        )
    start = model.config.decoder_start_token_id
    if config.decoder_start_token_id not in (None, start):
        raise ValueError(
            f"`num_candidates={count}` scores replies that begin with the model's own start token "
            f"{start}, and `decoder_start_token_id` is {config.decoder_start_token_id}."
        )
    if config.rerank_by == "reverse":
        _check_reverse(model, reverse_model)


def _check_reverse(model: PreTrainedModel, reverse_model: PreTrainedModel | None) -> None:
    """Check that a reverse model is there, and is one."""
    if reverse_model is None:
        raise ValueError(
            '`rerank_by="reverse"` needs `reverse_model`: train one with `swap_sides: true` and '
            "the tokenizer of this model (`tokenizer: RUN`), load it and hand it over; or set "
            '`rerank_by="unconditional"`, which needs none.'
        )
    if not getattr(reverse_model.config, "swap_sides", False):
        raise ValueError(
            "`reverse_model` must be trained with `swap_sides: true`; its config.json says it "
            "answers questions like this model. Train one, or give the right folder."
        )
    if reverse_model.config.vocab_size != model.config.vocab_size:
        raise ValueError(
            f"`reverse_model` has a vocabulary of {reverse_model.config.vocab_size} tokens and "
            f"this model one of {model.config.vocab_size}: they must share one tokenizer. Train "
            "the reverse model with `tokenizer: RUN` of this model."
        )
    if reverse_model.device != model.device:
        raise ValueError(
            f"`reverse_model` is on {reverse_model.device} and this model on {model.device}. "
            "Move one of them with `.to()`."
        )


__all__ = ["check_rerank", "check_settings", "check_weight_dtype"]
