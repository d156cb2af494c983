# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The benchmarks of decoding compare contenders that say the same, and count what they say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import generation  # noqa: E402
from generation_peers.clock import StepClock  # noqa: E402
from generation_peers.hand_loop import HandLoop  # noqa: E402

SMALL = "--d-model 16 --layers 2 --vocabulary 60 --new 9 --positions 32 --rounds 1".split()


def arguments(*more: str):
    return generation._parser().parse_args([*SMALL, *more])


@pytest.mark.parametrize("batch", [1, 5])
def test_the_loop_written_by_hand_gives_the_tokens_of_the_model(batch) -> None:
    settings = arguments()
    model = generation.random_model(settings)
    given = generation.questions(settings, batch, 3)
    made = HandLoop(model).greedy(*given.values(), 9)
    assert torch.equal(made, model.generate(**given, max_new_tokens=9))
    assert len(set(made[0].tolist())) > 3


def test_every_contender_makes_full_replies_and_equal_ones_are_said_to_be_so(capsys) -> None:
    settings = arguments("--only", "transformers,loop,ours,ours-sample,transformers-sample")
    rows = {
        row["contender"]: row
        for row in generation.compare(generation.random_model(settings), 2, settings)
    }
    assert set(rows) == set(settings.only.split(","))
    assert all(row["tokens equal"] == 1.0 for row in rows.values())
    assert all(row["tok/s"] > 0 for row in rows.values())
    text = "\n".join(generation.table(list(rows.values())))
    assert "| ours |" in text and "x loop" in text


def test_a_step_clock_counts_the_steps_between_two_tokens() -> None:
    settings = arguments()
    model, clock = generation.random_model(settings), StepClock()
    model.generate(
        **generation.questions(settings, 1, 0), max_new_tokens=9, logits_processor=[clock]
    )
    assert len(clock.steps()) == 8
