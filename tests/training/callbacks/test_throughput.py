# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a run says of its speed."""

from __future__ import annotations

import time

import pytest
from transformers import Trainer, TrainerCallback

from tests.training.callbacks.small_trainer import SOURCE, TARGET, small_trainer
from tfchat_hf.training.callbacks.throughput import ThroughputCallback
from tfchat_hf.training.throughput import ThroughputMeter, needed_flops

SLOW = 0.2


class Metered(Trainer):
    """Tells the meter of its batches and pauses; its evaluation takes long."""

    meter: ThroughputMeter

    def training_step(self, model, inputs, *rest):
        pairs = len(inputs["input_ids"])
        flops = pairs * float(needed_flops(self.model.config, SOURCE, TARGET))
        self.meter.count(pairs, pairs * SOURCE, pairs * TARGET, flops)
        return super().training_step(model, inputs, *rest)

    def evaluate(self, *args, **kwargs):
        with self.meter.paused():
            time.sleep(SLOW)
            return super().evaluate(*args, **kwargs)


class Seen(TrainerCallback):
    """Stands where the reporters stand."""

    def __init__(self):
        self.logs = []

    def on_log(self, args, state, control, logs=None, **kwargs):
        self.logs.append(dict(logs))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    said, seen = [], Seen()
    trainer = small_trainer(
        tmp_path_factory.mktemp("run"), [seen], Metered, eval_strategy="steps", eval_steps=2
    )
    trainer.meter = ThroughputMeter()
    callback = ThroughputCallback(trainer.meter, said.append)
    trainer.callback_handler.callbacks.insert(0, callback)
    start = time.perf_counter()
    trainer.train()
    return trainer, callback, said, seen, time.perf_counter() - start


def test_the_line_at_the_end_counts_what_was_trained(run):
    _, callback, said, _, _ = run
    assert said == [callback.speed.line()]
    assert said[0].startswith("speed: ") and "padding 0.0 %" in said[0]
    assert "fp32 measured" in said[0]
    figures = callback.speed.figures()
    assert figures["trained_pairs"] == 6 * 4
    assert figures["trained_tokens"] == 6 * 4 * (SOURCE + TARGET)
    assert 0 < figures["utilisation"] < 1


def test_evaluation_time_is_left_out(run):
    _, callback, _, _, wall = run
    assert 0 < callback.speed.counts.seconds < wall - 3 * SLOW


def test_training_logs_hold_the_rate_where_reporters_and_history_see_it(run):
    trainer, _, _, seen, _ = run
    for logs in (seen.logs, trainer.state.log_history):
        training = [log for log in logs if "loss" in log]
        assert len(training) == 3
        assert all(log["tokens_per_second"] > 0 for log in training)
        assert not any("tokens_per_second" in log for log in logs if "loss" not in log)
