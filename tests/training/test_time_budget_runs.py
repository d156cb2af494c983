# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Trainings that end by the clock, whose hand the updates move."""

from __future__ import annotations

import json

import pytest
from transformers import Trainer, TrainerCallback, TrainerState

from tests.training.small_trainer import small_trainer
from tfchat_hf.training.time_budget import (
    ENDLESS_EPOCHS,
    TimeBudgetCallback,
    TrainingClock,
    time_budget_schedule,
    time_was_up,
)


class ByTheClock(Trainer):
    """Follows a clock's schedule."""

    clock: TrainingClock

    def create_scheduler(self, num_training_steps, optimizer=None):
        self.lr_scheduler = time_budget_schedule(
            optimizer or self.optimizer, self.clock, 100, "inverse_sqrt", num_training_steps
        )
        self._created_lr_scheduler = True
        return self.lr_scheduler


def make(folder, clock, said, callbacks=(), **settings):
    defaults = {"max_steps": -1, "num_train_epochs": ENDLESS_EPOCHS, "save_strategy": "epoch"}
    trainer = small_trainer(
        folder,
        [*callbacks, TimeBudgetCallback(clock, 100, said.append)],
        ByTheClock,
        **(defaults | {"save_total_limit": 1} | settings),
    )
    trainer.clock = clock
    return trainer


def saved_state(folder):
    (checkpoint,) = folder.glob("checkpoint-*")
    return TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))


class Hand(TrainerCallback):
    """A clock's hand that only an update moves."""

    def __init__(self, seconds=1.0):
        self.now, self.seconds = 0.0, seconds

    def __call__(self):
        return self.now

    def on_step_begin(self, args, state, control, **kwargs):
        self.now += self.seconds


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder, said, hand = tmp_path_factory.mktemp("timed"), [], Hand(0.05)
    trainer = make(
        folder,
        TrainingClock(0.1, hand),
        said,
        [hand],
        eval_strategy="steps",
        eval_steps=40,
        save_strategy="steps",
        save_steps=40,
        logging_steps=1,
    )
    trainer.train()
    return trainer, folder, said, trainer.clock.elapsed()


def test_training_ends_in_time_with_its_evaluation_and_checkpoint(run):
    trainer, folder, said, seconds = run
    assert 5.8 < seconds <= 6
    last = trainer.state.global_step
    assert [path.name for path in folder.glob("checkpoint-*")] == [f"checkpoint-{last}"]
    evaluated = [log["step"] for log in trainer.state.log_history if "eval_loss" in log]
    assert evaluated[-1] == last and len(evaluated) == len(set(evaluated))
    assert f"time is up after {last:,} updates" in said


def test_the_learning_rate_reaches_nothing_at_the_end(run):
    trainer, _, _, _ = run
    seen = [log["learning_rate"] for log in trainer.state.log_history if "learning_rate" in log]
    assert max(seen) > 0 and seen[-1] < 0.1 * max(seen)


def test_the_end_says_how_long_it_took(run):
    _, _, said, _ = run
    assert said[-1].startswith("time: 0.") and "of 0.1 minutes" in said[-1]


def test_a_checkpoint_of_the_end_has_nothing_left_unless_the_budget_grows(run):
    _, folder, _, _ = run
    state = saved_state(folder)
    assert time_was_up(state, 0.1) and not time_was_up(state, 0.2)
    assert not time_was_up(TrainerState(), 0.1)


class StopAt(TrainerCallback):
    """Asks for a checkpoint and the end, as a signal does."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            control.should_save = control.should_training_stop = True


def test_a_resumed_run_has_what_is_left(tmp_path):
    hand, said = Hand(), []
    make(tmp_path, TrainingClock(0.5, hand), said, [hand, StopAt(12)]).train()
    assert saved_state(tmp_path).global_step == 12
    hand.now += 10_000  # the machine was off
    clock = TrainingClock(0.5, hand)
    trainer = make(tmp_path, clock, said, [hand])
    trainer.train(resume_from_checkpoint=True)
    # 30 s, an update a second; a checkpoint takes no time by this clock
    assert trainer.state.global_step == 29
    assert "time: 0.2 of 0.5 minutes were spent before" in said
    assert clock.warmup_steps == 2  # settled in the first part: a tenth of the 29 that fit
    assert sum("shortened" in line for line in said) == 1


def test_a_run_that_began_without_a_budget_can_go_on_with_one(tmp_path):
    plain = small_trainer(tmp_path, [], max_steps=4, save_strategy="steps", save_steps=4)
    plain.train()
    hand, said = Hand(), []
    trainer = make(tmp_path, TrainingClock(0.5, hand), said, [hand])
    trainer.train(resume_from_checkpoint=True)
    assert trainer.state.global_step > 4 + 20
    state = json.loads((next(tmp_path.glob("checkpoint-*")) / "trainer_state.json").read_text())
    assert state["stateful_callbacks"]["TimeBudgetCallback"]["attributes"]["clock"]["over"]


def test_epochs_that_end_first_end_the_run(tmp_path):
    hand, said = Hand(), []
    trainer = make(tmp_path, TrainingClock(10, hand), said, [hand], num_train_epochs=2)
    trainer.train()
    assert trainer.state.global_step == 8
    assert not any("time is up" in line for line in said)
    assert not time_was_up(saved_state(tmp_path), 10)


class Slow(TrainerCallback):
    """Makes an evaluation take 9 seconds and a checkpoint 4 by the hand's clock."""

    def __init__(self, hand):
        self.hand = hand
        self.evaluated, self.saved = [], []

    def on_evaluate(self, args, state, control, **kwargs):
        self.hand.now += 9
        self.evaluated.append(state.global_step)

    def on_save(self, args, state, control, **kwargs):
        self.hand.now += 4
        self.saved.append(state.global_step)


def test_the_last_evaluation_and_checkpoint_fit_and_those_just_before_are_spared(tmp_path):
    hand, said = Hand(), []
    slow = Slow(hand)
    trainer = make(tmp_path, TrainingClock(2.1, hand), said, [hand, slow], eval_strategy="epoch")
    trainer.train()
    assert 124 <= hand.now <= 126  # all of it, and no more
    last = trainer.state.global_step
    assert slow.evaluated == slow.saved  # one each, also at the last step
    assert slow.evaluated[-1] == last and slow.evaluated.count(last) == 1
    # An epoch is 4 updates and 13 s more. The seventh ends at 106 s: after another evaluation and
    # checkpoint there would be 7 s left for the last ones, which need 13.
    assert slow.evaluated == [4, 8, 12, 16, 20, 24, last] and last > 28


def test_without_evaluation_and_checkpoints_no_time_is_kept_for_them(tmp_path):
    hand, said = Hand(), []
    trainer = make(tmp_path, TrainingClock(0.25, hand), said, [hand], save_strategy="no")
    trainer.train()
    assert trainer.clock.reserve == 0
    assert trainer.state.global_step == 14 and not list(tmp_path.glob("checkpoint-*"))
