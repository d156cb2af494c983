# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the command line promises: a whole dataset or none, one sentence for an error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from data_builders.__main__ import main


@pytest.fixture()
def file(tmp_path) -> Path:
    path = tmp_path / "a.tsv"
    path.write_text("".join(f"q{i}\tr{i}\n" for i in range(40)) + "alone\n", encoding="utf-8")
    return path


def run(file: Path, *more: str) -> int:
    folder = file.parent
    shared = ["--output", str(folder / "out"), "--cache-dir", str(folder / "cache")]
    return main(["pairs", str(file), *shared, *more])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"cache"}


def test_writes_dataset_report_and_rejects(file, capsys):
    assert run(file, "--validation-fraction", "0.3", "--test-fraction", "0.2") == 0
    out = file.parent / "out"
    dataset = datasets.load_from_disk(str(out))
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["splits"] == {name: len(split) for name, split in dataset.items()}
    assert sorted(dataset) == ["test", "train", "validation"]
    assert report["kept"] == 40 and report["rejected"] == {"wrong number of columns": 1}
    rejects = [json.loads(line) for line in (out / "rejects.jsonl").read_text().splitlines()]
    rule = "wrong number of columns"
    assert rejects == [{"file": str(file), "line": 41, "rule": rule, "text": "alone"}]
    assert "40 dialogues kept" in capsys.readouterr().out
    assert names(file.parent) == {"a.tsv", "out"}


def test_existing_output_is_kept_unless_told(file, capsys):
    assert run(file) == 0
    file.write_text("new\treply\n", encoding="utf-8")
    assert run(file) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert json.loads((file.parent / "out" / "report.json").read_text())["kept"] == 40
    assert run(file, "--overwrite", "--validation-fraction", "0") == 0
    assert json.loads((file.parent / "out" / "report.json").read_text())["kept"] == 1
    assert names(file.parent) == {"a.tsv", "out"}


def test_overwrite_spares_a_folder_of_something_else(file, capsys):
    out = file.parent / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    assert run(file, "--overwrite") == 2
    assert "was not made by this command" in capsys.readouterr().err
    assert (out / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("existed", [False, True])
def test_a_failed_write_leaves_what_was_there(file, monkeypatch, capsys, existed):
    if existed:
        assert run(file) == 0
    before = names(file.parent)
    file.write_text("new\treply\n", encoding="utf-8")

    def full(dataset: object, folder: Path, **settings: object) -> None:
        Path(folder).mkdir()
        Path(folder, "half.arrow").write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("data_builders.output.folder.save_split", full)
    assert run(file, "--overwrite", "--validation-fraction", "0") == 2
    assert names(file.parent) == before
    if existed:
        assert len(datasets.load_from_disk(str(file.parent / "out"))["train"]) > 30


def test_a_failed_swap_puts_the_old_dataset_back(file, monkeypatch):
    assert run(file) == 0
    real = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if ".new-" in path.name:
            raise OSError("Device or resource busy")
        return real(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    assert run(file, "--overwrite", "--validation-fraction", "0") == 2
    assert names(file.parent) == {"a.tsv", "out"}
    assert json.loads((file.parent / "out" / "report.json").read_text())["splits"]["validation"]


def test_strict_stops_with_file_and_line(file, capsys):
    assert run(file, "--strict") == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"error: {file}:41: wrong number of columns")
    assert not (file.parent / "out").exists()


def test_error_of_a_real_process_is_one_line_without_traceback(tmp_path):
    command = [sys.executable, "-m", "data_builders", "pairs", "nowhere.tsv", "--output", "out"]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: nowhere.tsv does not exist.")
    assert len(done.stderr.strip().splitlines()) == 1


def test_chatterbot_command(tmp_path, capsys):
    out = tmp_path / "out"
    shared = ["--output", str(out), "--cache-dir", str(tmp_path / "cache")]
    assert main(["chatterbot", "--languages", "zh", *shared]) == 0
    assert set(datasets.load_from_disk(str(out))["train"]["lang"]) == {"zh"}
    assert "dialogues kept" in capsys.readouterr().out
