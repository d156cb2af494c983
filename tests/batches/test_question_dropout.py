# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Questions lose tokens at random: how many, never the marks, the same again after a stop."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from tfchat_hf.batches.question_dropout import DroppedQuestions
from tfchat_hf.batches.updates import PieceSampler, UpdatePlan
from tfchat_hf.examples.rows import ExampleRows
from tfchat_hf.tokenization import SPECIAL_TOKENS

EOS = SPECIAL_TOKENS.index("</s>")
SEP = SPECIAL_TOKENS.index("<sep>")
ROWS = [
    {"input_ids": [*range(10, 20), SEP, *range(30, 40), EOS], "labels": [50 + i, EOS]}
    for i in range(200)
]


@pytest.fixture(scope="module")
def examples():
    return ExampleRows(Dataset.from_list(ROWS))


def sources(dropped, indices):
    return [source.tolist() for source, _ in dropped.__getitems__(indices)]


def test_the_share_is_lost_on_average_and_half_of_the_visits_lose_nothing(examples):
    dropped = DroppedQuestions(examples, 0.1, seed=7)
    seen = sources(dropped, list(range(200 * 20)))
    lost = [1 - (len(source) - 2) / 20 for source in seen]
    assert np.mean(lost) == pytest.approx(0.1, abs=0.01)
    assert np.mean([share == 0 for share in lost]) == pytest.approx(0.54, abs=0.05)


def test_marks_and_order_stay_and_replies_are_whole(examples):
    dropped = DroppedQuestions(examples, 0.25, seed=7)
    for source, target in dropped.__getitems__(list(range(200))):
        assert source[-1] == EOS and SEP in source
        assert [t for t in ROWS[0]["input_ids"] if t in set(source.tolist())] == source.tolist()
        assert len(target) == 2


def test_a_question_of_one_token_keeps_it():
    rows = Dataset.from_list([{"input_ids": [10, EOS], "labels": [11, EOS]}])
    dropped = DroppedQuestions(ExampleRows(rows), 0.25, seed=1)
    assert all(source == [10, EOS] for source in sources(dropped, list(range(300))))


def test_what_is_lost_depends_on_seed_epoch_and_example_alone(examples):
    dropped, again = (DroppedQuestions(examples, 0.2, seed=7) for _ in range(2))
    first = sources(dropped, list(range(200)))
    assert first == sources(again, list(range(200)))
    assert first == [sources(again, [i])[0] for i in range(200)]
    assert first != sources(dropped, list(range(200, 400)))
    assert first != sources(DroppedQuestions(examples, 0.2, seed=8), list(range(200)))


def test_the_sampler_tells_the_epochs_apart(examples):
    lengths = examples.source_lengths, examples.target_lengths
    plan = UpdatePlan(*lengths, tokens=0, pairs=40, seed=1)
    sampler = PieceSampler(plan, pieces=1, epochs_apart=True)
    plain = PieceSampler(plan, pieces=1)
    for epoch in (0, 3):
        sampler.set_epoch(epoch)
        plain.set_epoch(epoch)
        apart, indices = (sum(one, []) for one in (sampler, plain))
        assert apart == [index + 200 * epoch for index in indices]
        assert sorted(indices) == list(range(200))
