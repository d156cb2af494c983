# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Curves say what the log says: nothing lost, nothing doubled, in a table and in a picture."""

from __future__ import annotations

import builtins
from pathlib import Path

import pytest

from tfchat_hf.publishing.curves import (
    MAX_ROWS,
    curves_figure,
    curves_part,
    draw_curves,
    read_curves,
)

LOG = [
    {"step": 5, "loss": 4.0, "learning_rate": 1e-3, "epoch": 0.5, "grad_norm": 1.0},
    {"step": 10, "loss": 3.0},
    {"step": 10, "eval_loss": 3.5, "eval_distinct_2": 0.1, "eval_runtime": 2.0},
    {"step": 15, "loss": 2.0},
    {"step": 20, "eval_loss": 3.25, "eval_distinct_2": 0.2},
    {"step": 20, "train_loss": 3.0, "train_runtime": 9.0},
]


def test_each_number_of_the_log_is_on_its_curve() -> None:
    curves = read_curves(LOG)
    assert curves["loss"] == {5: 4.0, 10: 3.0, 15: 2.0}
    assert curves["eval_loss"] == {10: 3.5, 20: 3.25}
    assert curves["eval_distinct_2"] == {10: 0.1, 20: 0.2}
    assert curves["learning_rate"] == {5: 1e-3} and "train_loss" not in curves


def test_of_a_step_logged_twice_the_last_number_counts_and_order_is_by_step() -> None:
    curves = read_curves([*LOG, {"step": 10, "eval_loss": 3.75}, {"step": 3, "loss": 9.0}])
    assert curves["eval_loss"] == {10: 3.75, 20: 3.25}
    assert list(curves["loss"]) == [3, 5, 10, 15]


def test_a_diverged_run_still_has_curves() -> None:
    curves = read_curves([*LOG, {"step": 25, "loss": float("nan"), "eval_loss": float("inf")}])
    assert curves == read_curves(LOG)


def test_the_table_has_a_row_an_evaluation_with_the_loss_of_then() -> None:
    lines = curves_part(read_curves(LOG), selected=20).splitlines()
    assert [line for line in lines if line.startswith("|")] == [
        "| update | training loss | validation loss | distinct-2 |",
        "|---:|---:|---:|---:|",
        "| 10 | 3.000 | 3.500 | 0.100 |",
        "| 20 (kept) | 2.000 | 3.250 | 0.200 |",
    ]


def test_without_evaluations_the_training_loss_gives_the_rows() -> None:
    lines = curves_part(read_curves([{"step": 1, "loss": 2.5}, {"step": 2, "loss": 1.5}]))
    assert lines.splitlines()[2:4] == ["| 1 | 2.500 |", "| 2 | 1.500 |"]
    assert curves_part(read_curves([])) == ""


@pytest.mark.parametrize("selected", [None, 37, 1, 1000])
def test_a_long_run_keeps_first_last_and_selected_row(selected: int | None) -> None:
    log = [{"step": step, "eval_loss": 1 / step} for step in range(1, 1001)]
    rows = curves_part(read_curves(log), selected).splitlines()[2:-2]
    assert len(rows) <= MAX_ROWS
    assert rows[0].startswith("| 1 ") and rows[-1].startswith("| 1,000 ")
    assert sum("(kept)" in row for row in rows) == (selected is not None)


def test_the_picture_is_the_same_for_the_same_numbers_and_other_for_others(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    first, again, other = (tmp_path / f"{name}.png" for name in ("first", "again", "other"))
    assert draw_curves(read_curves(LOG), first, selected=20)
    assert draw_curves(read_curves(LOG), again, selected=20)
    assert draw_curves(read_curves(LOG), other, selected=10)
    assert first.read_bytes().startswith(b"\x89PNG")
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()


def test_the_picture_has_the_learning_rate_and_the_line_of_people() -> None:
    pytest.importorskip("matplotlib")
    log = [*LOG, {"step": 15, "learning_rate": 5e-4}]
    losses, diversity, rate = curves_figure(read_curves(log), selected=20, people=0.8).axes
    assert [axes.get_ylabel() for axes in (diversity, rate)] == ["distinct-2", "learning rate"]
    assert diversity.get_ylim()[0] == rate.get_ylim()[0] == 0
    lines = {line.get_label(): list(line.get_ydata()) for line in diversity.lines}
    assert lines["people"] == [0.8, 0.8] and lines["distinct-2"] == [0.1, 0.2]
    assert list(rate.lines[0].get_ydata()) == [1e-3, 5e-4]
    assert len({axes.get_xlim() for axes in (losses, diversity, rate)}) == 1
    assert "people" not in [line.get_label() for line in losses.lines]


def test_a_single_point_is_a_dot_beside_a_curve_and_no_panel_by_itself() -> None:
    pytest.importorskip("matplotlib")
    log = [{"step": 5, "loss": 4.0, "learning_rate": 1e-3}, *LOG[2:3], *LOG[4:5]]
    losses, diversity = curves_figure(read_curves(log), None, None).axes
    assert losses.lines[0].get_marker() == "." and diversity.get_ylabel() == "distinct-2"


def test_no_picture_without_matplotlib_or_without_a_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "curves.png"
    assert not draw_curves(read_curves([{"step": 1, "loss": 2.0}]), path)
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    assert not draw_curves(read_curves(LOG), path)
    assert not path.exists()


def test_the_update_that_was_kept_is_inside_the_picture() -> None:
    figure = curves_figure({"loss": {50: 6.0, 1050: 0.1}}, 1089, None)
    assert all(axes.get_xlim()[1] > 1089 for axes in figure.axes)
