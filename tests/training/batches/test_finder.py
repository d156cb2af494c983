# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The search for a batch that fits, on a CPU with a memory of made-up size."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.tiny import tiny_model
from tfchat_hf.text.errors import UserError
from tfchat_hf.training.batches.finder import (
    MemoryProbe,
    Update,
    as_before,
    find_pieces,
    optimizer_ballast,
    smallest_pieces,
)

SOURCE = np.array([30, 2, 9, 10, 4])
TARGET = np.array([10, 8, 3, 20, 4])


@pytest.mark.parametrize(("limit", "found"), [(64, 1), (63, 2), (32, 2), (9, 8), (1, 64)])
def test_the_search_doubles_until_it_fits(limit, found):
    tried = []

    def fits(pieces):
        tried.append(pieces)
        return 64 / pieces <= limit

    assert smallest_pieces(fits, lambda pieces: pieces >= 64) == found
    assert tried == [2**n for n in range(int(math.log2(found)) + 1)]


def test_the_search_gives_up_where_pieces_get_no_smaller():
    tried = []
    assert smallest_pieces(lambda n: bool(tried.append(n)), lambda n: n >= 4) is None
    assert tried == [1, 2, 4]


def test_the_worst_pieces_are_the_longest_and_those_with_most_reply():
    # sums 40 10 12 30 8; shares of reply 0.25 0.8 0.25 0.67 0.5
    longest, wordiest = Update(SOURCE, TARGET, tokens=60).worst_pieces(1)
    assert longest.tolist() == [0, 3]  # 40 + 30 fill 60
    assert wordiest.tolist() == [1, 3, 4, 0]  # 10 + 30 + 8 + 40; of like shares the longer
    longest, wordiest = Update(SOURCE, TARGET, tokens=60).worst_pieces(2)
    assert longest.tolist() == [0] and wordiest.tolist() == [1, 3]


def test_pairs_are_cut_where_an_update_counts_pairs():
    update = Update(SOURCE, TARGET, tokens=0, pairs=5)
    assert [len(piece) for piece in update.worst_pieces(1)] == [5, 5]
    assert update.worst_pieces(2)[0].tolist() == [0, 3, 2]  # one of two is the larger
    assert not update.is_indivisible(4) and update.is_indivisible(8)


def test_single_pairs_are_indivisible():
    update = Update(SOURCE, TARGET, tokens=60)
    assert not update.is_indivisible(4)  # 10 fits into 15
    assert update.is_indivisible(8)


class FakeMemory:
    """A device that holds so many tokens and no more."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.held = 0

    def usable(self):
        return int(0.9 * self.tokens)

    def reset_peak(self):
        self.held = 0

    def peak(self):
        return self.held

    def hold(self, tokens):
        if tokens > self.tokens:
            raise torch.OutOfMemoryError(f"no room for {tokens}")
        self.held = max(self.held, tokens)


def trainer_of(model, memory, update):
    """Returns a real forward and backward pass that takes the fake memory."""

    def train_piece(rows):
        memory.hold(int((update.source + update.target)[rows].sum()))
        for row in rows:
            inputs = torch.full((1, int(update.source[row])), 7)
            labels = torch.full((1, int(update.target[row])), 8)
            model(input_ids=inputs, labels=labels).loss.backward()

    return train_piece


# The largest piece of an update of 60 tokens holds 88 tokens whole, 40 in halves (the longest
# pair, and 10 + 30), 40 in quarters and eighths.
@pytest.mark.parametrize(("tokens", "pieces"), [(98, 1), (97, 2), (88, 2), (45, 2)])
def test_pieces_fit_with_a_tenth_to_spare(tokens, pieces):
    model, said = tiny_model(), []
    update, memory = Update(SOURCE, TARGET, tokens=60), FakeMemory(tokens)
    found = find_pieces(model, update, trainer_of(model, memory, update), said.append, memory)
    assert found == pieces
    (line,) = said
    assert line.startswith(f"batch size: an update of 60 tokens a device fits in {pieces} piece")
    assert f"`gradient_accumulation_steps: {pieces}`" in line


@pytest.mark.parametrize("tokens", [44, 39])  # inside the margin, outside the memory
def test_a_pair_that_does_not_fit_is_an_error_with_its_lengths(tokens):
    model = tiny_model()
    update, memory = Update(SOURCE, TARGET, tokens=60), FakeMemory(tokens)
    with pytest.raises(UserError, match=r"one pair of 30 \+ 10 tokens .*max_source_length"):
        find_pieces(model, update, trainer_of(model, memory, update), print, memory)


@pytest.mark.parametrize("tokens", [98, 88, 39])
def test_nothing_is_left_behind(tokens):
    model = tiny_model(dropout=0.3)
    model.eval()
    kept = torch.ones_like(model.lm_head.weight)
    model.lm_head.weight.grad = kept
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.random.get_rng_state()
    update, memory = Update(SOURCE, TARGET, tokens=60), FakeMemory(tokens)
    MemoryProbe(model, update, trainer_of(model, memory, update), memory).fits(1)
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training
    assert model.lm_head.weight.grad is kept and torch.equal(kept, torch.ones_like(kept))
    others = [weight for weight in model.parameters() if weight is not model.lm_head.weight]
    assert all(weight.grad is None for weight in others)


def test_training_is_tried_in_training_mode_and_twice_for_each_worst_piece():
    model, seen = tiny_model(), []
    update, memory = Update(SOURCE, TARGET, tokens=60), FakeMemory(100)
    MemoryProbe(
        model, update, lambda rows: seen.append((rows.tolist(), model.training)), memory
    ).fits(1)
    assert seen == [([0, 3], True)] * 2 + [([1, 3, 4, 0], True)] * 2


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    def broken(rows):
        raise RuntimeError("shapes")

    model = tiny_model()
    with pytest.raises(RuntimeError, match="shapes"):
        find_pieces(model, Update(SOURCE, TARGET, tokens=60), broken, print, FakeMemory(100))


def test_what_was_changed_is_put_back_after_an_error_too():
    model, random = tiny_model(), torch.random.get_rng_state()
    with pytest.raises(ValueError), as_before(model):
        torch.rand(3)
        model.train()
        raise ValueError
    assert torch.equal(torch.random.get_rng_state(), random) and not model.training


def test_room_is_kept_for_the_moments_of_adam():
    model = tiny_model()
    model.lm_head.bias.requires_grad_(False)
    ballast = sum(tensor.numel() for tensor in optimizer_ballast(model))
    trained = sum(weight.numel() for weight in model.parameters()) - model.lm_head.bias.numel()
    assert ballast == 2 * trained


def test_a_cpu_is_told_that_it_is_none():
    said = []

    def never(rows):
        raise AssertionError

    found = find_pieces(tiny_model(), Update(SOURCE, TARGET, tokens=60), never, said.append)
    assert found is None
    assert said == [
        "note: `find_batch_size` only works on a GPU; on cpu the run keeps its "
        "`gradient_accumulation_steps`"
    ]
