# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Settings for the whole suite: no network, and no more threads than a small machine has."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from tfchat_hf.training import device_peak  # noqa: E402  torch reads the number of threads when it starts

# Every run measures the peak of its CPU: half a second, for a number that no test looks at.
device_peak._MEASURE_SECONDS, device_peak._PRODUCT_SIZES = 0.0, (64, 64)

# The same examples each time, whoever runs the suite, and no deadline: a busy machine is no fault.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
