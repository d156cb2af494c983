# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The memory answers what it is likely to know, if it is better than chance."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.memory.small_memory import dialogues, small_memory
from tfchat_hf.memory import Memory, calibrate
from tfchat_hf.memory.building import NEVER_BUT_EQUAL, better_than_chance
from tfchat_hf.memory.memory import ENOUGH
from tfchat_hf.memory.ranking import PairFigures


@pytest.mark.parametrize(
    ("gains", "better"),
    [
        ([0.1] * 40, True),
        ([0.1] * 20, False),  # too few to tell
        ([1.0, -1.0] * 20 + [0.1], False),  # above 0, but by luck
        ([-0.1] * 40, False),
    ],
)
def test_what_is_better_than_chance(gains: list[float], better: bool) -> None:
    assert better_than_chance(np.array(gains)) is better


def test_where_replies_have_nothing_to_do_with_questions_only_an_equal_one_is_answered() -> None:
    draw = random.Random(3)
    words = [chr(0x5000 + n) for n in range(400)]

    def talks(number: int) -> list[tuple[str, str]]:
        return [(f"{word}在哪里", "".join(draw.sample(words, 6))) for word in words[:number]]

    memory = Memory.from_dataset(dialogues(*talks(400)))
    asked = [(f"请问{question}呢", reply) for question, reply in talks(200)]
    calibrate(memory, dialogues(*asked))
    assert memory.config.threshold == NEVER_BUT_EQUAL


def test_too_few_questions_change_nothing() -> None:
    memory = small_memory()
    before = memory.config.threshold
    assert calibrate(memory, dialogues(("你好", "你好呀"))) is None
    assert memory.config.threshold == before and memory.config.calibration is None


def test_where_they_have_much_to_do_with_them_what_is_likely_is_said() -> None:
    names = [chr(0x5000 + n) for n in range(150)]
    talks = [(f"{name}在哪里", f"{name}在{name}山上。") for name in names]
    memory = Memory.from_dataset(dialogues(*talks))
    validation = [(f"请问{name}在哪里呢", f"{name}在{name}山上。") for name in names]
    noted = calibrate(memory, dialogues(*validation))
    assert memory.config.threshold == ENOUGH
    assert noted == memory.config.calibration
    assert noted["questions"] == 150 and noted["gain_above"] > 0.3


@pytest.mark.parametrize("asked", [False, True])
def test_a_model_that_is_asked_gets_a_threshold_of_its_own(asked: bool) -> None:
    names = [chr(0x5000 + n) for n in range(150)]
    talks = [(f"{name}在哪里", f"{name}在{name}山上。") for name in names]
    memory = Memory.from_dataset(dialogues(*talks))
    memory.config.threshold = memory.config.threshold_with_model = 0.123

    def scorer(turns: list[str], pairs: list[tuple[str, str]]) -> list[PairFigures]:
        # It likes what lies far from the question, and says so with all its weight.
        return [PairFigures(-like, -50 * like) for like in (q[0] in turns[-1] for q, _ in pairs)]

    validation = dialogues(*((f"请问{name}在哪里呢", f"{name}在{name}山上。") for name in names))
    calibrate(memory, validation, scorer=scorer if asked else None)
    assert memory.config.threshold == ENOUGH
    assert memory.config.threshold_with_model == (ENOUGH if asked else 0.123)
