# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A memory of a few invented pairs, and the dialogues that it remembers."""

from __future__ import annotations

from datasets import Dataset

from data_builders import DIALOGUE_FEATURES
from tfchat_hf.memory import Memory

TALKS = [
    ("你好", "你好呀，今天过得怎么样？"),
    ("你叫什么名字", "我叫小豆。"),
    ("你会下棋吗", "会一点，总是输。"),
    ("what is your name", "People call me Bean."),
    ("can you play chess", "A little, and I always lose."),
    ("我昨天去爬山了", "山上风大吗？", "很大", "那你戴帽子了吗？"),
]


def dialogues(*talks: tuple[str, ...]) -> Dataset:
    """Return dialogues without roles: each turn after the first is a reply."""
    rows = [
        {"id": str(n), "turns": list(turns), "roles": [], "lang": "zh", "source": f"source {n}"}
        for n, turns in enumerate(talks)
    ]
    return Dataset.from_list(rows, features=DIALOGUE_FEATURES)


def small_memory() -> Memory:
    """Return a memory of `TALKS`."""
    return Memory.from_dataset(dialogues(*TALKS))
