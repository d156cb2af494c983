# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The tables and the picture of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tfchat_hf.compare.figures import Ratio, RowFigures
from tfchat_hf.compare.report import draw_comparison, figures_table, free_place, goals_table


def row(name: str = "a", kind: str = "preset", **figures: Any) -> RowFigures:
    known = {"repetition": 0.0, "distinct_2": 0.5, "bleu": 1.0, "scored_replies": 2}
    return RowFigures(name, kind, {**known, **figures})


def test_the_table_of_figures() -> None:
    sampled = row("drawn", tokens_per_second=1234.5)
    sampled.ranges = {"distinct_2": (0.45, 0.55), "bleu": (1.0, 1.0)}
    lines = figures_table([sampled, row("most_frequent_reply", "baseline")]).splitlines()
    assert lines[0].startswith("|  | BLEU | F1 |") and lines[0].endswith("| tokens/s |")
    assert "| 1.00 |" in lines[2] and "0.500 (0.450 to 0.550)" in lines[2] and "1,234" in lines[2]
    assert lines[3].startswith("| most frequent reply | 1.00 |  |") and lines[3].endswith("|  |")


def test_the_table_of_goals_leaves_baselines_out_and_empty_what_greedy_lacks() -> None:
    other = row("other")
    other.distinct_2_over_greedy, other.bleu_over_greedy = 2.5, Ratio(1.0, 0.9, 1.1)
    lines = goals_table([row("greedy"), other, row("human", "baseline")]).splitlines()[2:]
    assert lines == [
        "| greedy |  |  |  | yes |  |  |",
        "| other | 2.50 | 1.00 | 0.90 to 1.10 | yes | yes | yes? |",
    ]


def test_labels_of_points_that_lie_together_do_not_overlap() -> None:
    boxes = pytest.importorskip("matplotlib.transforms").Bbox
    frame, blocked = boxes([(0, 0), (400, 300)]), boxes([(110, 90), (200, 110)])
    taken = [blocked]
    for i in range(7):
        found = free_place((100 + 3.0 * i, 100 + 2.0 * (i % 3)), (60, 11), frame, taken)
        assert not found.count_overlaps(taken)
        assert frame.containsx(found.x0) and frame.containsx(found.x1)
        assert frame.containsy(found.y0) and frame.containsy(found.y1)
        taken.append(found)


def test_a_label_without_room_stands_beside_its_point() -> None:
    boxes = pytest.importorskip("matplotlib.transforms").Bbox
    frame = boxes([(0, 0), (50, 50)])
    assert free_place((10, 10), (60, 10), frame, []).y0 == 5


def test_a_picture_is_drawn_of_any_rows(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    ranged = row("drawn", "setting", copy_rate=0.1, tokens_per_second=10.0)
    ranged.ranges = {"distinct_2": (0.4, 0.6), "bleu": (0.5, 1.5)}
    rows = [row("greedy"), ranged, row("human", "baseline")]
    for shown in (rows, rows[:1], [row("greedy", distinct_2=0.0, bleu=0.0)]):
        assert draw_comparison(shown, tmp_path / "presets.png")
        assert (tmp_path / "presets.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["presets.png"]


def test_the_same_figures_give_the_same_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("a.png", "b.png"):
        draw_comparison([row("greedy"), row("other", distinct_2=0.9)], tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
