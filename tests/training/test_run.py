# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A whole run: what survives a failure, what a resume uses, refuses and says."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

import train_hf
from data_builders.errors import UserError
from tests.cli_runs import Fault, run_alone, start, weights, write_settings
from tfchat_hf.publishing.upload_checks import check_whole
from tfchat_hf.publishing.upload_plan import plan_upload
from tfchat_hf.training import callbacks, reporting
from tfchat_hf.training.trainer import TFChatTrainer

UPDATES = ("--max_steps", "4", "--save_steps", "2")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Settings, and a finished run of four updates with two checkpoints."""
    folder = tmp_path_factory.mktemp("made")
    settings = write_settings(folder, tokens_per_update=128, lr_scheduler_type="constant")
    assert train_hf.main([str(settings), *UPDATES, "--output_dir", str(folder / "run")]) == 0
    return folder


@pytest.fixture
def run(made, tmp_path):
    """A copy of that run."""
    return shutil.copytree(made / "run", tmp_path / "run")


def train(made: Path, run: Path, *options: str) -> int:
    return train_hf.main(
        [str(made / "settings.yaml"), *UPDATES, "--output_dir", str(run), *options]
    )


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def state(run: Path, step: int) -> dict:
    return json.loads((run / f"checkpoint-{step}" / "trainer_state.json").read_text())


# ---------------------------------------------------------------------------- --overwrite


def test_a_failing_run_leaves_the_one_that_it_was_to_replace(made, run, monkeypatch, capsys):
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    before = contents(run)
    monkeypatch.setattr(reporting, "save_for_hub", full)
    assert train(made, run, "--overwrite", "--seed", "7") == 2
    assert "No space left" in capsys.readouterr().err
    after = contents(run)
    assert {name: after[name] for name in before} == before
    monkeypatch.undo()
    assert train(made, run, "--resume", "--seed", "7") == 0  # of the new one
    assert weights(run) != before["model.safetensors"]
    assert not list(run.glob(".*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_replacement_that_was_stopped_is_resumed_and_then_replaces(made, run, tmp_path, number):
    log, before = tmp_path / "log", contents(run)
    command = [str(made / "settings.yaml"), *UPDATES, "--output_dir", str(run), "--seed", "7"]
    code = run_alone([*command, "--overwrite"], log, Fault(number, update=3))
    assert code == (130 if number == signal.SIGTERM else -number)
    assert {name: contents(run)[name] for name in before} == before
    if code == 130:
        assert "--resume instead of --overwrite" in log.read_text()
    assert run_alone([*command, "--resume"], log) == 0, log.read_text()
    whole = tmp_path / "whole"
    assert run_alone([*command, "--output_dir", str(whole)], log) == 0
    assert weights(run) == weights(whole)
    assert yaml.safe_load((run / "run_config.yaml").read_text())["output_dir"] == str(run)
    assert "# run\n" in (run / "README.md").read_text(encoding="utf-8")


# ------------------------------------------------------------------ numbers that go wrong


def test_a_rate_that_ruins_the_weights_ends_the_run_at_its_last_good_checkpoint(
    made, tmp_path, capsys
):
    run = tmp_path / "run"
    assert train(made, run, "--max_steps", "2") == 0
    good = contents(run / "checkpoint-2")
    ruin = ["--max_steps", "30", "--learning_rate", "10", "--save_total_limit", "1"]
    assert train(made, run, "--resume", *ruin, "--logging_steps", "100") == 2
    said = capsys.readouterr()
    assert "finished:" not in said.out.split("resuming from")[1]
    assert "training went wrong" in said.err and "`learning_rate` (now 1.00e+01)" in said.err
    assert f"{run / 'checkpoint-2'} is good: add --resume" in said.err
    assert contents(run / "checkpoint-2") == good
    assert [path.name for path in run.glob("checkpoint-*")] == ["checkpoint-2"]
    assert train(made, run, "--resume", "--max_steps", "4") == 0


def test_a_loss_that_is_no_number_ends_the_run_before_the_next_update(
    made, tmp_path, monkeypatch, capsys
):
    add, seen = TFChatTrainer.compute_loss, []

    def spoiling(trainer: TFChatTrainer, *args: object, **kwargs: object) -> torch.Tensor:
        seen.append(trainer.state.global_step)
        loss = add(trainer, *args, **kwargs)
        return loss * float("nan") if seen[-1] == 2 else loss

    monkeypatch.setattr(TFChatTrainer, "compute_loss", spoiling)
    longer = ["--max_steps", "50", "--logging_steps", "50", "--save_steps", "50"]
    assert train(made, tmp_path / "run", *longer) == 2
    assert "training went wrong by update 3: loss or weights" in capsys.readouterr().err
    assert set(seen) == {0, 1, 2}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("saving", [["--save_strategy", "no"], ["--save_steps", "1"]])
def test_weights_that_are_no_numbers_are_no_finished_run(
    made, tmp_path, monkeypatch, capsys, value, saving
):
    step = TFChatTrainer.training_step

    def spoiling(trainer: TFChatTrainer, *args: object, **kwargs: object) -> torch.Tensor:
        loss = step(trainer, *args, **kwargs)
        if trainer.state.global_step == 3:  # of the last update: no loss will show it
            next(trainer.model.parameters()).grad.fill_(value)
        return loss

    monkeypatch.setattr(TFChatTrainer, "training_step", spoiling)
    run = tmp_path / "run"
    assert train(made, run, *saving) == 2
    said = capsys.readouterr()
    assert "no numbers any more" in said.err and "finished:" not in said.out
    assert not (run / "metrics.json").exists()
    kept = sorted(path.name for path in run.glob("checkpoint-*"))
    assert kept == ([] if "no" in saving else ["checkpoint-1", "checkpoint-2", "checkpoint-3"])
    last = f"{run / 'checkpoint-3'} is good" if kept else "There is no checkpoint before it"
    assert last in said.err


def test_a_model_whose_weights_are_no_numbers_is_not_published_nor_begun_with(
    made, run, tmp_path, capsys
):
    spoil(run)
    with pytest.raises(UserError, match="holds weights that are no numbers"):
        check_whole(plan_upload(run, "somebody/model"), run)
    assert train(made, tmp_path / "next", "--init_from", str(run)) == 2
    assert "weights that are no numbers" in capsys.readouterr().err


def test_a_checkpoint_whose_weights_are_no_numbers_is_passed_over(made, run, capsys):
    (run / "metrics.json").unlink()
    spoil(run / "checkpoint-4")
    assert train(made, run, "--resume") == 0
    said = capsys.readouterr().out
    assert "skipping checkpoint-4: model.safetensors holds weights that are no numbers" in said
    assert "resuming from checkpoint-2" in said


def spoil(folder: Path) -> None:
    """Makes one weight of a model infinite."""
    content = load_file(folder / "model.safetensors")
    next(iter(content.values())).view(-1)[0] = float("inf")
    save_file(content, folder / "model.safetensors", metadata={"format": "pt"})


# ------------------------------------------------------------------- resume, changed settings


def rates(run: Path) -> dict[int, float]:
    last = max(int(path.name.split("-")[1]) for path in run.glob("checkpoint-*"))
    return {
        row["step"]: row["learning_rate"]
        for row in state(run, last)["log_history"]
        if "loss" in row
    }


@pytest.mark.parametrize("muon", [0.0, 0.02])
def test_what_a_resume_changes_is_used_and_told(made, tmp_path, capsys, muon):
    run = tmp_path / "run"
    optimizer = ["--muon_learning_rate", str(muon), "--save_steps", "1"]
    assert train(made, run, "--max_steps", "2", *optimizer) == 0
    if muon:
        optimizer[1] = "0.005"
    changed = ["--learning_rate", "0.003", "--adam_beta2", "0.9", "--max_steps", "4"]
    assert train(made, run, "--resume", *changed, *optimizer) == 0
    said = capsys.readouterr().out
    assert "note: `learning_rate` was 0.01, now 0.003" in said
    assert rates(run)[3] == rates(run)[4] == 0.003
    kept = torch.load(run / "checkpoint-4" / "optimizer.pt", weights_only=True)["param_groups"]
    assert [group["lr"] for group in kept] == [0.003, 0.005 if muon else 0.003]
    assert all(group["betas"] == (0.9, 0.9) for group in kept)
    assert "| learning rate | 3.00e-03 " in (run / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load((run / "run_config.yaml").read_text())["learning_rate"] == 0.003


def test_another_schedule_is_used_from_the_next_update_on(made, tmp_path):
    run = tmp_path / "run"
    assert train(made, run, "--max_steps", "2") == 0
    assert train(made, run, "--resume", "--lr_scheduler_type", "linear", "--warmup_steps", "0") == 0
    assert rates(run)[3] == pytest.approx(0.01 * 2 / 4) and rates(run)[4] == pytest.approx(0.01 / 4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tokens_per_update", "256"], "`tokens_per_update` was 128"),
        (["--per_device_train_batch_size", "4"], "`tokens_per_update` was 128"),
        (["--optim", "sgd"], "`optim` was 'adamw_torch"),
        (["--muon_learning_rate", "0.01"], "`muon_learning_rate` was 0.0"),
        (
            ["--lr_scheduler_type", "greedy", "--eval_strategy", "epoch"],
            "`lr_scheduler_type` was 'constant'",
        ),
    ],
)
def test_what_a_resume_cannot_use_is_refused_by_name(made, run, capsys, options, words):
    (run / "metrics.json").unlink()
    before = contents(run)
    assert train(made, run, "--resume", "--max_steps", "8", *options) == 2
    said = capsys.readouterr().err
    assert words in said and f"--init_from {run / 'checkpoint-4'}" in said
    assert contents(run) == before


def test_a_best_checkpoint_is_not_compared_by_another_metric(made, tmp_path, capsys):
    best = ["--eval_strategy", "steps", "--eval_steps", "2", "--load_best_model_at_end"]
    run = tmp_path / "run"
    assert train(made, run, *best) == 0
    more = ["--resume", "--max_steps", "6", "--metric_for_best_model", "loss"]
    assert train(made, run, *best, *more) == 2
    assert "`metric_for_best_model` was 'selection_score'" in capsys.readouterr().err


def test_updates_of_so_many_pairs_stay_so_large(made, tmp_path, capsys):
    run, pairs = tmp_path / "run", ["--tokens_per_update", "0", "--per_device_train_batch_size"]
    assert train(made, run, *pairs, "4") == 0
    (run / "metrics.json").unlink()
    assert train(made, run, *pairs, "2", "--max_steps", "8", "--resume") == 2
    assert "an update was 4 pairs" in capsys.readouterr().err
    halves = [*pairs, "2", "--gradient_accumulation_steps", "2"]
    assert train(made, run, *halves, "--max_steps", "8", "--resume") == 0


def test_only_settings_that_change_the_result_make_a_note(made, run, capsys):
    (run / "metrics.json").unlink()
    same = ["--disable_tqdm", "true", "--logging_steps", "3", "--save_total_limit", "1"]
    same += ["--report_to", "none", "--eval_strategy", "epoch", "--hub_model_id", "a/b"]
    assert train(made, run, "--resume", *same) == 0
    said = capsys.readouterr().out
    assert "resuming from checkpoint-4" in said and "note: `" not in said
    (run / "metrics.json").unlink()
    assert train(made, run, "--resume", "--adam_beta1", "0.8", "--max_steps", "5") == 0
    assert "note: `adam_beta1` was 0.9, now 0.8" in capsys.readouterr().out


# --------------------------------------------------------------- a finished run trained further


def test_a_finished_run_is_trained_further_as_if_it_had_been_longer(made, run, tmp_path, capsys):
    assert train(made, run, "--resume", "--max_steps", "6") == 0
    assert "resuming from checkpoint-4" in capsys.readouterr().out
    whole = tmp_path / "whole"
    assert train(made, whole, "--max_steps", "6") == 0
    assert weights(run) == weights(whole)
    assert json.loads((run / "metrics.json").read_text())["run"]["steps"] == 6
    assert train(made, run, "--resume", "--max_steps", "6") == 0
    assert "nothing to resume" in capsys.readouterr().out


def test_a_finished_run_stays_finished_when_training_it_further_fails(made, run, tmp_path):
    log, before = tmp_path / "log", contents(run)
    command = [str(made / "settings.yaml"), *UPDATES, "--output_dir", str(run), "--resume"]
    command += ["--max_steps", "6"]
    assert run_alone(command, log, Fault(signal.SIGKILL, update=6)) == -signal.SIGKILL
    assert {name: contents(run)[name] for name in before} == before
    assert run_alone(command, log) == 0, log.read_text()
    assert json.loads((run / "metrics.json").read_text())["run"]["steps"] == 6


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], 0, "nothing to resume"),
        (["--max_steps", "3"], 0, "nothing to resume"),
        (["--learning_rate", "0.5"], 2, "`learning_rate` (was 0.01, now 0.5) would train nothing"),
        (["--generation_preset", "beam"], 2, "`generation_preset` (was"),
    ],
)
def test_a_finished_run_with_nothing_to_train_says_so_and_is_left_alone(
    made, run, capsys, options, code, words
):
    before = contents(run)
    assert train(made, run, "--resume", *options) == code
    said = capsys.readouterr()
    assert words in said.out + said.err
    assert contents(run) == before


def test_a_finished_run_without_checkpoints_names_another_way(made, run, capsys):
    for step in (2, 4):
        shutil.rmtree(run / f"checkpoint-{step}")
    assert train(made, run, "--resume", "--max_steps", "6") == 2
    assert f"--init_from {run} and another --output_dir" in capsys.readouterr().err


# ---------------------------------------------------------------------------- paths


@pytest.mark.parametrize("best", ["false", "true"])
def test_a_checkpoint_names_the_best_one_where_it_lies(made, tmp_path, capsys, caplog, best):
    options = ["--eval_strategy", "steps", "--eval_steps", "2", "--load_best_model_at_end", best]
    options += ["--predict_with_generate", "false", "--eval_relevance_samples", "0"]
    run, moved = tmp_path / "run", tmp_path / "moved"
    for more in [], ["--overwrite"]:
        assert train(made, run, *options, *more) == 0
        for step in (2, 4):
            assert ".saving" not in str(state(run, step))
    (run / "metrics.json").unlink()
    run.rename(moved)
    assert train(made, moved, *options, "--resume", "--max_steps", "6") == 0
    assert "does not exist anymore" not in caplog.text + capsys.readouterr().err
    named = state(moved, 6)["best_model_checkpoint"]
    assert named is None if best == "false" else Path(named).parent == moved


# ------------------------------------------------------------------ times and warm-ups


def test_times_are_those_of_all_parts_of_a_run(made, tmp_path, capsys, monkeypatch):
    run, clock = tmp_path / "run", iter(range(0, 10**6, 100))
    monkeypatch.setattr(callbacks, "_clocks", lambda: (float(now := next(clock)), now / 10))
    assert train(made, run, "--max_steps", "2") == 0
    first = json.loads((run / "metrics.json").read_text())["run"]["train_seconds"]
    capsys.readouterr()
    assert train(made, run, "--resume") == 0
    told = json.loads((run / "metrics.json").read_text())["run"]
    assert told["train_seconds"] > first > 0
    assert told["train_cpu_seconds"] == pytest.approx(told["train_seconds"] / 10)
    said = (
        f"trained in {told['train_seconds']:.0f} s ({told['train_cpu_seconds']:.0f} s of CPU, all"
    )
    assert said in capsys.readouterr().out
    assert "since checkpoint" not in (run / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said", "card"),
    [
        (["--warmup_steps", "100"], "rising to 4.00e-04 only: `warmup_steps` is 100", "4.00e-04"),
        (["--warmup_steps", "0.5"], "peak learning rate 1.00e-02 after 2 steps", "1.00e-02"),
    ],
)
def test_warm_up_and_peak_are_those_of_the_run(made, tmp_path, capsys, options, said, card):
    run = tmp_path / "run"
    assert train(made, run, "--lr_scheduler_type", "constant_with_warmup", *options) == 0
    assert said in capsys.readouterr().out
    text = (run / "README.md").read_text(encoding="utf-8")
    assert f"| {card} at its peak, constant\\_with\\_warmup, " in text


def test_a_schedule_without_warm_up_names_none(made, tmp_path, capsys):
    assert train(made, tmp_path / "run", "--warmup_steps", "100") == 0
    assert "peak learning rate 1.00e-02 after 0 steps" in capsys.readouterr().out
    assert "constant, 0 warm-up" in (tmp_path / "run" / "README.md").read_text(encoding="utf-8")


def test_the_warm_up_that_a_clock_has_shortened_stands_in_the_card(made, tmp_path, capsys):
    run = tmp_path / "run"
    clock = ["--max_steps", "-1", "--max_minutes", "0.03", "--save_strategy", "no"]
    assert train(made, run, *clock, "--warmup_steps", "5000") == 0
    shortened = capsys.readouterr().out.split("shortened to ")[1].split()[0]
    assert f"constant, {shortened} warm-up" in (run / "README.md").read_text(encoding="utf-8")


# ------------------------------------------------------------------ before anything is begun


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--gradient_accumulation_steps", "0"], "`gradient_accumulation_steps` must be at least"),
        (["--adam_beta2", "1.5"], "`adam_beta2`"),
        (["--lr_scheduler_type", "cosine_with_min_lr"], "`lr_scheduler_type`"),
        (["--per_device_eval_batch_size", "0"], "`per_device_eval_batch_size`"),
        (["--max_minutes", "1", "--lr_scheduler_type", "polynomial"], "`lr_scheduler_type`"),
        (["--gradient_accumulation_steps", "100"], "at most 8, the pairs that an update has"),
    ],
)
def test_wrong_settings_are_one_sentence_and_leave_the_run(made, run, capsys, options, words):
    before = contents(run)
    assert train(made, run, "--overwrite", *options) == 2
    said = capsys.readouterr()
    assert words in said.err and len(said.err.splitlines()) <= 2  # with "Loading ..."
    assert contents(run) == before


# ------------------------------------------------------------------------------ two at once


def test_a_second_training_is_refused_and_the_first_goes_on(made, tmp_path):
    run, log = tmp_path / "run", tmp_path / "log"
    command = [str(made / "settings.yaml"), "--output_dir", str(run), "--save_steps", "20"]
    first = start([*command, "--max_steps", "100000"], tmp_path / "first")
    while not (run / "checkpoint-20").exists():
        assert first.is_alive(), (tmp_path / "first").read_text()
        time.sleep(0.02)
    for way in [], ["--resume"], ["--overwrite"]:
        assert run_alone([*command, *UPDATES, *way], log) == 2
        assert f"Another run (process {first.pid}, begun " in log.read_text()
        assert first.is_alive()
    first.kill()
    first.join()
    # It left no lock behind.
    assert run_alone([*command, "--max_steps", "1", "--overwrite"], log) == 0, log.read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"run", "log", "first"}
