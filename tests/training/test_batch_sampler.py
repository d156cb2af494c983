# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What an update holds depends on seed, epoch and size alone, and every example comes once."""

from __future__ import annotations

import numpy as np
import pytest

from tfchat_hf.training.batch_sampler import UpdatePlan, UpdateSampler


def plan(examples=500, tokens=400, pairs=8, seed=1) -> UpdatePlan:
    rng = np.random.default_rng(0)
    source = rng.geometric(0.1, examples).astype(np.int32)
    target = np.minimum(rng.geometric(0.05, examples), 90).astype(np.int32)
    return UpdatePlan(source, target, tokens, pairs, seed)


def batches(plan, pieces=1, world=1, epoch=0):
    samplers = [UpdateSampler(plan, pieces, rank, world) for rank in range(world)]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    return [list(sampler) for sampler in samplers]


@pytest.mark.parametrize("tokens", [0, 30, 400, 10**6])
@pytest.mark.parametrize("pieces,world", [(1, 1), (3, 1), (2, 4)])
def test_every_example_comes_once_an_epoch(tokens, pieces, world):
    made = plan(tokens=tokens)
    per_rank = batches(made, pieces, world)
    assert {len(rank) for rank in per_rank} == {made.updates * pieces}
    assert len(UpdateSampler(made, pieces, 0, world)) == made.updates * pieces
    seen = [index for rank in per_rank for batch in rank for index in batch]
    assert sorted(seen) == list(range(500))


@pytest.mark.parametrize("tokens", [0, 400])
def test_cutting_does_not_change_what_an_update_holds(tokens):
    made = plan(tokens=tokens)
    whole = [set(batch) for batch in batches(made)[0]]
    for pieces, world in ((8, 1), (1, 2), (2, 3)):
        ranks = batches(made, pieces, world)
        for number, update in enumerate(whole):
            parts = [rank[number * pieces + turn] for rank in ranks for turn in range(pieces)]
            assert set().union(*map(set, parts)) == update
            assert sum(map(len, parts)) == len(update)


def test_updates_have_about_as_many_tokens():
    made = plan(examples=3000, tokens=1500)
    sizes = [
        int(made.source_lengths[u].sum() + made.target_lengths[u].sum()) for u in made.order(0)
    ]
    # An update is cut at an example, so it misses its share by one of them at most.
    longest = int((made.source_lengths + made.target_lengths).max())
    assert max(abs(size - np.mean(sizes)) for size in sizes) <= 2 * longest
    assert abs(np.mean(sizes) - 1500) < 50


def test_pieces_have_about_as_many_tokens():
    made = plan(examples=3000, tokens=3000)
    sampler = UpdateSampler(made, 4)
    size = made.source_lengths + made.target_lengths
    for update in made.order(0):
        cut = [size[part].sum() for part in sampler.cut(update)]
        assert max(cut) - min(cut) <= 2 * size[update].max()


@pytest.mark.parametrize("tokens", [0, 400])
def test_order_is_a_function_of_seed_and_epoch(tokens):
    first = [u.tolist() for u in plan(tokens=tokens).order(3)]
    assert [u.tolist() for u in plan(tokens=tokens).order(3)] == first
    assert [u.tolist() for u in plan(tokens=tokens).order(4)] != first
    assert [u.tolist() for u in plan(tokens=tokens, seed=2).order(3)] != first


def test_like_lengths_stand_together():
    made = plan(examples=4000, tokens=400)

    def waste(groups):
        padded = sum(
            len(g) * int(lengths[g].max())
            for g in groups
            for lengths in (made.source_lengths, made.target_lengths)
        )
        return padded / float(made.source_lengths.sum() + made.target_lengths.sum())

    shuffled = np.array_split(np.random.default_rng(0).permutation(4000), made.updates)
    assert waste(made.order(0)) < 0.6 * waste(shuffled)


def test_company_changes_from_epoch_to_epoch():
    made = plan(examples=300, tokens=600)
    together = [{frozenset(u.tolist()) for u in made.order(epoch)} for epoch in (0, 1)]
    assert len(together[0] & together[1]) < 0.2 * made.updates


def test_one_example_longer_than_many_updates():
    made = UpdatePlan(np.array([1, 1, 500, 1, 1]), np.array([1, 1, 500, 1, 1]), 10, 1, 0)
    groups = made.order(0)
    assert sorted(np.concatenate(groups).tolist()) == [0, 1, 2, 3, 4]
    assert min(map(len, groups)) >= 1 and len(groups) == made.updates


def test_more_pieces_than_examples_leaves_some_empty():
    made = UpdatePlan(np.array([3, 3]), np.array([2, 2]), 0, 2, 0)
    assert sorted(map(len, batches(made, 4)[0])) == [0, 0, 1, 1]
