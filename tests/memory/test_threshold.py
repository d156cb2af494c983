# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The threshold stands where remembered replies begin to be better than chance."""

from __future__ import annotations

import numpy as np
import pytest

from tests.memory.small_memory import dialogues, small_memory
from tfchat_hf.memory import Memory, calibrate
from tfchat_hf.memory.building import NEVER_BUT_EQUAL, lowest_useful_score, rising_blocks


@pytest.mark.parametrize(
    ("values", "blocks"),
    [
        # 3, 1 fall: their mean 2 stands below 4; then 4 and 2 (mean 3) below 5.
        ([3.0, 1.0, 4.0, 2.0, 5.0], [(0, 2), (2, 4), (4, 5)]),
        ([1.0, 2.0, 3.0], [(0, 1), (1, 2), (2, 3)]),
        ([3.0, 2.0, 1.0], [(0, 3)]),
    ],
)
def test_what_falls_is_pooled(values: list[float], blocks: list[tuple[int, int]]) -> None:
    assert rising_blocks(values) == blocks


def test_the_threshold_is_where_the_gain_begins() -> None:
    scores = np.linspace(0, 1, 401)
    noise = np.random.default_rng(0).normal(0, 0.05, len(scores))
    assert lowest_useful_score(scores, np.where(scores < 0.6, 0.0, 0.2) + noise) == pytest.approx(
        0.6, abs=0.03
    )


def test_without_any_gain_only_an_equal_question_is_answered() -> None:
    scores = np.linspace(0, 1, 400)
    assert lowest_useful_score(scores, -np.ones(400)) == NEVER_BUT_EQUAL


def test_too_few_questions_change_nothing() -> None:
    memory = small_memory()
    before = memory.config.threshold
    assert calibrate(memory, dialogues(("你好", "你好呀"))) is None
    assert memory.config.threshold == before and memory.config.calibration is None


def test_held_out_questions_like_those_remembered_lower_the_threshold() -> None:
    names = [chr(0x5000 + n) for n in range(150)]
    talks = [(f"{name}在哪里", f"{name}在{name}山上。") for name in names]
    memory = Memory.from_dataset(dialogues(*talks))
    validation = [(f"请问{name}在哪里呢", f"{name}在{name}山上。") for name in names]
    noted = calibrate(memory, dialogues(*validation))
    assert memory.config.threshold < 0.95
    assert noted == memory.config.calibration
    assert noted["questions"] == 150 and noted["gain_above"] > 0.3
