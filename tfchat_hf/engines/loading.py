# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Loads an exported model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import GenerationConfig

from ..model.configuration_tfchat import TFChatConfig
from .exported_folder import find_export
from .packages import check_engine, engine_package

if TYPE_CHECKING:
    from .ctranslate2_model import CTranslate2Model
    from .onnx_model import OnnxModel


def load_engine(
    name_or_folder: str | os.PathLike,
    engine: str,
    int8: bool = False,
    threads: int | None = None,
) -> OnnxModel | CTranslate2Model:
    """Load an exported model to be used in place of the torch model.

    Args:
        name_or_folder: An exported folder, or the run's folder that it stands in.
        engine: `ctranslate2` or `onnx`.
        int8: Calculate with weights in int8.
        threads: How many threads a reply may use; None for the engine's default.

    Returns:
        An object with `config`, `generation_config`, `device`, `preset_names()`, `preset()` and
        `generate()`.

    Raises:
        UserError: if the engine is not installed, or there is no export or a stale one.
    """
    check_engine(engine)
    engine_package(engine)
    folder = find_export(name_or_folder, engine)
    config = TFChatConfig.from_pretrained(folder)
    settings = _generation_config(folder, config)
    if engine == "onnx":
        from .onnx_model import OnnxModel
        from .onnx_sessions import OnnxSessions

        return OnnxModel(config, OnnxSessions(folder, threads), settings, int8)
    from .ctranslate2_model import CTranslate2Model

    return CTranslate2Model(config, folder, settings, int8, threads)


def _generation_config(folder: Path, config: TFChatConfig) -> GenerationConfig:
    """Read the run's settings; a run without any gets those that its configuration says."""
    if (folder / "generation_config.json").is_file():
        return GenerationConfig.from_pretrained(folder)
    return GenerationConfig.from_model_config(config)
