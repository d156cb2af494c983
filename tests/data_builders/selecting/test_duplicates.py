# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Repetitions: counted with a dict, and near duplicates planted by hand."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import data_builders.selecting.duplicates as duplicates
from data_builders.selecting.duplicates import near_duplicates, occurrence, repeated
from data_builders.selecting.splits import normalize_question
from tests.data_builders.memory_corpus import empty_folder, grams, shards_of

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


# --- near duplicates ------------------------------------------------------------------------


def similarity(one: list[str], other: list[str]) -> float:
    sets = [grams("\n".join(normalize_question(turn) for turn in turns)) for turns in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def long_text(generator: random.Random, length: int = 120) -> str:
    return "".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=length))


def marked(dialogues: list[list[str]], per_shard: int = 1000, alive: list[bool] | None = None):
    with empty_folder() as folder:
        shards = shards_of(folder, dialogues, per_shard)
        mask = np.array([True] * len(dialogues) if alive is None else alive)
        return near_duplicates(shards, mask, 1).tolist()


@pytest.fixture(scope="module")
def planted():
    """60 long dialogues, then a copy with some changes of each: (dialogues, similarities)."""
    generator = random.Random(8)
    first = [[long_text(generator), long_text(generator)] for _ in range(60)]
    copies = []
    for number, (question, reply) in enumerate(first):
        for _ in range(1 + number // 4):
            place = generator.randrange(len(question))
            question = question[:place] + "#1"[number % 2] + question[place + 1 :]
            reply = reply[:place] + "2" + reply[place + 1 :]
        copies.append([question, reply])
    shares = [similarity(one, other) for one, other in zip(first, copies, strict=True)]
    return first + copies, shares


@pytest.mark.parametrize("per_shard", [1000, 13])
def test_planted_copies_are_found_and_what_is_less_alike_stays(part, planted, per_shard):
    dialogues, shares = planted
    found = marked(dialogues, per_shard)
    assert not any(found[:60])
    assert sum(share >= 0.8 for share in shares) > 10 < sum(share < 0.8 for share in shares)
    for share, gone in zip(shares, found[60:], strict=True):
        assert not gone if share < 0.8 else gone, share


def test_only_the_living_have_copies(planted):
    dialogues, shares = planted
    alive = [False] * 60 + [True] * 60
    assert not any(marked(dialogues, alive=alive))
    assert marked(dialogues + dialogues, alive=[*alive, *alive]) == [False] * 120 + alive


def test_short_dialogues_are_copies_only_when_they_fold_to_the_same_text():
    dialogues = [
        ["How are you?", "Fine!"],
        ["how are you", "ＦＩＮＥ"],
        ["How are you?", "Fined!"],
        ["你好吗", "很好"],
        ["你好 吗？？", "很好。"],
        ["你好吗", "很好", "那好"],
        ["你好吗很好", "那好"],
    ]
    assert marked(dialogues) == [False, True, False, False, True, False, False]


def test_a_chain_of_copies_is_measured_at_its_beginning():
    generator = random.Random(1)
    text = long_text(generator, 200)

    def changed(count: int) -> list[str]:
        letters = list(text)
        for place in range(10, 10 + 17 * count, 17):
            letters[place] = "0"
        return ["".join(letters), "so be it"]

    chain = [changed(count) for count in (0, 4, 8)]
    assert similarity(chain[0], chain[1]) >= 0.8 <= similarity(chain[1], chain[2])
    assert similarity(chain[0], chain[2]) < 0.8
    # The third is like the second, but that one is gone: something of it would be lost.
    assert marked(chain) == [False, True, False]


def test_another_reply_to_a_long_question_is_no_copy():
    generator = random.Random(2)
    question, history = long_text(generator, 300), [long_text(generator) for _ in range(4)]
    dialogues = [
        [question, "yes, quite often"],
        [question, "not that we know of"],
        [question, "Yes! Quite often."],
        [question[:-1], "yes, quite often"],
        [*history, "gladly"],
        [*history, "sorry, we are closed"],
        [*history[:3], history[3][1:], "gladly"],
    ]
    assert similarity(*dialogues[:2]) >= 0.8 <= similarity(*dialogues[4:6])
    assert marked(dialogues) == [False, False, True, True, False, False, True]


def test_what_is_dropped_is_like_something_that_stays():
    generator = random.Random(5)
    dialogues = [[long_text(generator, 90), "yes"] for _ in range(8)]
    for _ in range(150):
        question = list(generator.choice(dialogues)[0])
        question[generator.randrange(len(question))] = generator.choice("xyz")
        dialogues.append(["".join(question), "yes"])
    found = marked(dialogues, per_shard=20)
    kept = [d for d, gone in zip(dialogues, found, strict=True) if not gone]
    assert 8 < len(kept) < len(dialogues)
    for place, (dialogue, gone) in enumerate(zip(dialogues, found, strict=True)):
        if gone:
            before = [d for d, out in zip(dialogues[:place], found, strict=False) if not out]
            assert max(similarity(dialogue, other) for other in before) >= 0.8
