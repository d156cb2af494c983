# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A model folder: saved whole, with its code, and loaded with sentences for what is wrong."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer
from transformers import PreTrainedTokenizerBase as Tokenizer

from data_builders.command_line import must_be_one_of, sentence
from data_builders.errors import UserError
from data_builders.translation import _, listed

from .. import TFChatForConditionalGeneration, TFChatPreTrainedModel
from ..settings.places import find_model
from ..text.tokenization import fit_tokenizer
from .dependencies import ENGINES
from .exported_folder import load_engine
from .fingerprints import differing_code
from .folder_check import (
    GENERATION,
    check_model_files,
    check_tokenizer,
    check_tokenizer_files,
)

logger = logging.getLogger(__name__)

# What a saved folder needs, as pyproject.toml says it too, and the newest that ran the tests.
OLDEST_TRANSFORMERS, NEWEST_TESTED_TRANSFORMERS = "5.23", "5.24.0"
TORCH = "torch"


def load_model(source: str | os.PathLike, **options: Any) -> Any:
    """Load a model with this package's own code, and nothing that its config.json names.

    Args:
        source: A folder, or an id on the Hub.
        options: For `from_pretrained`.

    Returns:
        The model, or what `from_pretrained` returns with these options.

    Raises:
        UserError: It cannot be loaded, or its weights are no numbers.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        check_model_files(folder)
        if not (folder / GENERATION).is_file():
            logger.warning(
                _(
                    "%s holds no %s: replies are made as transformers makes them by itself, by "
                    "greedy search and without this project's presets."
                ),
                folder,
                GENERATION,
            )
    if changed := differing_code(Path(source)):
        logger.warning(
            _(
                "%s carries another %s than this package, whose network answers now. Put the "
                "change into the package too, or load the folder without it, with "
                "`trust_remote_code=True`."
            ),
            source,
            _(" and ").join(changed),
        )
    # A config.json may name a kernel as its attention, which would be fetched and run. The argument
    # goes before it only where the configuration was loaded by itself.
    # The attention that one can read, and no pickles.
    options = {"attn_implementation": "eager", "use_safetensors": True, **options}
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        loaded = AutoModelForSeq2SeqLM.from_pretrained(
            source, config=config, trust_remote_code=False, **options
        )
    except Exception as error:  # many libraries, many error types, one thing to tell
        raise _cannot_load(str(source), error) from error
    check_finite(str(source), loaded[0] if isinstance(loaded, tuple) else loaded)
    return loaded


def check_finite(name: str, model: torch.nn.Module) -> None:
    """Refuse weights that are no numbers: a training that went wrong leaves such.

    Raises:
        UserError: Names one of them.
    """
    for weight_name, weight in model.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise UserError(
                "Model {name!r} has weights that are no numbers (`{weight_name}`), so it "
                "says nothing. Take a checkpoint from before, or train again with a lower "
                "`learning_rate`.",
                name=name,
                weight_name=weight_name,
            )


def save_for_hub(
    model: TFChatPreTrainedModel,
    tokenizer: Tokenizer,
    output_dir: str | os.PathLike,
) -> None:
    """Write a folder that anyone can load, with or without this package.

    Args:
        model: The model; saved as safetensors with its configuration and its Python files.
        tokenizer: The tokenizer; saved as a plain `tokenizer.json`, no code needed, with the chat
            template of this model.
        output_dir: The folder; made if it is missing.

    Raises:
        UserError: if the tokenizer has more ids than the model has embeddings.
    """
    if len(tokenizer) > model.config.vocab_size:
        raise UserError(
            "The tokenizer has {tokenizer} ids, but `config.vocab_size` is {vocab_size}. "
            "Call `model.resize_token_embeddings({tokenizer})` first, or save the "
            "tokenizer that the model was trained with.",
            tokenizer=len(tokenizer),
            vocab_size=model.config.vocab_size,
        )
    # The Trainer switches the cache off in the configuration while it trains.
    model.config.use_cache = True
    fit_tokenizer(tokenizer, model.config)
    model.save_pretrained(output_dir)
    tokenizer.save_pretrained(output_dir)


def load_for_chat(
    name: str, device: str = "auto", engine: str = "torch", int8: bool = False
) -> tuple[Any, Tokenizer]:
    """Load a model folder or Hub id and its tokenizer.

    Args:
        name: A folder or an id on the Hub.
        device: Where the model is to run.
        engine: `torch` or one of `ENGINES`.
        int8: For another engine than torch: take its weights in int8.

    Returns:
        A TFChat model, or what stands for one in another engine, and the tokenizer.

    Raises:
        UserError: There is no such model, or it is not one to chat with.
    """
    if engine not in (TORCH, *ENGINES):
        raise UserError(must_be_one_of("--engine", (TORCH, *ENGINES), engine))
    if engine != TORCH and device not in ("auto", "cpu"):
        raise UserError(
            "`--engine {engine}` runs on the CPU (got `--device {device}`). Use --device "
            "cpu, or --engine torch.",
            engine=engine,
            device=device,
        )
    target = choose_device(device) if engine == TORCH else None
    source = find_model(name)
    if engine != TORCH:
        model = load_engine(source, engine, int8)
        return model, load_tokenizer(name, source, model.config.vocab_size)
    model, report = load_model(source, output_loading_info=True)
    _check_model(name, model, report["missing_keys"])
    tokenizer = load_tokenizer(name, source, model.config.vocab_size)
    return model.to(target).eval(), tokenizer


def load_tokenizer(name: str, source: str, vocab_size: int) -> Tokenizer:
    """Load the tokenizer of a model.

    Args:
        name: What to call the model in an error.
        source: Its folder, or its id on the Hub.
        vocab_size: How many embeddings it has.

    Raises:
        UserError: The tokenizer cannot be read, or has ids that the model does not have.
    """
    if Path(source).is_dir():
        check_tokenizer_files(Path(source))
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # `tokenizers` raises bare Exception
        raise _cannot_load(name, error) from error
    check_tokenizer(name, tokenizer, vocab_size)
    return tokenizer


def _cannot_load(name: str, error: Exception) -> UserError:
    """Say on one line what a library said in many."""
    logger.debug("loading failed", exc_info=True)
    return UserError(
        "Model {name!r} cannot be loaded: {error}. Give the folder of a finished "
        "run, or the id of a TFChat model on the Hub.",
        name=name,
        error=sentence(error).rstrip("."),
    )


def _check_model(name: str, model: Any, missing: set[str]) -> None:
    """Refuse another kind of model, or half of one."""
    if not isinstance(model, TFChatForConditionalGeneration):
        raise UserError(
            "Model {name!r} is of type {model_type!r}; chat needs a TFChat model.",
            name=name,
            model_type=model.config.model_type,
        )
    if missing:
        raise UserError(
            "Model {name!r} lacks weights ({missing} ...): the file is not a whole "
            "TFChat model. Train again or take another checkpoint.",
            name=name,
            missing=listed(sorted(missing)[:3]),
        )


def choose_device(device: str) -> torch.device:
    """Return the device asked for; `auto` is the GPU where there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        logger.debug("device refused", exc_info=True)
        gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        raise UserError(
            "`--device` must be one that torch can use here (got {device!r}). Use {known}.",
            device=device,
            known=listed(["auto", "cpu", *gpus]),
        ) from error
    return chosen
