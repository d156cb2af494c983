# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Choosing a tokenizer's vocabulary: words of a corpus to pieces with scores, one file a scheme."""

from importlib import import_module
from pkgutil import iter_modules

# All that a vocabulary depends on: a cache must not outlive a change of any of these files.
MODULES = tuple(import_module(f".{found.name}", __name__) for found in iter_modules(__path__))
