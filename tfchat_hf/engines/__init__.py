# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Model folders, and exported models in CTranslate2 and onnxruntime in place of the torch model.

May import `fast` and what it stands on. No engine is imported before a model is loaded.
"""

from .dependencies import ENGINES
from .exported_folder import load_engine

__all__ = ["ENGINES", "load_engine"]
