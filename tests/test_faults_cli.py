# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Runs that are stopped, killed and robbed of their disk go on as if nothing had happened."""

from __future__ import annotations

import os
import pickle
import pkgutil
import resource
import shutil
import signal
from pathlib import Path

import pytest
import torch

from . import cli_runs
from .cli_runs import Fault, logged, run_alone, weights

# 22 training pairs, 4 an update in 2 batches: update 6 ends the first epoch with the 2 pairs that
# are left, 12 the second.
UPDATES = 13
COMMON = ["--tokens_per_update", "0", "--per_device_train_batch_size", "2"]
COMMON += ["--gradient_accumulation_steps", "2", "--max_steps", str(UPDATES)]
COMMON += ["--dropout", "0.2", "--attention_dropout", "0.1", "--activation_dropout", "0.1"]
VARIANTS = {
    "float32": [],
    "bfloat16": ["--bf16", "true"],
    "one loader worker": ["--dataloader_num_workers", "1"],
    "evaluation and replies between": [
        *["--eval_strategy", "steps", "--eval_steps", "2", "--predict_with_generate"],
        *["--load_best_model_at_end", "--save_steps", "4"],
    ],
}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    cli_runs.write_settings(folder)
    return folder


@pytest.fixture(scope="module")
def uninterrupted(workshop):
    """Gives the folder of a run that nothing struck; each variant runs once."""
    done = {}

    def run(variant: str) -> Path:
        if variant not in done:
            done[variant] = train(workshop, workshop / f"whole {variant}", VARIANTS[variant])
        return done[variant]

    return run


def command(workshop: Path, folder: Path, *more: str) -> list[str]:
    """Words a command line of the common settings."""
    return [str(workshop / "settings.yaml"), *COMMON, *more, "--output_dir", str(folder)]


def train(workshop: Path, folder: Path, options: list[str]) -> Path:
    """Trains to the end."""
    log = workshop / "log"
    assert run_alone(command(workshop, folder, *options), log) == 0, log.read_text()
    return folder


def assert_same(folder: Path, whole: Path) -> None:
    """Compares two finished runs: every bit of the weights, every number that was logged."""
    assert weights(folder) == weights(whole)
    assert logged(folder) == logged(whole)
    assert [row["step"] for row in logged(whole) if "loss" in row] == list(range(1, UPDATES + 1))


# Batch 1 is the middle of an accumulation window, 2 its end.
@pytest.mark.parametrize(
    ("variant", "number", "update", "batch"),
    [
        ("float32", signal.SIGINT, 4, 1),
        ("bfloat16", signal.SIGTERM, 9, 2),
        *(
            pytest.param(*fault, marks=pytest.mark.slow)
            for fault in (
                ("float32", signal.SIGTERM, 6, 1),
                ("one loader worker", signal.SIGINT, 9, 1),
                ("evaluation and replies between", signal.SIGTERM, 4, 2),
            )
        ),
    ],
)
def test_a_stopped_run_goes_on_to_the_bit(
    workshop, uninterrupted, tmp_path, variant, number, update, batch
):
    fault = Fault(number, update=update, batch=batch)
    check_stopped_run(workshop, uninterrupted(variant), tmp_path, variant, fault)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("update", range(1, UPDATES))
def test_a_run_stopped_anywhere_goes_on_to_the_bit(
    workshop, uninterrupted, tmp_path, variant, number, update
):
    fault = Fault(number, update=update)
    check_stopped_run(workshop, uninterrupted(variant), tmp_path, variant, fault)


def check_stopped_run(
    workshop: Path, whole: Path, folder: Path, variant: str, fault: Fault
) -> None:
    """Stops a run by a signal, resumes it and compares."""
    run, log = folder / "run", folder / "log"
    arguments = command(workshop, run, *VARIANTS[variant])
    assert run_alone(arguments, log, fault) == 130, log.read_text()
    assert f"stopping: writing a checkpoint of step {fault.update} ..." in log.read_text()
    assert not (run / "metrics.json").exists()
    assert run_alone([*arguments, "--resume"], log) == 0, log.read_text()
    assert f"resuming from checkpoint-{fault.update}\n" in log.read_text()
    assert_same(run, whole)


def test_a_killed_run_goes_on_from_its_last_checkpoint(workshop, uninterrupted, tmp_path):
    log, options = tmp_path / "log", ["--save_steps", "4"]
    arguments = command(workshop, tmp_path / "run", *options)
    assert run_alone(arguments, log, Fault(signal.SIGKILL, update=11)) == -signal.SIGKILL
    assert run_alone([*arguments, "--resume"], log) == 0, log.read_text()
    assert "resuming from checkpoint-8\n" in log.read_text()
    assert_same(tmp_path / "run", uninterrupted("float32"))


def test_a_run_killed_while_it_saves_leaves_no_torn_checkpoint(workshop, uninterrupted, tmp_path):
    # Each checkpoint calls torch.save for optimizer, schedule, random numbers and settings; the
    # sixth call is in the second checkpoint.
    log, run = tmp_path / "log", tmp_path / "run"
    arguments = command(workshop, run, "--save_steps", "3", "--save_total_limit", "1")
    assert run_alone(arguments, log, Fault(signal.SIGKILL, saved=6)) == -signal.SIGKILL
    assert [path.name for path in run.glob("checkpoint-*")] == ["checkpoint-3"]
    assert list(run.glob(".saving/*"))  # it did die while writing
    assert run_alone([*arguments, "--resume"], log) == 0, log.read_text()
    assert "resuming from checkpoint-3\n" in log.read_text()
    assert not (run / ".saving").exists()
    assert_same(run, uninterrupted("float32"))


@pytest.fixture(scope="module")
def saved(workshop):
    """A run with checkpoints 4, 8, 12 and 13."""
    return train(workshop, workshop / "saved", ["--save_steps", "4"])


def damaged_copy(saved: Path, folder: Path) -> Path:
    """Copies a run as it was before its end."""
    run = folder / "run"
    shutil.copytree(saved, run)
    for name in ("metrics.json", "model.safetensors"):
        (run / name).unlink()
    return run


def test_damaged_checkpoints_are_passed_over(workshop, uninterrupted, saved, tmp_path):
    run, log = damaged_copy(saved, tmp_path), tmp_path / "log"
    (run / f"checkpoint-{UPDATES}" / "optimizer.pt").unlink()
    os.truncate(run / "checkpoint-12" / "model.safetensors", 2000)
    (run / "checkpoint-11").mkdir()
    shutil.copytree(run / "checkpoint-8", run / "checkpoint-10")
    cut_off = run / "checkpoint-8" / "optimizer.pt"
    os.truncate(cut_off, os.path.getsize(cut_off) // 2)
    assert run_alone([*command(workshop, run, "--save_steps", "4"), "--resume"], log) == 0
    said = log.read_text()
    assert "skipping checkpoint-13: optimizer.pt is missing" in said
    assert "skipping checkpoint-12: model.safetensors is cut off" in said
    assert "skipping checkpoint-11: trainer_state.json is missing or empty" in said
    assert "skipping checkpoint-10: trainer_state.json is of step 8" in said
    assert "skipping checkpoint-8: optimizer.pt is cut off" in said
    assert "resuming from checkpoint-4\n" in said
    assert_same(run, uninterrupted("float32"))


class Poison:
    """Writes a file when it is unpickled, as a stranger's checkpoint would do worse."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "ran")


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "bare pickle"])
@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_no_foreign_pickle_is_run(saved, tmp_path, name, archive):
    from tfchat_hf.settings.run_folder import checkpoint_problem

    checkpoint = shutil.copytree(saved / "checkpoint-4", tmp_path / "checkpoint-4")
    assert checkpoint_problem(checkpoint) is None
    mark = tmp_path / "mark"
    if archive:
        torch.save({"state": Poison(mark)}, checkpoint / name)
    else:
        (checkpoint / name).write_bytes(pickle.dumps(Poison(mark)))
    assert name in (checkpoint_problem(checkpoint) or "")
    assert not mark.exists()
    with pytest.raises(pickle.UnpicklingError):  # what transformers does, if it came so far
        torch.load(checkpoint / name, weights_only=True)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Poison(mark)))
    assert mark.exists()  # the poison is one


# The second checkpoint: its weights, by safetensors; the rest of it, by torch.save, of which each
# checkpoint makes four files. Then what is written after the last checkpoint, 13.
@pytest.mark.parametrize(
    ("place", "name", "call", "what", "last"),
    [
        ("transformers:PreTrainedModel", "save_pretrained", 2, "`checkpoint-6`", 3),
        ("torch", "save", 6, "`checkpoint-6`", 3),
        ("transformers:PreTrainedModel", "save_pretrained", 6, "the finished model", 13),
    ],
    ids=["weights", "optimizer", "finished model"],
)
def test_a_full_disk_is_one_sentence_and_costs_no_checkpoint(
    workshop, uninterrupted, tmp_path, place, name, call, what, last
):
    log, run = tmp_path / "log", tmp_path / "run"
    arguments = command(workshop, run, "--save_steps", "3", "--save_total_limit", "1")
    assert run_alone(arguments, log, FullDisk(place, name, call)) == 2
    errors = [line for line in log.read_text().splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "Traceback" not in log.read_text()
    assert f"{what} could not be written" in errors[0] and "--resume" in errors[0]
    assert [path.name for path in run.glob("checkpoint-*")] == [f"checkpoint-{last}"]
    assert not (run / ".saving").exists() and not (run / "metrics.json").exists()
    assert run_alone([*arguments, "--resume"], log) == 0, log.read_text()
    assert f"resuming from checkpoint-{last}\n" in log.read_text()
    assert_same(run, uninterrupted("float32"))


class FullDisk(Fault):
    """Lets no file grow beyond 4 kB, from one call of a method that writes on."""

    def __init__(self, place: str, name: str, call: int) -> None:
        super().__init__(number=0)
        object.__setattr__(self, "trap", (place, name, call))

    def arm(self) -> None:
        (where, name, call), seen = self.trap, []
        place = pkgutil.resolve_name(where)
        write = getattr(place, name)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        def writing(*args, **kwargs) -> None:
            seen.append(1)
            if len(seen) == call:
                resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
            write(*args, **kwargs)

        setattr(place, name, writing)
