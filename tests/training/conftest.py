# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Runs of a few updates, without a picture of their curves."""

from __future__ import annotations

import pytest

from tfchat_hf.publishing import card


@pytest.fixture(autouse=True, scope="module")
def no_curves():
    """Leave the drawing, a third of the time of such a run, to the tests of the card."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card, "draw_curves", lambda *given: False)
        yield
