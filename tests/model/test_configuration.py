# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A configuration that cannot be a network is refused; one of an older version is not."""

from __future__ import annotations

import pytest

from tests.tiny import tiny_config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"d_model": 30}, "`encoder_attention_heads` must divide `d_model` (got 4 and 30)"),
        ({"dropout": 1.0}, "`dropout` must be in [0, 1) (got 1.0)"),
        ({"decoder_layers": 0}, "`decoder_layers` must be at least 1 (got 0)"),
        ({"position_embedding_type": "learned"}, "must be 'sinusoidal' or 'rotary'"),
        ({"d_model": "wide"}, "d_model"),
    ],
)
def test_impossible_shapes_are_refused_with_a_reason(changes: dict, words: str) -> None:
    with pytest.raises(Exception, match=".*") as caught:
        tiny_config(**changes)
    text = f"{caught.value} {caught.value.__cause__}"
    assert words in text
