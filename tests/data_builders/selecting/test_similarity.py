# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Near copies: the hashes against plain definitions that look at every pair."""

from __future__ import annotations

import random
import warnings
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data_builders.selecting.similarity import (
    BAND_ROWS,
    BANDS,
    deletion_variants,
    encode,
    mix,
    signatures,
)
from tests.data_builders.memory_corpus import shortened

LETTERS = "ab1天😀"
ALL_BITS = 2**64 - 1


@pytest.fixture(autouse=True)
def no_warnings():
    """Arithmetic modulo 2**64 is meant: numpy must have nothing to say about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def changed(text: str, generator: random.Random, letters: str = LETTERS) -> str:
    place = generator.randrange(len(text))
    kind = generator.choice(("take", "put", "change"))
    middle = "" if kind == "take" else generator.choice(letters)
    return text[:place] + middle + text[place + (kind != "put") :]


@st.composite
def families(draw: st.DrawFn) -> list[str]:
    """Draw texts and texts made of them by one or two changes."""
    texts = draw(st.lists(st.text(LETTERS, min_size=4, max_size=11), min_size=1, max_size=4))
    generator = random.Random(draw(st.integers(0, 2**32)))
    for text in list(texts):
        once = changed(text, generator)
        texts += [once, changed(once, generator) if once else "a"]
    return texts


def variants_by_text(texts: list[str]) -> list[set[int]]:
    hashes, owners, _ = deletion_variants(encode(texts))
    found: list[set[int]] = [set() for _ in texts]
    for value, owner in zip(hashes.tolist(), owners.tolist(), strict=True):
        found[owner].add(value)
    return found


# --- short texts ----------------------------------------------------------------------------


@given(families())
@example(["abcde", "abcd", "abde1", "abde2"])
@example(["天天天天天", "天天天天天天", "天天天天天天天"])
def test_short_texts_share_a_variant_only_if_one_deletion_each_makes_them_equal(texts):
    hashes = variants_by_text(texts)
    for one, other in combinations(range(len(texts)), 2):
        if min(len(texts[one]), len(texts[other])) >= 5:
            expected = bool(shortened(texts[one]) & shortened(texts[other]))
            assert bool(hashes[one] & hashes[other]) == expected, (texts[one], texts[other])


@given(st.text(LETTERS, min_size=5, max_size=64))
def test_a_text_has_one_hash_for_each_text_it_shortens_to(text):
    assert len(variants_by_text([text])[0]) == len(shortened(text))


def test_a_changed_digit_is_another_question():
    one, other, third = variants_by_text(["chapter 3 of it", "chapter 4 of it", "chapters 3 of it"])
    assert not one & other and one & third


def test_only_texts_of_5_to_64_characters_have_variants():
    texts = ["", "abcd", "abcde", "x" * 64, "x" * 65]
    assert [bool(found) for found in variants_by_text(texts)] == [False, False, True, True, False]


def test_hashes_do_not_depend_on_the_batch():
    texts = ["good morning", "早上好呀呀", "good mornings"]
    apart = [variants_by_text([text])[0] for text in texts]
    assert variants_by_text(texts) == apart


# --- all texts ------------------------------------------------------------------------------


def grams(text: str) -> set[str]:
    """Give what is hashed: two characters of Chinese, or four others, at each place."""
    padded = text + "\0\0\0"
    return {padded[i : i + (2 if c >= "\u2e80" else 4)] for i, c in enumerate(text)}


def texts_of_similarity(low: float, high: float, count: int) -> list[tuple[str, str, float]]:
    """Make pairs of long texts, and measure them with code of this file alone."""
    generator = random.Random(20)
    letters = "abcdefghijklmnopqrstuvwxyz的一是不了人我在有他这中大来上"
    found = []
    while len(found) < count:
        text = "".join(generator.choices(letters, k=generator.randrange(40, 160)))
        other = text
        for _ in range(generator.randrange(1, 12)):
            other = changed(other, generator, letters)
        share = len(grams(text) & grams(other)) / len(grams(text) | grams(other))
        if low <= share <= high:
            found.append((text, other, share))
    return found


def share_found(pairs: list[tuple[str, str, float]]) -> float:
    one, other = (signatures(encode([pair[side] for pair in pairs])).bands for side in (0, 1))
    return float((one == other).any(axis=1).mean())


def test_bands_find_nearly_all_similar_texts():
    pairs = texts_of_similarity(0.6, 1.0, 400)
    theory = np.mean([1 - (1 - share**BAND_ROWS) ** BANDS for _, _, share in pairs])
    found = share_found(pairs)
    assert found >= 0.95 and abs(found - theory) < 0.02


def test_bands_leave_most_dissimilar_texts_alone():
    assert share_found(texts_of_similarity(0.25, 0.45, 300)) < 0.45
    generator = random.Random(3)
    apart = ["".join(generator.choices("abcdefgh", k=80)) for _ in range(400)]
    assert share_found([(a, b, 0.0) for a, b in zip(apart[::2], apart[1::2], strict=True)]) == 0.0


def test_bands_of_the_shortest_texts_are_zero_and_of_others_never():
    bands = signatures(encode(["xyz", "wxyz", "", "天" * 200])).bands
    assert bands.shape == (4, BANDS)
    assert (bands != 0).all(axis=1).tolist() == [False, True, False, True]
    assert (bands != 0).any(axis=1).tolist() == [False, True, False, True]


@given(st.lists(st.text(min_size=24, max_size=60), min_size=1, max_size=4))
def test_bands_do_not_depend_on_the_batch(texts):
    texts = [text.encode("utf-8", "ignore").decode("utf-8") for text in texts]
    together = signatures(encode(texts)).bands
    for row, text in zip(together, texts, strict=True):
        assert (row == signatures(encode([text])).bands[0]).all()


# --- numbers --------------------------------------------------------------------------------


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_encode_keeps_every_character(texts):
    points, starts, lengths = encode(texts)
    bounds = zip(starts.tolist(), lengths.tolist(), strict=True)
    cut = [points[start : start + length].tolist() for start, length in bounds]
    assert cut == [[ord(character) for character in text] for text in texts]


@given(st.lists(st.integers(0, ALL_BITS), min_size=1))
def test_mix_is_splitmix64(values):
    def slow(value: int) -> int:
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & ALL_BITS
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB & ALL_BITS
        return value ^ (value >> 31)

    assert mix(np.array(values, dtype=np.uint64)).tolist() == [slow(value) for value in values]


def test_no_texts_at_all():
    assert len(deletion_variants(encode([])).hashes) == 0
    assert signatures(encode([])).bands.shape == (0, BANDS)
