# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Processes that must be as many as were asked for, and stop together."""

from __future__ import annotations

import pytest
import torch
from torch import distributed

from data_builders.errors import UserError
from tfchat_hf.training.processes import Agreement, check_processes

BY_ACCELERATE = {"ACCELERATE_MIXED_PRECISION": "no"}


@pytest.mark.parametrize(
    ("running", "environment"),
    [
        (1, {}),
        (1, {"MASTER_ADDR": "10.0.0.1"}),  # a batch system's, for another program
        (1, BY_ACCELERATE),
        (1, {**BY_ACCELERATE, "MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": "1"}),
        (2, {**BY_ACCELERATE, "MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": "2"}),
    ],
)
def test_as_many_processes_as_asked_for(running, environment):
    check_processes(running, environment)


def test_fewer_processes_are_refused():
    with pytest.raises(UserError, match="asked for several processes and started one"):
        check_processes(1, {**BY_ACCELERATE, "MASTER_ADDR": "127.0.0.1"})
    with pytest.raises(UserError, match="DeepSpeed"):
        check_processes(2, {**BY_ACCELERATE, "ACCELERATE_USE_DEEPSPEED": "true"})
    with pytest.raises(UserError, match="asked for 4 processes .* and 2 runs"):
        check_processes(2, {"WORLD_SIZE": "4"})


def test_one_process_agrees_with_itself():
    agreement = Agreement()
    assert agreement.any(True) is True and agreement.any(False) is False


def _ask(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    agreement = Agreement()
    answers = [agreement.any(rank == 1), agreement.any(False)]
    torch.save(answers, f"{folder}/{rank}")
    distributed.destroy_process_group()


def test_each_process_learns_what_one_was_told(tmp_path):
    torch.multiprocessing.start_processes(_ask, (str(tmp_path),), 2, start_method="fork")
    for rank in (0, 1):
        assert torch.load(tmp_path / str(rank)) == [True, False]
