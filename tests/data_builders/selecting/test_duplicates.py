# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Repetitions: counted with a dict, and near duplicates planted by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import data_builders.selecting.duplicates as duplicates
from data_builders.selecting.duplicates import (
    beginnings,
    first_places,
    near_duplicates,
    occurrence,
    repeated,
)
from tests.data_builders.memory_corpus import empty_folder, shards_of

# Keys that fall into several parts, keys that differ in their low bits only, and the extremes.
keys = st.one_of(
    st.integers(0, 5),
    st.integers(0, 5).map(lambda n: n << 40 | 1),
    st.sampled_from([0, 2**64 - 1, 2**63]),
    st.integers(0, 2**64 - 1),
)
keys_and_alive = st.lists(st.tuples(keys, st.booleans()), max_size=60)


@pytest.fixture(scope="module", params=[2_000_000, 7, 1])
def part(request):
    """Sort everything at once, and in parts of a few keys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_PART", request.param)
        yield request.param


@given(keys_and_alive)
def test_occurrence_and_repeated_are_what_a_dict_counts(part, items):
    array = np.array([key for key, _ in items], dtype=np.uint64)
    alive = np.array([flag for _, flag in items], dtype=bool)
    seen: Counter[int] = Counter()
    expected = []
    for key, flag in items:
        expected.append(seen[key] if flag else 0)
        seen[key] += flag
    assert occurrence(array, alive).tolist() == expected
    assert repeated(array, alive).tolist() == [number > 0 for number in expected]
    first = [
        next(i for i, (k, f) in enumerate(items) if f and k == key) if flag else place
        for place, (key, flag) in enumerate(items)
    ]
    assert first_places(array, alive).tolist() == first


# --- near duplicates ------------------------------------------------------------------------


REPLIES = [f"{word} is what there is today" for word in "soup bread rice fish tea".split()]
QUESTIONS = [
    "what do they cook in the small kitchen by the river",
    "你知道河边的小厨房今天做什么菜",
]


def copied(dialogues: list[list[str]], per_shard: int = 1000, alive: list[bool] | None = None):
    with empty_folder() as folder:
        shards = shards_of(folder, dialogues, per_shard)
        mask = np.array([True] * len(dialogues) if alive is None else alive)
        kept, measured = near_duplicates(shards, mask, 1)
        assert set(measured) <= set(np.flatnonzero(kept != np.arange(len(kept))).tolist())
        return kept.tolist()


@pytest.mark.parametrize("per_shard", [1000, 3])
def test_planted_copies_lead_to_the_first_of_them(part, per_shard):
    dialogues = [[question, reply] for question in QUESTIONS for reply in REPLIES]
    copies = [[question + "?", reply.replace("there", "therre")] for question, reply in dialogues]
    first = list(range(len(dialogues)))
    assert copied(dialogues + copies, per_shard) == first + first
    # Only the living have copies.
    alive = [False] * len(dialogues) + [True] * len(copies)
    assert copied(dialogues + copies, per_shard, alive) == list(range(2 * len(dialogues)))


def test_candidates_that_are_put_together_in_parts_are_the_same(monkeypatch):
    dialogues = [[question, reply] for question in QUESTIONS for reply in REPLIES]
    copies = [[question + "?", reply.replace("there", "therre")] for question, reply in dialogues]
    whole = copied(dialogues + copies)
    for size in (1, 3, len(whole)):
        monkeypatch.setattr("data_builders.selecting.duplicates._MERGED", size)
        assert copied(dialogues + copies) == whole


def test_the_most_short_dialogues_are_apart():
    dialogues = [
        ["How are you?", "Fine!"],
        ["how are you", "ＦＩＮＥ"],
        ["How are you?", "Fined!"],
        ["你好吗", "很好"],
        ["你好 吗？？", "很好。"],
        ["你好吗", "很好", "那好"],
        ["你好吗很好", "那好"],
    ]
    assert copied(dialogues) == [0, 0, 2, 3, 3, 5, 6]


def test_a_chain_of_copies_is_measured_at_its_beginning():
    text = "the ferry across the wide lake leaves at noon from the stone pier behind the old mill"
    words = text.split()
    chain = []
    for count in (0, 1, 2, 3, 4):
        changed = [word for n, word in enumerate(words) if n not in (4, 8, 11, 15)[:count]]
        chain.append([" ".join(changed), "so be it"])
    kept = copied(chain)
    # The last is like the one before it, but not like the first: something of it would be lost.
    assert kept[:2] == [0, 0] and kept[-1] == 4
    assert all(kept[kept[n]] == kept[n] for n in range(5))


def test_another_reply_to_a_long_dialogue_is_no_copy():
    history = ["I went to the lake and swam", "was the water warm", "no, rather cold", "and then"]
    dialogues = [
        [*history, "gladly"],
        [*history, "sorry, we are closed"],
        [*history[:3], "and then?", "Gladly!"],
        [history[0].replace("swam", "fished"), *history[1:], "gladly"],
    ]
    assert copied(dialogues) == [0, 1, 0, 3]


def test_the_beginning_of_a_longer_dialogue_is_learned_there(part):
    talk = ["hi", "hello", "how are you", "fine", "bye", "see you"]
    dialogues = [
        talk[:2],
        talk[:4],
        talk,
        ["hi", "hullo"],
        ["HI!", "Hello", "so", "what"],
        talk[2:],
    ]
    with empty_folder() as folder:
        shards = shards_of(folder, dialogues, 2)
        found = beginnings(shards, np.array([True] * 6)).tolist()
        assert found[0] in (1, 2, 4) and found[1:] == [2, 2, 3, 4, 5]
        # Without the longer ones the shorter ones stay.
        alive = np.array([True, True, False, True, False, True])
        assert beginnings(shards, alive).tolist() == [1, 1, 2, 3, 4, 5]
