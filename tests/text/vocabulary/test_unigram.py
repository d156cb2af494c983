# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The scheme subword-unigram; its arithmetic against cutting one word in every possible way."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from tfchat_hf.text.vocabulary.pieces import SMALLEST_VOCABULARY
from tfchat_hf.text.vocabulary.unigram import Lattices, fit_scores, train_unigram

WORDS = Counter({" walking": 40, " walked": 30, " talking": 50, " talked": 20, "走路": 9, "走": 5})


def test_it_has_the_size_asked_for_and_finds_the_parts() -> None:
    tokenizer = train_unigram(WORDS, SMALLEST_VOCABULARY + 8)
    assert tokenizer.get_vocab_size() == SMALLEST_VOCABULARY + 8
    pieces = tokenizer.encode(" walking talked").tokens
    assert "".join(pieces) == " walking talked" and len(pieces) <= 4


def test_fitted_scores_are_log_probabilities() -> None:
    # No word can be cut in two ways, so one step gives the shares themselves.
    scores = fit_scores(Counter({"a": 3, "b": 1}), ["a", "b"], rounds=1)
    assert scores == pytest.approx({"a": math.log(3 / 4), "b": math.log(1 / 4)})


def test_more_rounds_make_the_corpus_more_likely() -> None:
    pieces = [*" walkedingt走路", " walk", " talk", "ing", "ed", "alk"]

    def log_likelihood(rounds: int) -> float:
        scores = fit_scores(WORDS, pieces, rounds)

        def of(word: str) -> float:
            sums = [0.0]
            for end in range(1, len(word) + 1):
                paths = [sums[i] + scores[p] for i in range(end) if (p := word[i:end]) in scores]
                sums.append(math.log(sum(map(math.exp, paths))))
            return sums[-1]

        return sum(count * of(word) for word, count in WORDS.items())

    found = [log_likelihood(rounds) for rounds in (1, 2, 4, 8)]
    assert found == sorted(found) and found[-1] > found[0] + 1


def test_scores_are_in_the_file() -> None:
    model = json.loads(train_unigram(WORDS, SMALLEST_VOCABULARY + 8).to_str())["model"]
    assert model["type"] == "Unigram" and model["byte_fallback"] is True
    learned = [score for _, score in model["vocab"][SMALLEST_VOCABULARY:]]
    assert len(learned) == 8 and all(-30 < score < 0 for score in learned)


LETTERS = "abc"


def all_cuts(word: str, pieces: dict[str, int]) -> Iterator[list[int]]:
    if not word:
        yield []
    for end in range(1, len(word) + 1):
        if word[:end] in pieces:
            for rest in all_cuts(word[end:], pieces):
                yield [pieces[word[:end]], *rest]


@pytest.fixture(params=range(5))
def case(request: pytest.FixtureRequest) -> tuple[list[str], dict[str, int], np.ndarray]:
    dice = random.Random(request.param)
    words = ["".join(dice.choices(LETTERS, k=dice.randint(1, 6))) for _ in range(20)]
    longer = {word[:n] for word in words for n in (2, 3)} | set(words[:3])
    pieces = [*LETTERS, *sorted(longer - set(LETTERS))]
    scores = np.array([-dice.uniform(1, 9) for _ in pieces])
    return words, {piece: n for n, piece in enumerate(pieces)}, scores


def test_expected_counts_are_those_of_all_cuts(case: tuple) -> None:
    words, pieces, scores = case
    weights = np.arange(1.0, len(words) + 1)
    expected = np.zeros(len(pieces))
    for word, weight in zip(words, weights, strict=True):
        cuts = list(all_cuts(word, pieces))
        shares = [math.exp(sum(scores[n] for n in cut)) for cut in cuts]
        for cut, share in zip(cuts, shares, strict=True):
            for n in cut:
                expected[n] += weight * share / sum(shares)
    found = Lattices(words, pieces).expected_counts(scores, weights)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_best_scores_are_those_of_all_cuts(case: tuple) -> None:
    words, pieces, scores = case
    best = [max(sum(scores[n] for n in cut) for cut in all_cuts(word, pieces)) for word in words]
    np.testing.assert_allclose(Lattices(words, pieces).best_scores(scores), best)


def test_without_the_whole_word(case: tuple) -> None:
    words, pieces, scores = case
    words = [word for word in words if len(word) > 1]
    best = [
        max(sum(scores[n] for n in cut) for cut in all_cuts(word, pieces) if len(cut) > 1)
        for word in words
    ]
    found = Lattices(words, pieces, whole=False).best_scores(scores)
    np.testing.assert_allclose(found, best)


def test_dropped_pieces_are_gone(case: tuple) -> None:
    words, pieces, scores = case
    kept = np.array([len(piece) < 3 for piece in pieces])
    dropped = Lattices(words, pieces)
    dropped.keep(kept)
    fewer = {piece: n for piece, n in pieces.items() if len(piece) < 3}
    weights = np.ones(len(words))
    np.testing.assert_allclose(
        dropped.expected_counts(scores, weights),
        Lattices(words, fewer).expected_counts(scores, weights),
    )


def test_a_word_without_a_cut_scores_minus_infinity() -> None:
    lattices = Lattices(["ab", "ax"], {"a": 0, "b": 1})
    assert lattices.best_scores(np.array([-1.0, -2.0])).tolist() == [-3.0, -math.inf]
