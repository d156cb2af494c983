# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Variants of a recipe are trained once, each with its share of the budget, and tabled."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import recipes  # noqa: E402

from tests.cli_runs import run_alone, write_settings  # noqa: E402


@pytest.mark.parametrize(
    ("text", "name", "stages"),
    [
        ("base:", "base", [{}]),
        ("wide: d_model=64, dropout=0.2", "wide", [{"d_model": "64", "dropout": "0.2"}]),
        ("both: languages=zh,en,seed=3", "both", [{"languages": "zh,en", "seed": "3"}]),
        ("two: max_steps=4 then dataset=a.tsv", "two", [{"max_steps": "4"}, {"dataset": "a.tsv"}]),
        ("half: then dropout=0", "half", [{}, {"dropout": "0"}]),
    ],
)
def test_a_variant_is_a_name_and_the_settings_of_its_stages(text, name, stages):
    assert recipes.parse_variant(text) == recipes.Variant(name, stages)


@pytest.mark.parametrize("text", ["no colon", ": d_model=3", "a: d_model", "a: d-model=3"])
def test_what_is_no_variant_is_refused(text):
    with pytest.raises(ValueError, match="--variant"):
        recipes.parse_variant(text)


def test_mean_and_range_by_hand():
    assert recipes.spread([1.0, 2.0, 6.0], 2) == "3.00 (1.00 to 6.00)"
    assert recipes.spread([1234.0, 1234.0], 0) == "1,234"
    assert recipes.spread([1.0, None], 2) == recipes.spread([], 2) == "-"


def finished(output: Path, name: str, steps: int, seconds: float, **figures: float) -> None:
    """Writes what a finished run and the runner leave."""
    (output / name).mkdir(parents=True)
    metrics = {"run": {"parameters": 1000, "steps": steps}, "validation": figures}
    (output / name / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    (output / f"{name}.json").write_text(json.dumps({"cpu_seconds": seconds}), encoding="utf-8")


def test_the_table_adds_stages_and_averages_seeds(tmp_path):
    finished(tmp_path, "two-seed-1-stage-1", 30, 60.0, loss=9.0)
    finished(tmp_path, "two-seed-1", 10, 120.0, loss=3.0, perplexity=20.0, hits_at_1=0.5)
    finished(tmp_path, "one-seed-1", 40, 180.0, loss=4.0, perplexity=54.6)
    finished(tmp_path, "one-seed-2", 44, 180.0, loss=5.0, perplexity=148.4)
    variants = [recipes.parse_variant(text) for text in ("two: then", "one:", "none:")]
    lines = recipes.table_lines(tmp_path, variants, [1, 2])
    assert lines[0] == (
        "| variant | seeds | parameters | updates | CPU minutes | loss | perplexity | "
        "bits per character | question gain | hits at 1 |"
    )
    assert lines[2:] == [
        "| two | 1 | 1,000 | 40 | 3.0 | 3.000 | 20.0 | - | - | 0.500 |",
        "| one | 2 | 1,000 | 42 (40 to 44) | 3.0 | 4.500 (4.000 to 5.000) | "
        "101.5 (54.6 to 148.4) | - | - | - |",
        "| none | 0 | - | - | - | - | - | - | - | - |",
    ]


@pytest.mark.slow
def test_variants_are_trained_once_and_a_stage_begins_with_the_one_before(
    tmp_path, capsys, monkeypatch
):
    def forked(command: list[str], log: Path) -> tuple[int, float]:
        """Takes a second instead of ten; the test below starts processes as the command does."""
        return run_alone(command[3:], log), 1.5

    monkeypatch.setattr(recipes, "_run", forked)
    base = write_settings(tmp_path, save_strategy="no", predict_with_generate=False)
    output = tmp_path / "recipes"
    command = [str(base), "--output", str(output), "--max_steps", "4"]
    command += ["--variant", "two stages: dropout=0.1 then learning_rate=1e-4"]
    assert recipes.main(command) == 0
    folders = ["two-stages-seed-1-stage-1", "two-stages-seed-1"]
    told = [yaml.safe_load((output / name / "run_config.yaml").read_text()) for name in folders]
    assert [one["max_steps"] for one in told] == [2, 2]
    assert [one["init_from"] for one in told] == [None, str(output / folders[0])]
    assert told[0]["seed"] == 1 and told[1]["learning_rate"] == 1e-4
    said = capsys.readouterr().out
    assert said.count("training ") == 2
    row = said.splitlines()[-1].split(" | ")
    assert row[0] == "| two stages" and row[3] == "4" and row[4] == "0.1"  # 3 seconds
    assert (output / "table.md").read_text(encoding="utf-8").splitlines()[-1] in said
    # Once more: nothing is trained; with another base the name is taken.
    assert recipes.main(command) == 0
    assert "training " not in capsys.readouterr().out
    write_settings(tmp_path, dropout=0.3)
    assert recipes.main(command) == 2
    assert "was trained with other settings" in capsys.readouterr().err


@pytest.mark.slow
def test_minutes_are_of_the_cpu_and_a_failure_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    base = write_settings(tmp_path, save_strategy="no", predict_with_generate=False)
    output = tmp_path / "recipes"
    command = [str(base), "--output", str(output), "--max_minutes", "0.01"]
    command += ["--variant", "broken: d_model=33", "--variant", "short:"]
    assert recipes.main(command) == 1
    said = capsys.readouterr()
    assert "failed: broken-seed-1: error:" in said.err and "`d_model`" in said.err
    assert "| broken | 0 | - |" in said.out
    told = json.loads((output / "short-seed-1" / "metrics.json").read_text())["run"]
    # 0.6 s of the CPU were its budget; seconds on the wall may be many more.
    assert 0.3 < told["train_cpu_seconds"] < 3
