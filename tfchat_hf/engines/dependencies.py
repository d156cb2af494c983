# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The optional packages of the engines: imported when they are needed, missed with a sentence."""

from __future__ import annotations

import importlib
from types import ModuleType

from ..text.errors import UserError

ENGINES = ("ctranslate2", "onnx")
# A folder for transformers alone: exported like the engines, and loaded by nothing of this project.
MARIAN = "marian"
EXPORTS = (*ENGINES, MARIAN)
HOW_TO_LOAD_MARIAN = (
    "Load it with `AutoModelForSeq2SeqLM.from_pretrained(FOLDER)` of transformers; to chat here, "
    "give the run's folder and `--engine torch`."
)
_MODULES = {"ctranslate2": "ctranslate2", "onnx": "onnxruntime", MARIAN: "transformers"}


def engine_package(engine: str) -> ModuleType:
    """Import the package that runs an engine, or loads what was exported."""
    return need_package(_MODULES[engine], engine)


def need_package(module: str, engine: str) -> ModuleType:
    """Import `module`, which the extra named `engine` brings.

    Raises:
        UserError: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"The {engine} engine needs the package {module}, which cannot be imported ({error}). "
            f"Install it with `pip install 'tfchat-hf[{engine}]'`, or use `--engine torch`."
        ) from error


def check_engine(engine: str) -> None:
    """Refuse a name that is none of `ENGINES`."""
    if engine == MARIAN:
        raise UserError(f"`{MARIAN}` is an export and no engine. {HOW_TO_LOAD_MARIAN}")
    if engine not in ENGINES:
        raise UserError(
            f"`engine` must be one of {', '.join(ENGINES)} (got {engine!r}). "
            "The model without an export is `--engine torch`."
        )
