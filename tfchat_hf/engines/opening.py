# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Loading a model to chat with: in torch or in another engine, with sentences for what is wrong."""

from __future__ import annotations

import logging
from typing import Any

import torch
from transformers import AutoTokenizer
from transformers import PreTrainedTokenizerBase as Tokenizer

import tfchat_hf  # registers the model with AutoModelForSeq2SeqLM

from ..settings.places import find_model
from ..text.errors import UserError
from .model_folder import load_model

logger = logging.getLogger(__name__)

ENGINES = ("torch", "ctranslate2", "onnx")


def load_for_chat(
    name: str, device: str = "auto", engine: str = "torch", int8: bool = False
) -> tuple[Any, Tokenizer]:
    """Load a model folder or Hub id and its tokenizer.

    Args:
        name: A folder or an id on the Hub.
        device: Where the model is to run.
        engine: One of `ENGINES`.
        int8: For another engine than torch: take its weights in int8.

    Returns:
        A TFChat model, or what stands for one in another engine, and the tokenizer.

    Raises:
        UserError: There is no such model, or it is not one to chat with.
    """
    if engine not in ENGINES:
        raise UserError(f"`--engine` must be one of {', '.join(ENGINES)} (got {engine!r}).")
    if engine != "torch":
        return _load_engine(name, device, engine, int8)
    target = choose_device(device)
    source = find_model(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model, report = load_model(source, output_loading_info=True)
    except Exception as error:  # many libraries, many error types, one thing to tell
        raise _cannot_load(name, error) from error
    _check_model(name, model, report["missing_keys"])
    return model.to(target).eval(), tokenizer


def _load_engine(name: str, device: str, engine: str, int8: bool) -> tuple[Any, Tokenizer]:
    """Load an exported model; `load_engine` says what is wrong with the export."""
    if device not in ("auto", "cpu"):
        raise UserError(
            f"`--engine {engine}` runs on the CPU (got `--device {device}`). Use --device cpu, "
            "or --engine torch."
        )
    source = find_model(name)
    try:
        from . import load_engine

        model = load_engine(source, engine, int8)
    except ImportError as error:
        raise UserError(str(error)) from error
    try:
        return model, AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # as above
        raise _cannot_load(name, error) from error


def _cannot_load(name: str, error: Exception) -> UserError:
    """Say in a sentence what a library said in many lines."""
    logger.debug("loading failed", exc_info=True)
    reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
    return UserError(
        f"Model {name!r} cannot be loaded: {reason} Give the folder of a finished run, "
        "or the id of a TFChat model on the Hub."
    )


def _check_model(name: str, model: Any, missing: set[str]) -> None:
    """Refuse another kind of model, or half of one."""
    if not isinstance(model, tfchat_hf.TFChatForConditionalGeneration):
        raise UserError(
            f"Model {name!r} is of type {model.config.model_type!r}; chat needs a TFChat model."
        )
    if missing:
        raise UserError(
            f"Model {name!r} lacks weights ({', '.join(sorted(missing)[:3])} ...): "
            "the file is not a whole TFChat model. Train again or take another checkpoint."
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
        gpus = ", ".join(f"cuda:{index}" for index in range(torch.cuda.device_count()))
        raise UserError(
            f"`--device` must be one that torch can use here (got {device!r}). "
            f"Use auto, cpu{', ' + gpus if gpus else ''}."
        ) from error
    return chosen
