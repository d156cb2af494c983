# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Exported models in CTranslate2 and onnxruntime, to be used in place of the torch model.

Nothing of the engines is imported before a model is loaded.
"""

from .loading import load_engine
from .packages import ENGINES

__all__ = ["ENGINES", "load_engine"]
