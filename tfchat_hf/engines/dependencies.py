# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The optional packages of the engines: imported when they are needed, missed with a sentence."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from data_builders.command_line import sentence
from data_builders.errors import UserError
from data_builders.translation import _, listed, marked

ENGINES = ("ctranslate2", "onnx")
# Exported like the engines, and loaded by nothing of this project: a folder for transformers alone,
# and a page for a browser.
MARIAN, WEB = "marian", "web"
EXPORTS = (*ENGINES, MARIAN, WEB)
# Where a page has what it takes from npm.
VENDOR = "vendor"
HOW_TO_LOAD = {
    MARIAN: marked(
        "Load it with `AutoModelForSeq2SeqLM.from_pretrained(FOLDER)` of transformers; to chat "
        "here, give the run's folder and `--engine torch`."
    ),
    WEB: marked(
        "Open it in a browser: `python -m http.server --directory FOLDER`; to chat here, give the "
        "run's folder and `--engine torch`."
    ),
}
_MODULES = {
    "ctranslate2": "ctranslate2",
    "onnx": "onnxruntime",
    MARIAN: "transformers",
    WEB: "onnxruntime",
}


def engine_package(engine: str) -> ModuleType:
    """Import the package that runs an engine, or loads what was exported."""
    return need_package(_MODULES[engine], "onnx" if engine == WEB else engine)


def need_package(module: str, engine: str) -> ModuleType:
    """Import `module`, which the extra named `engine` brings.

    Raises:
        UserError: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            "The {engine} engine needs the package {module}, which cannot be imported "
            "({error}). Install it with `pip install 'tfchat-hf[{engine}]'`, or use "
            "`--engine torch`.",
            engine=engine,
            module=module,
            error=error,
        ) from error


def check_engine(engine: str) -> None:
    """Refuse a name that is none of `ENGINES`."""
    if engine in HOW_TO_LOAD:
        raise UserError(
            "`{name}` is an export and no engine. {how_to_load}",
            name=engine,
            how_to_load=_(HOW_TO_LOAD[engine]),
        )
    if engine not in ENGINES:
        raise UserError(
            "`engine` must be one of {engines} (got {engine!r}). The model without an "
            "export is `--engine torch`.",
            engines=listed(ENGINES),
            engine=engine,
        )


def export_again(engine: str) -> str:
    """Say how to make an export anew.

    Args:
        engine: One of `EXPORTS`, perhaps with another option behind it.
    """
    return _(
        "Export the run again with `python -m tfchat_hf.engines.export RUN --engine {engine} "
        "--overwrite`.",
        engine=engine,
    )


def cannot_load(path: Path, error: Exception | str, engine: str) -> UserError:
    """Say that a file of an export is damaged, and how to make the export anew."""
    return UserError(
        "{path} cannot be loaded ({error}). {again}",
        path=path,
        error=error if isinstance(error, str) else sentence(error),
        again=export_again(engine),
    )
