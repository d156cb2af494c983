# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The figures of a row, its goals, the tables and the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tfchat_hf.compare.bootstrap import Ratio
from tfchat_hf.compare.decoder import Replies
from tfchat_hf.compare.figures import AgainstGreedy, RowFigures, describe_row
from tfchat_hf.compare.label_places import Box, place_labels
from tfchat_hf.compare.picture import draw_ladder
from tfchat_hf.compare.table import figures_table, goals_table
from tfchat_hf.examples.questions import Question
from tfchat_hf.measuring.metrics import describe_replies

ASKED = [
    Question(["one two three four"], [1], ["a b c d e"]),
    Question(["x"], [2], ["f g h i j", "k l"]),
]
GREEDY = Replies(["a b c d", "a b c d"], tokens=10, seconds=2.0)
COPIED = Replies(["one two three", "f g h i j"], tokens=10, seconds=1.0)


def row(name: str = "a", kind: str = "preset", **figures: Any) -> RowFigures:
    known = {"repetition": 0.0, "distinct_2": 0.5, "bleu": 1.0, "scored_replies": 2}
    return RowFigures(name, kind, {**known, **figures})


def test_a_row_has_the_figures_of_metrics_json_and_those_of_the_ladder() -> None:
    found = describe_row([COPIED], ASKED).figures
    expected = describe_replies(COPIED.texts, [question.references for question in ASKED])
    assert expected.items() <= found.items()
    assert found["copy_rate"] == 3 / 8 and found["echo_share"] == 0
    assert found["tokens_per_second"] == 10


def test_several_seeds_give_mean_and_range() -> None:
    found = describe_row([GREEDY, COPIED], ASKED)
    assert found.figures["tokens_per_second"] == 7.5
    assert found.ranges["tokens_per_second"] == (5, 10)
    assert found.ranges["mean_length"] == (4, 4)
    assert not describe_row([GREEDY], ASKED).ranges


def test_a_row_is_compared_with_greedy_search() -> None:
    found = describe_row([COPIED], ASKED)
    AgainstGreedy(GREEDY, ASKED).compare(found, [COPIED])
    greedy = describe_row([GREEDY], ASKED).figures
    assert found.distinct_2_ratio == found.figures["distinct_2"] / greedy["distinct_2"]
    assert found.bleu_ratio.value == pytest.approx(found.figures["bleu"] / greedy["bleu"])


@pytest.mark.parametrize(
    ("loops", "variety", "bleu", "goals"),
    [
        (0.0049, 2.0, Ratio(0.95, 0.95, 1.2), ("yes", "yes", "yes")),
        (0.005, 1.99, Ratio(0.94, 0.8, 0.949), ("no", "no", "no")),
        (0.0, 3.0, Ratio(1.1, 0.8, 1.3), ("yes", "yes", "yes?")),
        (0.0, 3.0, Ratio(0.9, 0.8, 1.0), ("yes", "yes", "no?")),
    ],
)
def test_the_goals_by_hand(loops: float, variety: float, bleu: Ratio, goals: tuple) -> None:
    found = row(repetition=loops)
    found.distinct_2_ratio, found.bleu_ratio = variety, bleu
    assert tuple(found.goals().values()) == goals


def test_the_table_of_figures() -> None:
    sampled = row("drawn", tokens_per_second=1234.5)
    sampled.ranges = {"distinct_2": (0.45, 0.55), "bleu": (1.0, 1.0)}
    lines = figures_table([sampled, row("most_frequent_reply", "baseline")]).splitlines()
    assert lines[0].startswith("|  | BLEU | F1 |") and lines[0].endswith("| tokens/s |")
    assert "| 1.00 |" in lines[2] and "0.500 (0.450 to 0.550)" in lines[2] and "1,234" in lines[2]
    assert lines[3].startswith("| most frequent reply | 1.00 |  |") and lines[3].endswith("|  |")


def test_the_table_of_goals_leaves_baselines_out_and_empty_what_greedy_lacks() -> None:
    other = row("other")
    other.distinct_2_ratio, other.bleu_ratio = 2.5, Ratio(1.0, 0.9, 1.1)
    lines = goals_table([row("greedy"), other, row("human", "baseline")]).splitlines()[2:]
    assert lines == [
        "| greedy |  |  |  | yes |  |  |",
        "| other | 2.50 | 1.00 | 0.90 to 1.10 | yes | yes | yes? |",
    ]


def test_labels_of_points_that_lie_together_do_not_overlap() -> None:
    points = [(100 + 3.0 * i, 100 + 2.0 * (i % 3)) for i in range(7)]
    frame = Box(0, 0, 400, 300)
    boxes = place_labels(points, [(60, 11)] * 7, frame, gap=8, blocked=[Box(110, 90, 200, 110)])
    pairs = [(one, two) for i, one in enumerate(boxes) for two in boxes[:i]]
    assert all(one.overlap(two) == 0 for one, two in pairs)
    assert all(box.outside(frame) == 0 and not box.overlap(Box(110, 90, 200, 110)) for box in boxes)


def test_a_picture_is_drawn_of_any_rows(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    ranged = row("drawn", "setting", copy_rate=0.1, tokens_per_second=10.0)
    ranged.ranges = {"distinct_2": (0.4, 0.6), "bleu": (0.5, 1.5)}
    rows = [row("greedy"), ranged, row("human", "baseline")]
    for shown in (rows, rows[:1], [row("greedy", distinct_2=0.0, bleu=0.0)]):
        assert draw_ladder(shown, tmp_path / "ladder.png")
        assert (tmp_path / "ladder.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["ladder.png"]


def test_the_same_figures_give_the_same_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("a.png", "b.png"):
        draw_ladder([row("greedy"), row("other", distinct_2=0.9)], tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
