# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The command as a whole, on a small run: its files, its reruns, its refusals."""

from __future__ import annotations

import json
import math
import re
import runpy
import shutil
import sys
from pathlib import Path

import pytest

from tests.compare.small_run import TEST, TRAIN, small_run
from tfchat_hf.compare import compare
from tfchat_hf.compare.__main__ import main
from tfchat_hf.compare.decode import Decoder
from tfchat_hf.examples.evaluation_split import load_evaluation_split
from tfchat_hf.text.tokenizer_training import train_tokenizer

SOME = ("--presets", "creative", "--setting", "mine: top_k=5", "--batch-size", "4")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def done(run: Path) -> Path:
    """The folder of a comparison of three rows, one of them with two seeds."""
    assert main([str(run), *SOME, "--seeds", "2", "--device", "cpu"]) == 0
    return run / "compare"


def copied(done: Path, folder: Path) -> Path:
    """Copy what was decoded and measured, without the picture: a call there decodes nothing."""
    return shutil.copytree(done, folder / "compare", ignore=shutil.ignore_patterns("*.png"))


def read(folder: Path) -> dict:
    return json.loads((folder / "presets.json").read_text(encoding="utf-8"))


def test_all_rows_are_in_the_file_with_settings_and_seeds(done: Path) -> None:
    rows = {row["name"]: row for row in read(done)["rows"]}
    baselines = ["human", "nearest_question", "random_training_reply", "most_frequent_reply"]
    assert list(rows) == ["greedy", "creative", "mine", *baselines]
    assert [rows[name]["seeds"] for name in ("greedy", "creative", "human")] == [[0], [0, 1], []]
    assert rows["mine"]["settings"]["top_k"] == 5 and rows["mine"]["kind"] == "setting"
    assert rows["creative"]["ranges"] and not rows["greedy"]["ranges"]
    assert rows["greedy"]["bleu_over_greedy"] is None
    assert set(rows["mine"]["bleu_over_greedy"]) == {"value", "low", "high"}
    for row in rows.values():
        assert {"bleu", "copy_rate", "echo_share", "distinct_2"} <= row["figures"].keys() | (
            {"bleu"} if row["name"] == "human" else set()
        )


def test_the_file_says_what_was_measured_with(done: Path, run: Path) -> None:
    found = read(done)
    asked = load_evaluation_split(run, limit=500)
    assert found["questions"]["number"] == len(asked.questions)
    assert found["questions"]["split"] == "test" and found["questions"]["sha256"] == asked.digest
    assert found["questions"]["fingerprint"] == asked.fingerprint
    assert found["loss"]["perplexity"] == pytest.approx(math.exp(found["loss"]["loss"]))
    assert {"torch", "transformers", "datasets", "sacrebleu"} <= found["versions"].keys()
    assert str(run.parent) not in (done / "presets.json").read_text()


def test_the_table_and_the_picture_hold_no_word_of_the_corpus(done: Path) -> None:
    page = (done / "presets.md").read_text(encoding="utf-8")
    assert "creative" in page and "95 %" in page
    for asked, reply in [*TEST, *TRAIN]:
        assert asked not in page and not re.search(rf"\b{re.escape(reply)}\b", page)
    assert not (done / "samples.jsonl").exists()


def test_a_picture_is_there_with_matplotlib(done: Path) -> None:
    pytest.importorskip("matplotlib")
    assert (done / "presets.png").is_file()


def test_without_matplotlib_a_sentence_says_so(
    run: Path, done: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    folder = copied(done, tmp_path)
    assert main([str(run), *SOME, "--output", str(folder)]) == 0
    assert not (folder / "presets.png").exists()
    assert "matplotlib is missing; pip install" in capsys.readouterr().out


def test_a_rerun_measures_only_what_is_new(
    run: Path, done: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(compare, "exact_loss", None)
    monkeypatch.setattr(compare, "measure_relevance", None)
    folder = copied(done, tmp_path)
    before = {path.name: path.read_bytes() for path in (folder / "replies").iterdir()}
    more = ["--setting", "new: num_beams=2", "--output", str(folder), "--seeds", "2"]
    assert main([str(run), *SOME, *more]) == 0
    said = capsys.readouterr().out
    assert said.count("kept from an earlier call") == len(before) == 5
    assert "new: " in said
    after = {path.name: path.read_bytes() for path in (folder / "replies").iterdir()}
    assert len(after) == 6 and before.items() <= after.items()
    assert read(folder)["loss"] == read(done)["loss"]
    old = {row["name"]: row for row in read(done)["rows"]}
    assert all(row == old[row["name"]] for row in read(folder)["rows"] if row["name"] in old)


def test_a_stopped_call_keeps_whole_rows_and_says_how_to_go_on(
    run: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    answer = Decoder.answer

    def stopped(self: Decoder, row, seed, progress):
        if row.name == "mine":
            raise KeyboardInterrupt
        return answer(self, row, seed, progress)

    monkeypatch.setattr(Decoder, "answer", stopped)
    call = [str(run), *SOME, "--output", str(tmp_path)]
    assert main(call) == 130
    assert "the same command goes on" in capsys.readouterr().err
    names = sorted(path.name.split("-")[0] for path in (tmp_path / "replies").iterdir())
    assert names == ["creative", "greedy"] and not (tmp_path / "presets.json").exists()
    monkeypatch.undo()
    assert main(call) == 0
    assert capsys.readouterr().out.count("kept from an earlier call") == 2


def test_samples_are_written_only_where_they_are_asked_for(
    run: Path, done: Path, tmp_path: Path
) -> None:
    folder = copied(done, tmp_path)
    assert main([str(run), *SOME, "--samples", "2", "--output", str(folder)]) == 0
    lines = (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 2
    assert set(rows[0]) == {"context", "human", "greedy", "creative", "mine"}


def test_fewer_questions_of_another_split(run: Path, tmp_path: Path) -> None:
    call = [str(run), "--presets", "greedy", "--split", "validation", "--questions", "1"]
    assert main([*call, "--output", str(tmp_path)]) == 0
    found = read(tmp_path)["questions"]
    assert (found["split"], found["number"]) == ("validation", 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--questions", "-1"), "`--questions` must be at least 0 (got -1)"),
        (("--batch-size", "0"), "`--batch-size` must be at least 1 (got 0)"),
        (("--seeds", "0"), "`--seeds` must be at least 1 (got 0)"),
        (("--reverse-model", "no/such"), "There is no folder no/such"),
        (("--presets", "nope"), "got 'nope'"),
        (("--setting", "x: temperature=-1"), "'x' cannot be used: `temperature`"),
        (("--dataset", "no/such.jsonl"), "no/such.jsonl"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    run: Path, tmp_path: Path, capsys, options: tuple[str, str], message: str
) -> None:
    assert main([str(run), "--output", str(tmp_path), *options]) == 2
    error = capsys.readouterr().err.removeprefix(f"Loading {run} ...\n")
    assert error.startswith("error: ") and message in error and "Traceback" not in error
    assert not (tmp_path / "presets.json").exists()


def test_a_reverse_model_must_be_one(run: Path, tmp_path: Path, capsys) -> None:
    call = [str(run), "--output", str(tmp_path), "--reverse-model", str(run)]
    assert main(call) == 2
    assert "must be trained with `swap_sides: true`" in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys) -> None:
    assert main([str(tmp_path)]) == 2
    assert "no config.json" in capsys.readouterr().err


def reverse_of(run: Path, folder: Path) -> Path:
    """Copies a run and calls it one with the sides swapped."""
    copied = shutil.copytree(run, folder / "reverse", ignore=shutil.ignore_patterns("compare"))
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "swap_sides": True}))
    return copied


def test_with_a_reverse_model_the_rows_that_need_it_are_there(run: Path, tmp_path: Path) -> None:
    call = [str(run), "--presets", "mutual", "--reverse-model", str(reverse_of(run, tmp_path))]
    assert main([*call, "--output", str(tmp_path / "out")]) == 0
    found = read(tmp_path / "out")
    assert [row["name"] for row in found["rows"]][:2] == ["greedy", "mutual"]
    assert found["reverse_model"] == "reverse" and not found["left_out"]


def test_a_reverse_model_of_another_vocabulary_is_refused(
    run: Path, tmp_path: Path, capsys
) -> None:
    reverse = reverse_of(run, tmp_path)
    train_tokenizer(["other words"] * 50, "subword-bpe", 300, 64).save_pretrained(reverse)
    assert main([str(run), "--reverse-model", str(reverse), "--output", str(tmp_path)]) == 2
    assert "another vocabulary" in capsys.readouterr().err


def test_the_old_name_of_the_command_points_to_the_new_one(capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("tfchat_hf.ladder", run_name="__main__")
    assert stopped.value.code == 2
    assert "python -m tfchat_hf.compare" in capsys.readouterr().err
