# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Settings for the whole suite: no network, and no more threads than a small machine has."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
