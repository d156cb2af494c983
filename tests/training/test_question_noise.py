# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Questions lose tokens and get other talk before them, the same again after a stop."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from tfchat_hf.examples.rows import ExampleRows
from tfchat_hf.text.tokenization import SPECIAL_TOKENS
from tfchat_hf.training.batch_sampler import UpdatePlan, UpdateSampler
from tfchat_hf.training.data_collator import NoisyQuestions

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
    dropped = NoisyQuestions(examples, 0.1, 0.0, 99, seed=7)
    seen = sources(dropped, list(range(200 * 20)))
    lost = [1 - (len(source) - 2) / 20 for source in seen]
    assert np.mean(lost) == pytest.approx(0.1, abs=0.01)
    assert np.mean([share == 0 for share in lost]) == pytest.approx(0.54, abs=0.05)


def test_marks_and_order_stay_and_replies_are_whole(examples):
    dropped = NoisyQuestions(examples, 0.25, 0.0, 99, seed=7)
    for source, target in dropped.__getitems__(list(range(200))):
        assert source[-1] == EOS and SEP in source
        assert [t for t in ROWS[0]["input_ids"] if t in set(source.tolist())] == source.tolist()
        assert len(target) == 2


def test_a_question_of_one_token_keeps_it():
    rows = Dataset.from_list([{"input_ids": [10, EOS], "labels": [11, EOS]}])
    dropped = NoisyQuestions(ExampleRows(rows), 0.25, 0.0, 99, seed=1)
    assert all(source == [10, EOS] for source in sources(dropped, list(range(300))))


def test_what_is_lost_depends_on_seed_epoch_and_example_alone(examples):
    dropped, again = (NoisyQuestions(examples, 0.2, 0.0, 99, seed=7) for _ in range(2))
    first = sources(dropped, list(range(200)))
    assert first == sources(again, list(range(200)))
    assert first == [sources(again, [i])[0] for i in range(200)]
    assert first != sources(dropped, list(range(200, 400)))
    assert first != sources(NoisyQuestions(examples, 0.2, 0.0, 99, seed=8), list(range(200)))


def test_a_lone_question_gets_an_exchange_of_the_corpus_before_it():
    lone = [{"input_ids": [10 + i, EOS], "labels": [60 + i, EOS]} for i in range(40)]
    talk = {"input_ids": [100, SEP, 101, SEP, 102, EOS], "labels": [103, EOS]}
    examples = ExampleRows(Dataset.from_list([*lone, talk]))
    noisy = NoisyQuestions(examples, 0.0, 0.3, 99, seed=3)
    seen = noisy.__getitems__(list(range(41 * 50)))
    exchanges = {(10 + i, 60 + i) for i in range(40)} | {(102, 103)}
    with_history = 0
    for number, (source, target) in enumerate(seen):
        if number % 41 == 40:
            assert source.tolist() == talk["input_ids"]
            continue
        assert source[-2:].tolist() == [10 + number % 41, EOS] and len(target) == 2
        if len(source) > 2:
            with_history += 1
            asked, first, answered, second = source[:-2].tolist()
            assert first == second == SEP and (asked, answered) in exchanges
    assert with_history / (40 * 50) == pytest.approx(0.3, abs=0.03)
    short = NoisyQuestions(examples, 0.0, 1.0, 5, seed=3)
    assert {len(source) for source, _ in short.__getitems__(list(range(40)))} == {2}


def test_the_sampler_tells_the_epochs_apart(examples):
    lengths = examples.source_lengths, examples.target_lengths
    plan = UpdatePlan(*lengths, tokens=0, pairs=40, seed=1)
    sampler = UpdateSampler(plan, accumulation_steps=1, epochs_apart=True)
    plain = UpdateSampler(plan, accumulation_steps=1)
    for epoch in (0, 3):
        sampler.set_epoch(epoch)
        plain.set_epoch(epoch)
        apart, indices = (sum(one, []) for one in (sampler, plain))
        assert apart == [index + 200 * epoch for index in indices]
        assert sorted(indices) == list(range(200))
