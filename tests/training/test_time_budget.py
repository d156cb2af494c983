# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The clock of a budget and the schedule that ends with it, with time moved by hand."""

from __future__ import annotations

import json
import math

import pytest
import torch
from transformers import get_inverse_sqrt_schedule

from data_builders.errors import UserError
from tfchat_hf.training.time_budget import (
    ENDLESS_EPOCHS,
    TrainingClock,
    epochs_under_budget,
    fit_warmup,
    time_budget_schedule,
)


class Hand:
    """The hand of a clock, moved by the tests."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def hand():
    return Hand()


def started(hand, minutes=10.0, reserve=0.0, saved=None):
    """Returns a running clock whose reserve is known: half for each kind."""
    clock = TrainingClock(minutes, hand)
    clock.add_pause("evaluation", reserve / 2)
    clock.add_pause("checkpoint", reserve / 2)
    clock.start(saved)
    return clock


def updates(clock, hand, number, seconds):
    for _ in range(number):
        hand.now += seconds
        clock.tick()


@pytest.mark.parametrize("minutes", [0, -1, math.nan])
def test_a_budget_without_time_is_refused(minutes):
    with pytest.raises(UserError, match="`max_minutes` must be above 0"):
        TrainingClock(minutes)


def test_progress_is_the_share_of_the_time_without_reserve(hand):
    clock = started(hand, reserve=100)
    hand.now += 250
    assert clock.progress == 0  # only a tick reads the clock
    clock.tick()
    assert clock.progress == 0.5
    hand.now += 1000
    clock.tick()
    assert clock.progress == 1


def test_the_clock_stands_still_before_training(hand):
    clock = TrainingClock(10, hand)
    hand.now += 500
    clock.start()
    assert clock.elapsed() == 0


def test_time_is_up_when_another_update_would_not_fit(hand):
    clock = started(hand, reserve=100)  # of 600 s
    updates(clock, hand, 48, 10)
    assert clock.spent == 480 and clock.update_seconds == 10 and not clock.is_up
    updates(clock, hand, 1, 10)
    assert clock.is_up  # 490 + 10 + 100


def test_time_is_nearly_up_when_two_checkpoints_would_not_fit(hand):
    clock = started(hand, reserve=100)
    updates(clock, hand, 38, 10)
    assert not clock.is_nearly_up
    updates(clock, hand, 1, 10)
    assert clock.is_nearly_up and not clock.is_up  # 390 + 10 + 2 * 100


def test_one_slow_update_does_not_end_a_short_run(hand):
    clock = started(hand)
    updates(clock, hand, 1, 400)  # compiles
    assert not clock.is_up
    updates(clock, hand, 1, 1)
    updates(clock, hand, 1, 150)  # compiles again
    assert clock.update_seconds == 1 and not clock.is_up


def test_the_reserve_is_the_longest_of_each_kind_once_timed(hand):
    clock = TrainingClock(10, hand)
    clock.tick()
    assert clock.reserve == 20  # guessed: 10 s each
    for seconds in (3, 7, 5):
        clock.add_pause("checkpoint", seconds)
    clock.tick()
    assert clock.reserve == 10 + 7
    clock.drop_reserve("evaluation")
    assert clock.reserve == 7


def test_the_guess_is_small_for_a_small_budget(hand):
    assert TrainingClock(1, hand).reserve == pytest.approx(2 * 0.02 * 60)


def test_pauses_are_spent_but_are_no_part_of_an_update(hand):
    clock = started(hand)
    updates(clock, hand, 2, 3)
    hand.now += 60
    clock.add_pause("evaluation", 60)
    updates(clock, hand, 1, 3)
    assert clock.spent == 69 and clock.update_seconds == 3


def test_a_resumed_run_has_what_is_left(hand):
    first = started(hand, reserve=0)
    first.add_pause("checkpoint", 12)
    updates(first, hand, 30, 10)
    first.warmup_steps = 77
    saved = first.state()
    hand.now += 5000  # the machine was off
    second = TrainingClock(10, hand)
    second.start(saved)
    assert second.elapsed() == second.spent == 300
    assert second.reserve == 12 and second.warmup_steps == 77
    updates(second, hand, 20, 10)
    assert second.progress == 500 / 588 and not second.over


def test_the_state_goes_through_json_and_holds_no_guess(hand):
    state = TrainingClock(10, hand).state()
    assert json.loads(json.dumps(state)) == state
    assert "evaluation" not in state and "checkpoint" not in state


def test_how_many_updates_fit_is_not_asked_too_early(hand):
    clock = started(hand)
    updates(clock, hand, 20, 0.1)
    assert clock.fitting_updates(20) is None  # 19 without the first one
    updates(clock, hand, 1, 0.1)
    assert clock.fitting_updates(21) == 21 + 5978  # (600 - 2.1 s) / 0.1 s, rounded down


def test_where_updates_are_slow_a_few_are_enough(hand):
    clock = started(hand)
    updates(clock, hand, 1, 25)
    assert clock.fitting_updates(1) is None
    updates(clock, hand, 1, 10)
    assert clock.fitting_updates(2) == 2 + 56  # (600 - 35) / 10


def test_compiling_does_not_count_among_the_updates_that_fit(hand):
    clock = started(hand)
    updates(clock, hand, 5, 20)
    updates(clock, hand, 16, 1)
    assert clock.fitting_updates(21) == 21 + 484


def test_evaluations_take_the_time_of_updates(hand):
    clock = started(hand)
    for _ in range(30):
        updates(clock, hand, 1, 1)
        hand.now += 2
        clock.add_pause("evaluation", 2)
    updates(clock, hand, 1, 1)  # 91 s; 60 of them for 30 evaluations
    expected = (600 - 91 - 2) / (1 + 60 / 31)
    assert clock.fitting_updates(31) == 31 + int(expected)


def test_a_warm_up_that_is_too_long_is_shortened_and_said(hand):
    clock = started(hand)
    assert fit_warmup(clock, 4000, 0) is None and clock.warmup_steps is None
    updates(clock, hand, 30, 1)  # 600 fit
    line = fit_warmup(clock, 4000, 30)
    assert clock.warmup_steps == 60
    assert line == (
        "note: `warmup_steps` 4000 is more than 10 % of the 600 updates that fit into "
        "10 minutes: shortened to 60"
    )
    assert fit_warmup(clock, 4000, 31) is None  # said once


@pytest.mark.parametrize(("setting", "settled"), [(50, 50), (60, 60), (0, 0), (0.05, 30)])
def test_a_warm_up_that_fits_is_kept(hand, setting, settled):
    clock = started(hand)
    updates(clock, hand, 30, 1)
    assert fit_warmup(clock, setting, 30) is None
    assert clock.warmup_steps == settled


def test_a_share_above_the_longest_is_shortened_too(hand):
    clock = started(hand)
    updates(clock, hand, 30, 1)
    assert "shortened to 60" in fit_warmup(clock, 0.5, 30)


def rates(hand, clock, base, number, seconds, warmup, max_steps=10**9):
    """Returns the factor of each update, as the trainer would step the schedule."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = time_budget_schedule(optimizer, clock, warmup, base, max_steps)
    seen = [schedule.get_last_lr()[0]]
    for _ in range(number):
        hand.now += seconds
        clock.tick()
        optimizer.step()
        schedule.step()
        seen.append(schedule.get_last_lr()[0])
    return seen


def test_warm_up_decay_and_cool_down_by_hand(hand):
    seen = rates(hand, started(hand), "inverse_sqrt", 600, 1.0, warmup=50)
    assert seen[0] == 0 and seen[25] == 0.5 and seen[50] == 1
    assert seen[200] == pytest.approx(math.sqrt(50 / 200))
    assert seen[480] == pytest.approx(math.sqrt(50 / 480))  # 80 % of the time
    assert seen[540] == pytest.approx(math.sqrt(50 / 540) / 2)  # half of the way down
    assert seen[600] == 0


def test_before_the_clock_counts_it_is_transformers_own_schedule(hand):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    for warmup in (0, 30):
        theirs = get_inverse_sqrt_schedule(optimizer, warmup).lr_lambdas[0]
        ours = rates(hand, started(hand, minutes=1000), "inverse_sqrt", 100, 1.0, warmup)
        assert ours == pytest.approx([theirs(step) for step in range(101)])


def test_a_machine_twice_as_fast_cools_down_at_the_same_time(hand):
    seen = rates(hand, started(hand), "constant", 1200, 0.5, warmup=0)
    assert seen[960] == pytest.approx(1) and seen[1080] == pytest.approx(0.5) and seen[1200] == 0


def test_decays_with_an_end_follow_the_clock(hand):
    linear = rates(hand, started(hand), "linear", 600, 1.0, warmup=0)
    assert linear[150] == pytest.approx(0.75) and linear[600] == 0
    cosine = rates(hand, started(hand), "cosine", 600, 1.0, warmup=0)
    assert cosine[300] == pytest.approx(0.5) and cosine[600] == pytest.approx(0)


def test_a_run_that_ends_by_its_updates_cools_down_too(hand):
    seen = rates(hand, started(hand), "constant", 100, 0.01, warmup=0, max_steps=100)
    assert seen[80] == pytest.approx(1) and seen[90] == pytest.approx(0.5) and seen[100] == 0


def test_a_shortened_warm_up_changes_nothing_of_what_follows(hand):
    clock = started(hand, minutes=60)
    clock.warmup_steps = 120
    seen = rates(hand, clock, "inverse_sqrt", 1800, 1.0, warmup=800)  # half of the time
    assert seen[60] == 0.5 and seen[120] == 1 and seen[500] == 1 and seen[800] == 1
    assert seen[1000] == pytest.approx(0.8944, abs=1e-4)  # sqrt(800 / 1000)
    assert seen[1800] == pytest.approx(2 / 3)  # sqrt(800 / 1800)
    whole = get_inverse_sqrt_schedule(torch.optim.SGD([torch.zeros(1)], lr=1.0), 800)
    assert seen[800:] == pytest.approx([whole.lr_lambdas[0](step) for step in range(800, 1801)])


def test_a_share_that_was_shortened_decays_as_if_it_had_not(hand):
    clock = started(hand, minutes=60)
    clock.warmup_steps = 60  # of 600 that fit, where half of them was asked for: 300
    seen = rates(hand, clock, "inverse_sqrt", 1200, 1.0, warmup=0.5)
    assert seen[30] == 0.5 and seen[60] == 1 and seen[300] == 1
    assert seen[1200] == pytest.approx(0.5)  # sqrt(300 / 1200)
    clock = started(hand, minutes=60)
    clock.warmup_steps = 30  # 0.05 of 600: not shortened
    assert rates(hand, clock, "inverse_sqrt", 120, 1.0, warmup=0.05)[120] == pytest.approx(0.5)


def test_the_schedule_of_a_checkpoint_holds_no_clock(hand):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = time_budget_schedule(optimizer, started(hand), 10, "inverse_sqrt", 100)
    assert schedule.state_dict()["lr_lambdas"] == [None]


def test_a_decay_that_does_not_fit_is_refused(hand):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(UserError, match="`lr_scheduler_type` must be one of.*'polynomial'"):
        time_budget_schedule(optimizer, TrainingClock(1, hand), 10, "polynomial", 100)


def test_epochs_end_a_run_only_if_they_were_asked_for():
    assert epochs_under_budget(30.0, given=()) == ENDLESS_EPOCHS
    assert epochs_under_budget(3.0, given=("num_train_epochs", "max_minutes")) == 3.0


def _one_of_two(rank, meeting, results):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=2
    )
    hand = Hand()
    clock = started(hand)
    for seconds in (1, 2):
        hand.now += seconds + rank  # the second process is slower
        clock.tick()
    clock.add_pause("checkpoint", 5 + rank)
    hand.now += 8 + rank
    clock.tick()
    results.put((clock.spent, clock.reserve, clock.update_seconds, clock.progress))
    torch.distributed.destroy_process_group()


def test_processes_go_by_the_clock_of_the_first(tmp_path):
    context = torch.multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [
        context.Process(target=_one_of_two, args=(rank, tmp_path / "meeting", results))
        for rank in (0, 1)
    ]
    for process in processes:
        process.start()
    seen = [results.get() for _ in processes]
    for process in processes:
        process.join()
    # 1 + 2 + 8 seconds, 5 of them for a checkpoint, so updates of 2 and 3
    assert seen == [(11, 5, 2, 11 / 595)] * 2
