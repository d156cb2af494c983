# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The optional packages of the engines: imported when they are needed, missed with a sentence."""

from __future__ import annotations

import importlib
from types import ModuleType

ENGINES = ("ctranslate2", "onnx")
_MODULES = {"ctranslate2": "ctranslate2", "onnx": "onnxruntime"}


class EngineError(ValueError):
    """An engine that cannot do what was asked for; the message says what to do instead."""


def engine_package(engine: str) -> ModuleType:
    """Import the package that runs an engine."""
    check_engine(engine)
    return need_package(_MODULES[engine], engine)


def need_package(module: str, engine: str) -> ModuleType:
    """Import `module`, which the extra named `engine` brings.

    Raises:
        EngineError: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EngineError(
            f"The {engine} engine needs the package {module}, which cannot be imported ({error}). "
            f"Install it with `pip install 'tfchat-hf[{engine}]'`, or use `--engine torch`."
        ) from error


def check_engine(engine: str) -> None:
    """Refuse a name that is none of `ENGINES`."""
    if engine not in ENGINES:
        raise EngineError(
            f"`engine` must be one of {', '.join(ENGINES)} (got {engine!r}). "
            "The model without an export is `--engine torch`."
        )
