# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A model folder that is complete: weights, tokenizer, generation settings and the model's code."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoModelForSeq2SeqLM, PreTrainedTokenizerBase

from ..model.modeling_tfchat import TFChatPreTrainedModel
from ..text.tokenization import fit_tokenizer
from .carried_code import differing_code

logger = logging.getLogger(__name__)

# What a saved folder needs, as pyproject.toml says it too, and the newest that ran the tests.
OLDEST_TRANSFORMERS, NEWEST_TESTED_TRANSFORMERS = "5.23", "5.24.0"


def load_model(source: str | os.PathLike, **options: Any) -> Any:
    """Load a model with this package's own code, and nothing that its config.json names.

    Args:
        source: A folder, or an id on the Hub.
        options: For `from_pretrained`.

    Returns:
        The model, or what `from_pretrained` returns with these options.
    """
    if changed := differing_code(Path(source)):
        logger.warning(
            "%s carries another %s than this package, whose network answers now. Put the change "
            "into the package too, or load the folder without it, with `trust_remote_code=True`.",
            source,
            " and ".join(changed),
        )
    # A config.json may name a kernel as its attention, which would be fetched and run. The argument
    # goes before it only where the configuration was loaded by itself.
    config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    options = {"attn_implementation": "eager", **options}  # the attention that one can read
    return AutoModelForSeq2SeqLM.from_pretrained(
        source, config=config, trust_remote_code=False, **options
    )


def save_for_hub(
    model: TFChatPreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    output_dir: str | os.PathLike,
) -> None:
    """Write a folder that anyone can load, with or without this package.

    Args:
        model: The model; saved as safetensors with its configuration and its Python files.
        tokenizer: The tokenizer; saved as a plain `tokenizer.json`, no code needed, with the chat
            template of this model.
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
    fit_tokenizer(tokenizer, model.config)
    model.save_pretrained(output_dir)
    tokenizer.save_pretrained(output_dir)
