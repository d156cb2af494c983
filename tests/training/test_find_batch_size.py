# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`find_batch_size` with a real trainer, on a CPU whose memory is made up."""

from __future__ import annotations

import pytest
import torch

from data_builders.errors import UserError
from tests.training.small_training import small_model, small_trainer
from tfchat_hf.training import find_batch_size as finding
from tfchat_hf.training.find_batch_size import (
    double_until_it_fits,
    find_batch_size,
    largest_batches,
)


def trainer_with(folder, tokens, **settings):
    """Make a trainer that has room for so many tokens of a batch, and note what it tries."""
    trainer = small_trainer(folder, small_model(dropout=0.3), **settings)
    trainer.tried = []
    compute_loss = trainer.compute_loss

    def with_room(model, inputs, **kwargs):
        trainer.tried.append((inputs["counts"].tokens, model.training))
        if inputs["counts"].tokens > tokens:
            raise torch.OutOfMemoryError(f"no room for {inputs['counts'].tokens}")
        return compute_loss(model, inputs, **kwargs)

    trainer.compute_loss = with_room
    return trainer


def sizes(trainer):
    plan = trainer.sampler.plan
    return plan.source_lengths + plan.target_lengths


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_updates_are_cut_into_twice_as_many_batches_until_the_largest_fits(tmp_path, steps):
    free = small_trainer(tmp_path, small_model())
    free.sampler.accumulation_steps = steps
    room = int(
        max(sizes(free)[batch].sum() for batch in free.sampler.cut(free.sampler.plan.order(0)[0]))
    )
    trainer, said = trainer_with(tmp_path, room), []
    double_until_it_fits(trainer, said.append)
    assert trainer.args.gradient_accumulation_steps == trainer.sampler.accumulation_steps == steps
    assert said == [
        f"batch size: updates are cut into {steps} batch{'es' * (steps > 1)} on each device "
        f"(`gradient_accumulation_steps: {steps}`)"
    ]
    trainer.train()
    trained = trainer.state.global_step * steps
    assert len(trainer.tried) >= trained and all(training for _, training in trainer.tried)


def test_the_largest_batches_are_by_tokens_and_by_the_rectangle_of_each_side(tmp_path):
    trainer = small_trainer(tmp_path, small_model(), gradient_accumulation_steps=4)
    plan = trainer.sampler.plan
    cut = [batch for update in plan.order(0) for batch in trainer.sampler.cut(update) if len(batch)]
    tokens, by_source, by_target = largest_batches(trainer)
    assert sizes(trainer)[tokens].sum() == max(sizes(trainer)[batch].sum() for batch in cut)
    for found, side in ((by_source, plan.source_lengths), (by_target, plan.target_lengths)):
        assert len(found) * side[found].max() == max(len(b) * side[b].max() for b in cut)


def test_a_pair_that_does_not_fit_is_an_error_with_its_lengths(tmp_path):
    trainer = trainer_with(tmp_path, 3)
    with pytest.raises(UserError, match=r"one pair of \d+ \+ \d+ tokens .*max_source_length"):
        double_until_it_fits(trainer, print)


@pytest.mark.parametrize("tokens", [10_000, 40])
def test_nothing_is_left_behind(tmp_path, tokens):
    trainer = trainer_with(tmp_path, tokens)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    random = torch.random.get_rng_state()
    double_until_it_fits(trainer, lambda line: None)
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(
        torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items()
    )
    assert all(weight.grad is None for weight in trainer.model.parameters())
    assert trainer.model.config._attn_implementation == "eager"


def test_other_errors_are_not_taken_for_a_lack_of_memory(tmp_path):
    trainer = small_trainer(tmp_path, small_model())
    trainer.compute_loss = lambda *args, **kwargs: torch.ones(2) @ torch.ones(3)
    with pytest.raises(RuntimeError, match="size"):
        double_until_it_fits(trainer, print)


def test_room_is_kept_for_the_moments_of_adam():
    model = small_model()
    model.lm_head.bias.requires_grad_(False)
    room = sum(tensor.numel() for tensor in finding._room(model))
    trained = sum(weight.numel() for weight in model.parameters()) - model.lm_head.bias.numel()
    assert room == 2 * trained


def test_a_cpu_is_told_that_it_is_none(tmp_path):
    trainer, said = trainer_with(tmp_path, 0, gradient_accumulation_steps=3), []
    find_batch_size(trainer, said.append)
    assert not trainer.tried and trainer.args.gradient_accumulation_steps == 3
    assert said == [
        "note: `find_batch_size` only works on a GPU; on cpu the run keeps its "
        "`gradient_accumulation_steps`"
    ]
