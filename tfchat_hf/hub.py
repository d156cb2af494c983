# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A model folder that is complete: weights, tokenizer, generation settings and the model's code."""

from __future__ import annotations

import os

from transformers import PreTrainedTokenizerBase

from .model.modeling_tfchat import TFChatPreTrainedModel


def save_for_hub(
    model: TFChatPreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    output_dir: str | os.PathLike,
) -> None:
    """Write a folder that anyone can load, with or without this package.

    Args:
        model: The model; saved as safetensors with its configuration and its Python files.
        tokenizer: The tokenizer; saved as a plain `tokenizer.json`, no code needed.
        output_dir: The folder; made if it is missing.

    Raises:
        ValueError: if the tokenizer has more ids than the model has embeddings.
    """
    if len(tokenizer) > model.config.vocab_size:
        raise ValueError(
            f"The tokenizer has {len(tokenizer)} ids, but `config.vocab_size` is "
            f"{model.config.vocab_size}. Call `model.resize_token_embeddings({len(tokenizer)})` "
            "first, or save the tokenizer that the model was trained with."
        )
    # The Trainer switches the cache off in the configuration while it trains.
    model.config.use_cache = True
    model.save_pretrained(output_dir)
    tokenizer.save_pretrained(output_dir)
