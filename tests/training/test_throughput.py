# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The meter counts what is trained on, and a run says how fast it went."""

from __future__ import annotations

import pytest
import torch
from transformers import Trainer, TrainerCallback

from tests.training.small_trainer import SOURCE, TARGET, small_trainer
from tfchat_hf.training.throughput import (
    Counts,
    ThroughputCallback,
    ThroughputMeter,
    of_all_processes,
)

CPU = torch.device("cpu")


class Clock:
    """A clock that is moved by hand."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def meter(clock):
    return ThroughputMeter(clock)


def test_pauses_do_not_count(meter, clock):
    clock.now += 50  # before training
    meter.start()
    clock.now += 2
    with meter.paused():
        clock.now += 30
        with meter.paused():  # a checkpoint inside an evaluation
            clock.now += 5
        clock.now += 1
    clock.now += 3
    meter.stop()
    clock.now += 7
    assert meter.counts().seconds == 5


def test_a_pause_ends_with_an_error_too(meter, clock):
    meter.start()
    with pytest.raises(OSError), meter.paused():
        clock.now += 30
        raise OSError("disk full")
    clock.now += 1
    assert meter.counts().seconds == 1


def test_a_pause_outside_training_does_not_start_the_clock(meter, clock):
    with meter.paused():
        clock.now += 1
    clock.now += 1
    assert meter.counts().seconds == 0


def test_the_rate_of_a_log_is_that_since_the_last_one(meter, clock):
    meter.start()
    meter.count(Counts(10, 60, 40))
    clock.now += 2
    assert meter.tokens_per_second() == 50
    meter.count(Counts(10, 60, 60))
    clock.now += 1
    assert meter.tokens_per_second() == 120
    assert meter.tokens_per_second() == 0  # no time has gone by


def test_the_line_and_the_figures_by_hand(meter, clock):
    meter.start()
    meter.count(Counts(1000, 6_000, 4_000, 10_500))
    meter.count(Counts(1000, 6_000, 4_000, 10_500))
    clock.now += 4
    meter.stop()
    speed = of_all_processes(meter.counts(), CPU)
    assert speed.line() == "speed: 5,000 tokens/s, 500 pairs/s, padding 4.8 %"
    assert speed.figures() == {
        "tokens_per_second": 5000,
        "pairs_per_second": 500,
        "padding": pytest.approx(1000 / 21_000, abs=1e-4),
        "trained_tokens": 20_000,
        "trained_pairs": 2000,
        "seconds_in_updates": 4,
    }


def test_slow_pairs_keep_a_decimal():
    counts = Counts(pairs=18, source_tokens=10, target_tokens=10, positions=20, seconds=10)
    assert counts.line() == "speed: 2 tokens/s, 1.8 pairs/s, padding 0.0 %"


def test_nothing_counted_is_no_error():
    assert Counts().line().startswith("speed: 0 tokens/s, 0.0 pairs/s")


def _one_of_two(rank, meeting, results):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=2
    )
    counts = Counts(10, 60 + rank, 40, 110, 4.0 + rank)
    results.put(of_all_processes(counts, CPU).figures())
    torch.distributed.destroy_process_group()


def test_processes_are_added_up(tmp_path):
    context = torch.multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [
        context.Process(target=_one_of_two, args=(rank, tmp_path / "meeting", results))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    figures, other = (results.get() for _ in processes)
    for process in processes:
        process.join()
    assert figures == other
    assert figures["trained_tokens"] == 201 and figures["trained_pairs"] == 20
    assert figures["seconds_in_updates"] == 4.5  # they run side by side


class Metered(Trainer):
    """Tells the meter of its batches and pauses: an update takes a second, an evaluation 30."""

    meter: ThroughputMeter
    clock: Clock

    def training_step(self, model, inputs, *rest):
        self.clock.now += 1
        pairs = len(inputs["input_ids"])
        tokens = pairs * (SOURCE + TARGET)
        self.meter.count(Counts(pairs, pairs * SOURCE, pairs * TARGET, tokens))
        return super().training_step(model, inputs, *rest)

    def evaluate(self, *args, **kwargs):
        with self.meter.paused():
            self.clock.now += 30
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
    trainer.clock = Clock()
    trainer.meter = ThroughputMeter(trainer.clock)
    callback = ThroughputCallback(trainer.meter, said.append)
    trainer.callback_handler.callbacks.insert(0, callback)
    trainer.train()
    return trainer, callback, said, seen


def test_the_line_at_the_end_counts_what_was_trained(run):
    _, callback, said, _ = run
    assert said == [callback.speed.line()]
    assert said[0].startswith("speed: ") and "padding 0.0 %" in said[0]
    figures = callback.speed.figures()
    assert figures["trained_pairs"] == 6 * 4
    assert figures["trained_tokens"] == 6 * 4 * (SOURCE + TARGET)


def test_evaluation_time_is_left_out(run):
    _, callback, _, _ = run
    assert callback.speed.seconds == 6


def test_training_logs_hold_the_rate_where_reporters_and_history_see_it(run):
    trainer, _, _, seen = run
    for logs in (seen.logs, trainer.state.log_history):
        training = [log for log in logs if "loss" in log]
        assert len(training) == 3
        assert {log["tokens_per_second"] for log in training} == {4 * (SOURCE + TARGET)}
        assert not any("tokens_per_second" in log for log in logs if "loss" not in log)
