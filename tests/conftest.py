# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Settings for the whole suite: no network, and no more threads than a small machine has."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# The same examples each time, whoever runs the suite, and no deadline: a busy machine is no fault.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
