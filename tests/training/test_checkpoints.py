# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Checkpoints: whole or not at all, named when whole, deleted in the right order."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tfchat_hf.settings import run_folder
from tfchat_hf.settings.run_folder import (
    STAGING,
    checkpoint_problem,
    list_checkpoints,
    pickle_problem,
    process_count,
)
from tfchat_hf.training import checkpoints
from tfchat_hf.training.checkpoints import publish, rotate, sweep


def make_checkpoint(folder: Path, step: int) -> Path:
    """Writes the files that a resume needs, with little in them."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    (path / "config.json").write_text("{}")
    save_file({"weight": torch.arange(64.0)}, path / "model.safetensors")
    torch.save({"state": torch.arange(64.0)}, path / "optimizer.pt")
    torch.save({"last_epoch": step}, path / "scheduler.pt")
    torch.save({"cpu": torch.random.get_rng_state()}, path / "rng_state.pth")
    return path


NEEDED = ["trainer_state.json", "config.json", "model.safetensors"]
NEEDED += ["optimizer.pt", "scheduler.pt", "rng_state.pth"]


@pytest.mark.parametrize("name", NEEDED)
def test_no_part_of_a_needed_file_may_be_missing(tmp_path, name):
    path = make_checkpoint(tmp_path, 5)
    assert checkpoint_problem(path) is None
    whole = (path / name).read_bytes()
    # every length for small files, every eighth part and the last byte for all
    lengths = {len(whole) * part // 8 for part in range(8)} | {len(whole) - 1}
    for length in sorted(lengths):
        (path / name).write_bytes(whole[:length])
        assert name in (checkpoint_problem(path) or ""), length
    (path / name).write_bytes(bytes(len(whole)))  # what a power cut leaves of a file
    assert name in (checkpoint_problem(path) or "")
    (path / name).unlink()
    assert name in (checkpoint_problem(path) or "")
    (path / name).mkdir()
    assert checkpoint_problem(path) is not None


def test_a_changed_byte_of_the_optimizer_is_found(tmp_path):
    path = make_checkpoint(tmp_path, 5) / "optimizer.pt"
    content = bytearray(path.read_bytes())
    place = content.index(torch.tensor(42.0).numpy().tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert pickle_problem(path) == "optimizer.pt is damaged"


def test_a_checkpoint_of_another_step_is_none(tmp_path):
    shutil.copytree(make_checkpoint(tmp_path, 5), tmp_path / "checkpoint-6")
    assert checkpoint_problem(tmp_path / "checkpoint-6") == "trainer_state.json is of step 5"


def test_an_empty_folder_and_fsdps_names(tmp_path):
    (tmp_path / "checkpoint-1").mkdir()
    assert checkpoint_problem(tmp_path / "checkpoint-1") is not None
    path = make_checkpoint(tmp_path, 5)
    (path / "optimizer.pt").rename(path / "optimizer.bin")
    assert checkpoint_problem(path) is None
    (path / "rng_state.pth").rename(path / "rng_state_0.pth")
    assert process_count(path) == 1
    shutil.copy(path / "rng_state_0.pth", path / "rng_state_1.pth")
    assert checkpoint_problem(path) is None and process_count(path) == 2


class Call:
    """Calls os.getpid when it is unpickled."""

    def __reduce__(self):
        return os.getpid, ()


def test_a_pickle_may_name_no_function(tmp_path):
    torch.save({"state": Call()}, tmp_path / "optimizer.pt")
    assert "would run code (posix.getpid)" in pickle_problem(tmp_path / "optimizer.pt")


def test_checkpoints_are_sorted_by_number_and_nothing_else_is_one(tmp_path):
    for name in ("checkpoint-9", "checkpoint-10", "checkpoint-x", f"{STAGING}/checkpoint-11"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "checkpoint-12").touch()
    assert [path.name for path in list_checkpoints(tmp_path)] == ["checkpoint-10", "checkpoint-9"]


def test_publishing_replaces_a_checkpoint_of_the_same_step(tmp_path):
    final = make_checkpoint(tmp_path, 5)
    (final / "old").touch()
    staged = make_checkpoint(tmp_path / STAGING, 5)
    publish(staged, final)
    assert checkpoint_problem(final) is None and not (final / "old").exists()
    assert not (tmp_path / STAGING).exists()


def test_death_between_the_renames_loses_nothing(tmp_path, monkeypatch):
    final = make_checkpoint(tmp_path, 5)
    (final / "old").touch()
    staged = make_checkpoint(tmp_path / STAGING, 5)
    rename, calls = os.replace, []

    def die_at_the_second(source, target):
        calls.append(source)
        if len(calls) == 2:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(checkpoints.os, "replace", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        publish(staged, final)
    monkeypatch.undo()
    assert not final.exists()
    sweep(tmp_path)
    assert (final / "old").exists() and checkpoint_problem(final) is None
    assert not (tmp_path / STAGING).exists()


def test_sweeping_keeps_whole_checkpoints(tmp_path):
    make_checkpoint(tmp_path, 5)
    (tmp_path / STAGING / "checkpoint-6").mkdir(parents=True)
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-5"]
    sweep(tmp_path / "nowhere")


# steps there, the newest, the best, the limit: what stays
@pytest.mark.parametrize(
    ("steps", "newest", "best", "limit", "kept"),
    [
        ([2, 4, 10], 10, None, 2, [4, 10]),
        ([2, 4, 10], 10, 2, 2, [2, 10]),
        ([2, 4, 10], 10, 2, 1, [2, 10]),
        ([2, 4, 10], 10, None, 1, [10]),
        ([2, 4, 10], 10, 10, 1, [10]),
        ([2, 4], 4, None, None, [2, 4]),
        ([2, 4], 4, None, 0, [2, 4]),
        # 12 was torn and passed over; the run went on from 8 and has now written 10
        ([8, 10, 12], 10, None, 1, [10]),
        ([8, 10, 12], 10, None, 2, [8, 10]),
    ],
)
def test_what_a_limit_leaves(tmp_path, steps, newest, best, limit, kept):
    for step in steps:
        (tmp_path / f"checkpoint-{step}").mkdir()
    best_path = None if best is None else tmp_path / f"checkpoint-{best}"
    rotate(tmp_path, tmp_path / f"checkpoint-{newest}", best_path, limit)
    assert sorted(checkpoints.checkpoint_step(path) for path in tmp_path.iterdir()) == kept


@pytest.mark.parametrize("limit", [-1, 0, None])
def test_a_limit_that_is_none_keeps_all(tmp_path, limit):
    for step in (1, 2, 3):
        make_checkpoint(tmp_path, step)
    rotate(tmp_path, tmp_path / "checkpoint-3", None, limit)
    assert len(list_checkpoints(tmp_path)) == 3


def test_death_while_deleting_leaves_no_half_of_a_checkpoint(tmp_path, monkeypatch):
    make_checkpoint(tmp_path, 1)
    newest = make_checkpoint(tmp_path, 2)

    def die(folder, **_):
        next(path for path in Path(folder).rglob("*") if path.is_file()).unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(run_folder.shutil, "rmtree", die)
    with pytest.raises(KeyboardInterrupt):
        rotate(tmp_path, newest, None, 1)
    monkeypatch.undo()
    assert list_checkpoints(tmp_path) == [newest]
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]
