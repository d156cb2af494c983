# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The range of every number among the settings, looked at without torch.

Where transformers gives a number a meaning of its own, the range has it: `save_total_limit` 0 and
below keep all checkpoints, `max_steps` -1 leaves the length to `num_train_epochs`, `eval_steps` 0
takes `logging_steps`.
"""

from __future__ import annotations

import math
from typing import Any

from data_builders.translation import _

_COUNT, _LENGTH, _SEED = 100_000_000, 131_072, 2**32 - 1
# What a number must be at least and at most.
_RANGES: dict[str, tuple[float, float]] = {
    "d_model": (1, 65_536),
    **dict.fromkeys(("encoder_layers", "decoder_layers"), (1, 1000)),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), (1, 1024)),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), (1, 1_000_000)),
    "max_position_embeddings": (1, _LENGTH),
    "max_context_turns": (1, 1000),
    **dict.fromkeys(("max_source_length", "max_target_length"), (2, _LENGTH)),
    "vocab_size": (6, 1_000_000),
    "preprocessing_num_proc": (1, 1024),
    "generation_max_new_tokens": (1, _LENGTH),
    "generation_num_beams": (1, 64),
    "generation_no_repeat_ngram_size": (0, 100),
    **dict.fromkeys(("seed", "data_seed"), (0, _SEED)),
    "tokens_per_update": (0, _COUNT),
    **dict.fromkeys(("per_device_train_batch_size", "per_device_eval_batch_size"), (1, 1_000_000)),
    "gradient_accumulation_steps": (1, 100_000),
    **dict.fromkeys(("learning_rate", "muon_learning_rate"), (0, 10)),
    # With `question_dropout` half of the visits see the whole question.
    "question_dropout": (0, 0.25),
    **dict.fromkeys(("random_history", "frequency_weight", "adam_epsilon"), (0, 1)),
    **dict.fromkeys(("warmup_steps", "eval_steps", "eval_delay"), (0, _COUNT)),
    "weight_decay": (0, 10),
    "max_grad_norm": (0, 1_000_000),
    "unlikelihood_weight": (0, 100),
    **dict.fromkeys(("eval_generate_samples", "eval_relevance_samples"), (0, _COUNT)),
    "eval_max_samples": (0, _COUNT),
    "selection_relevance_weight": (0, 1000),
    "early_stopping_patience": (0, 1_000_000),
    "save_total_limit": (-1, 1_000_000),
    "dataloader_num_workers": (0, 1024),
    "dataloader_prefetch_factor": (1, 10_000),
    "ddp_bucket_cap_mb": (1, 1_000_000),
    **dict.fromkeys(("ddp_timeout", "torch_empty_cache_steps"), (1, _COUNT)),
}
# Above 0, and at most so much.
_ABOVE_ZERO = {
    "num_train_epochs": 1_000_000,
    "max_minutes": 525_600,
    **dict.fromkeys(("logging_steps", "save_steps"), _COUNT),
    "init_std": 10,
    "generation_repetition_penalty": 10,
}
# Shares of which not all may be taken.
_BELOW_ONE = (
    *("validation_fraction", "test_fraction", "label_smoothing_factor", "adam_beta1", "adam_beta2"),
    *("dropout", "attention_dropout", "activation_dropout"),
)


def range_problem(name: str, value: Any) -> str | None:
    """Say what a number must be that it is not, or return None if it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    told = {"name": name, "value": value}
    if name == "max_steps":
        holds = value == -1 or 1 <= value <= _COUNT
        rule = _(
            "`{name}` must be at least 1 and at most {most:,}, or -1 to train for "
            "`num_train_epochs` (got {value}).",
            most=_COUNT,
            **told,
        )
    elif name in _ABOVE_ZERO:
        told["most"] = _ABOVE_ZERO[name]
        holds = 0 < value <= _ABOVE_ZERO[name]
        rule = _("`{name}` must be above 0 and at most {most:,} (got {value}).", **told)
    elif name in _BELOW_ONE:
        holds = 0 <= value < 1
        rule = _("`{name}` must be at least 0 and below 1 (got {value}).", **told)
    else:
        least, most = _RANGES.get(name, (-math.inf, math.inf))
        holds = least <= value <= most and math.isfinite(value)
        rule = _(
            "`{name}` must be at least {least:,} and at most {most:,} (got {value}).",
            least=least,
            most=most,
            **told,
        )
    return None if holds else rule
