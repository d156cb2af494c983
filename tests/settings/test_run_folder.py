# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What may be written over, and how a new run takes the place of the one before it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from data_builders.errors import UserError
from tfchat_hf.settings.run_folder import REPLACEMENT, RunFolder


def make_run(folder: Path, text: str, *more: str) -> RunFolder:
    """Write a finished run of a few small files."""
    for name in ("run_config.yaml", "model.safetensors", "config.json", "README.md", *more):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    run = RunFolder(folder)
    run.finish({"by": text})
    return run


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["README.md", "model.safetensors", "samples.jsonl"])
@pytest.mark.parametrize("way", [{}, {"overwrite": True}, {"overwrite": False, "resume": True}])
def test_files_that_no_run_wrote_are_not_written_over(tmp_path, name, way):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=f"holds {name}, which no run of this program wrote"):
        RunFolder(tmp_path).check_free(**{"overwrite": False, **way})


def test_checkpoints_of_another_program_are_not_deleted(tmp_path):
    (tmp_path / "checkpoint-500").mkdir()
    with pytest.raises(UserError, match="checkpoint-500"):
        RunFolder(tmp_path).check_free(overwrite=True)


def test_files_that_a_run_does_not_write_are_no_obstacle(tmp_path):
    (tmp_path / "train.log").write_text("mine")
    RunFolder(tmp_path).check_free(overwrite=False)


def test_a_run_that_replaces_another_has_a_place_of_its_own(tmp_path):
    run = make_run(tmp_path, "old")
    assert run.workplace(overwrite=True, resume=False).path == tmp_path / REPLACEMENT
    assert run.workplace(overwrite=False, resume=True).path == tmp_path
    (tmp_path / REPLACEMENT / "checkpoint-2").mkdir(parents=True)
    assert run.workplace(overwrite=False, resume=True).path == tmp_path / REPLACEMENT
    assert run.workplace(overwrite=False, resume=True).place == tmp_path
    with pytest.raises(UserError, match="--resume to go on with the new one"):
        run.check_free(overwrite=False)
    empty = RunFolder(tmp_path / "empty")
    assert empty.workplace(overwrite=True, resume=False).path == empty.path == empty.place


def test_clearing_a_replacement_leaves_the_run(tmp_path):
    run = make_run(tmp_path, "old")
    before = contents(tmp_path)
    (tmp_path / REPLACEMENT / "checkpoint-1").mkdir(parents=True)
    (tmp_path / REPLACEMENT / "samples_during_training.jsonl").touch()
    run.workplace(overwrite=True, resume=False).clear()
    assert contents(tmp_path) == before


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_files_of_a_finished_model_come_whole_or_not_at_all(tmp_path, error):
    run = make_run(tmp_path, "old", "curves.png")
    with contextlib.suppress(KeyboardInterrupt), run.adding() as fresh:
        (fresh / "model.safetensors").write_text("new")
        if error:
            raise error
    kept = dict.fromkeys(("run_config.yaml", "config.json", "README.md"), "old")
    # A picture of the run before would be of other numbers.
    assert contents(tmp_path) == {**kept, "model.safetensors": "old" if error else "new"}
    assert not run.finished and {path.name for path in tmp_path.iterdir()} == {*contents(tmp_path)}


# How many renames happen before the process dies; the one that finishes it is any later one.
@pytest.mark.parametrize("renames", range(7))
def test_a_run_takes_the_place_of_another_though_it_is_killed(tmp_path, monkeypatch, renames):
    make_run(tmp_path, "old", "checkpoint-9/x", "memory/x", "notes.txt")
    from tfchat_hf.settings import run_folder

    rename, done = run_folder.os.replace, []

    def dying(source: Path, target: Path) -> None:
        done.append(target)
        if Path(source).parts[len(tmp_path.parts)] in (REPLACEMENT, ".arriving"):
            dying.count += 1
            if dying.count > renames:
                raise KeyboardInterrupt
        rename(source, target)

    dying.count = -1  # the first is that of metrics.json, within the new run
    monkeypatch.setattr(run_folder.os, "replace", dying)
    try:
        make_run(tmp_path / REPLACEMENT, "new", "checkpoint-3/x", "tokenizer.json")
    except KeyboardInterrupt:
        monkeypatch.undo()
        RunFolder(tmp_path).check_free(overwrite=True)  # the next command asks before it settles
        RunFolder(tmp_path).settle()
    names = ("run_config.yaml", "model.safetensors", "config.json", "README.md")
    made = dict.fromkeys((*names, "checkpoint-3/x", "tokenizer.json"), "new")
    found = contents(tmp_path)
    assert '"new"' in found.pop("metrics.json")
    assert found == {**made, "notes.txt": "old"}
    assert RunFolder(tmp_path).finished and not (tmp_path / REPLACEMENT).exists()
