# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the text needs in arithmetic, and the meter that divides it by time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.tiny import tiny_config
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.training.device_peak import DevicePeak
from tfchat_hf.training.throughput import Counts, ThroughputMeter, needed_flops, speed_report

CPU = torch.device("cpu")


def counted_flops(config, source, target):
    """Lets torch count one forward and backward pass of one example without padding."""
    config._attn_implementation = "eager"  # as products that the counter sees
    model = TFChatForConditionalGeneration(config).train()
    ids = torch.randint(5, config.vocab_size, (1, source))
    labels = torch.randint(5, config.vocab_size, (1, target))
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=labels).loss.backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize(("source", "target"), [(1, 1), (7, 5), (3, 20)])
def test_needed_flops_are_those_torch_counts(gated, source, target):
    config = tiny_config(gated_activation=gated)
    counted = counted_flops(config, source, target)
    # torch counts the decoder's whole square; the half above the diagonal is not needed
    unseen = target * (target - 1) / 2 * 4 * config.d_model * config.decoder_layers
    assert needed_flops(config, source, target) == counted - 3 * unseen


def test_needed_flops_of_many_examples_are_those_of_each():
    config = tiny_config()
    source, target = np.array([3, 9, 40]), np.array([8, 2, 30])
    alone = [float(needed_flops(config, s, t)) for s, t in zip(source, target, strict=True)]
    assert needed_flops(config, source, target).tolist() == alone


def test_needed_flops_do_not_overflow():
    lengths = np.full(1, 60_000, np.int32)  # its square does not fit into 32 bits
    assert needed_flops(tiny_config(), lengths, lengths)[0] > 0


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
    meter.count(10, 60, 40)
    clock.now += 2
    assert meter.tokens_per_second() == 50
    meter.count(10, 60, 60)
    clock.now += 1
    assert meter.tokens_per_second() == 120
    assert meter.tokens_per_second() == 0  # no time has gone by


PEAK = DevicePeak(2e12, "a device", "bf16", False)


def test_the_line_and_the_figures_by_hand(meter, clock):
    meter.start()
    meter.count(1000, 6_000, 4_000, 1e12, positions=10_500)
    meter.count(1000, 6_000, 4_000, 1e12, positions=10_500)
    clock.now += 4
    meter.stop()
    speed = speed_report(meter.counts(), PEAK, CPU)
    assert speed.line() == (
        "speed: 5,000 tokens/s, 500 pairs/s, padding 4.8 %, "
        "25 % of the peak of a device (2 TFLOP/s bf16 data sheet)"
    )
    figures = speed.figures()
    assert figures["tokens_per_second"] == 5000 and figures["pairs_per_second"] == 500
    assert figures["padding"] == pytest.approx(1000 / 21_000, abs=1e-4)
    assert figures["utilisation"] == 0.25 and figures["peak_flops"] == 2e12
    assert figures["trained_tokens"] == 20_000 and figures["seconds_in_updates"] == 4


def test_an_unknown_peak_is_said_and_slow_pairs_keep_a_decimal():
    counts = Counts(pairs=18, source_tokens=10, target_tokens=10, positions=20, seconds=10)
    speed = speed_report(counts, None, CPU)
    assert speed.line() == (
        "speed: 2 tokens/s, 1.8 pairs/s, padding 0.0 %, "
        "no utilisation: the peak of this device is not known"
    )
    assert speed.figures()["utilisation"] is None and speed.figures()["peak_of"] is None


def test_nothing_counted_is_no_error():
    assert speed_report(Counts(), PEAK, CPU).line().startswith("speed: 0 tokens/s, 0.0 pairs/s")


def _one_of_two(rank, meeting, results):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=2
    )
    counts = Counts(10, 60 + rank, 40, 110, 8e12, 4.0 + rank)
    peak = DevicePeak(1e12 * (rank + 1), "a device", "fp32", True)
    speed = speed_report(counts, peak, CPU)
    results.put((speed.figures(), speed.line()))
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
    (figures, line), other = (results.get(timeout=300) for _ in processes)
    for process in processes:
        process.join()
    assert figures == other[0] | {"peak_of": figures["peak_of"]}
    assert figures["trained_tokens"] == 201 and figures["trained_pairs"] == 20
    assert figures["seconds_in_updates"] == 4.5  # they run side by side
    assert figures["peak_flops"] == 3e12
    assert figures["utilisation"] == pytest.approx(16e12 / 4.5 / 3e12, abs=1e-4)
    assert "of the peak of 2 x a device" in line
