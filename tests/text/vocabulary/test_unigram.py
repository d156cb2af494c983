# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The scheme subword-unigram, and scores fitted by expectation-maximisation."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest

from tfchat_hf.text.vocabulary.pieces import SMALLEST_VOCABULARY
from tfchat_hf.text.vocabulary.unigram import fit_scores, train_unigram

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
