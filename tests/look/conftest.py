# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Each test begins in English, whatever the one before asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from data_builders.translation import spoken_language, use_language


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    before = spoken_language()
    use_language("en")
    yield
    use_language(before)
