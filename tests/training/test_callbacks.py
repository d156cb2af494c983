# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Early stopping counts evaluations in the history, so that a resume does not begin anew."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from transformers import TrainerControl, TrainerState

from tfchat_hf.training.callbacks import EarlyStopping, evaluations_since_best


def state_of(scores: list[float], name: str = "eval_selection_score") -> TrainerState:
    history = [{"step": 10 * i, "loss": 1.0} for i in range(9)]
    history += [{"step": 10 * i, name: score} for i, score in enumerate(scores)]
    return TrainerState(log_history=history)


ARGS = SimpleNamespace(metric_for_best_model="selection_score", greater_is_better=False)


@pytest.mark.parametrize(
    ("scores", "waited"),
    [([], 0), ([3.0], 0), ([3.0, 2.0], 0), ([2.0, 3.0, 2.5], 2), ([2.0, 2.0], 1), ([4, 3, 5], 1)],
)
def test_evaluations_since_best(scores, waited):
    assert evaluations_since_best(ARGS, state_of(scores)) == waited


def test_other_metrics_and_directions():
    args = SimpleNamespace(metric_for_best_model="eval_bleu", greater_is_better=True)
    assert evaluations_since_best(args, state_of([1.0, 3.0, 2.0], "eval_bleu")) == 1


def test_it_stops_after_so_many_and_says_so():
    said: list[str] = []
    stopping = EarlyStopping(2, said.append)
    for scores, stops in ([2.0, 3.0], False), ([2.0, 3.0, 2.5], True):
        control = TrainerControl()
        stopping.on_evaluate(ARGS, state_of(scores), control)
        assert control.should_training_stop is stops
    assert said == ["stopping early: 2 evaluations brought nothing better"]
