# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Runs of a few updates, without a picture of their curves."""

from tests.training.conftest import no_curves  # noqa: F401
