# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How this package has a model decode: its presets and re-ranking beside the model's own settings.

A generation configuration may hold `num_candidates`, `rerank_by` and `rerank_weight` here; the
model itself knows nothing of them.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel

from data_builders.translation import marked

from ..model.generation_tfchat import preset_settings
from . import FastDecoder
from .reranking import RERANK_SETTINGS, Reranking

CANDIDATES = "candidates"
# The one that asks a second model, which a model's folder cannot bring along.
MUTUAL = "mutual"
_DRAWN = {**preset_settings("creative"), "temperature": 1.0, "anti_lm_weight": 0.0}
# Presets that the model's own `generate()` does not know: the best of several replies.
_RERANKED: dict[str, dict[str, Any]] = {
    CANDIDATES: {
        **_DRAWN,
        "num_candidates": 32,
        "rerank_by": "unconditional",
        "rerank_weight": 0.5,
    },
    MUTUAL: {**_DRAWN, "num_candidates": 16, "rerank_by": "reverse", "rerank_weight": 0.5},
}
ABOUT = {
    "greedy": marked("the likeliest token each time; nothing against loops"),
    "precise": marked("greedy without loops: the same reply every time, close to the data"),
    "beam": marked("beam search: likely replies, safe and alike"),
    "balanced": marked("the same reply every time, but not the one that fits any question"),
    "creative": marked("draws freely: every reply another one"),
    CANDIDATES: marked(
        "draws 32 and takes the one that this message makes likelier than no message"
    ),
    MUTUAL: marked("draws 16 and asks a reverse model which fits (`--reverse-model`)"),
}


def preset_names(model: Any) -> list[str]:
    """List the presets of a model, and those that take the best of several replies."""
    return [*(name for name in model.preset_names() if name not in _RERANKED), *_RERANKED]


def preset(model: Any, name: str) -> GenerationConfig:
    """Return a preset as a whole configuration, re-ranking among its settings.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in _RERANKED:
        config = model.preset(name)
        changes: dict[str, Any] = RERANK_SETTINGS
    else:
        config, changes = copy.deepcopy(model.generation_config), _RERANKED[name]
    for setting, value in changes.items():
        setattr(config, setting, value)
    return config


def generate_options(
    config: GenerationConfig,
    question_ids: torch.LongTensor,
    fast: FastDecoder | None = None,
    reverse_model: PreTrainedModel | None = None,
    streamer: Any = None,
) -> dict[str, Any]:
    """Return the arguments of `generate()` that say how to decode.

    Args:
        config: Settings, re-ranking among them.
        question_ids: `(batch, source)`, as the model is to read them.
        fast: Decodes greedy search and sampling; None for transformers' own loop.
        reverse_model: Asked where `rerank_by` says so.
        streamer: Given the tokens; not where the best of several replies is taken.
    """
    options: dict[str, Any] = {"generation_config": config}
    count = getattr(config, "num_candidates", None) or 1
    if count > 1:
        rerank_by = getattr(config, "rerank_by", None) or "unconditional"
        weight = getattr(config, "rerank_weight", None)
        weight = RERANK_SETTINGS["rerank_weight"] if weight is None else weight
        second = reverse_model if rerank_by == "reverse" else None
        options["custom_generate"] = Reranking(count, rerank_by, weight, second, fast)
        options["question_ids"] = question_ids
    elif fast is not None and (custom := fast.options(config)):
        options |= {**custom, "token_streamer": streamer}
    elif streamer is not None:
        options["streamer"] = streamer
    return options
