# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The ladder as a picture: variety against likeness, and beside it what should be small."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .figures import LEAST_BLEU_RATIO, LEAST_DISTINCT_RATIO, MOST_LOOPS, RowFigures
from .label_places import Box, place_labels
from .rows import BASE_ROW

# Blue, orange and green of Okabe and Ito, told apart with any colour vision.
_BLUE, _ORANGE, _GREEN, _GREY, _INK = "#0072B2", "#D55E00", "#009E73", "#999999", "#333333"
_DOTS_PER_INCH = 110
_LABEL_SIZE = 8
_HALO = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.6}
_HUMAN = "human"
# Title of a bar panel, by the figure that it shows.
_BARS = {
    "repetition": "loops %",
    "copy_rate": "copied %",
    "top_reply_share": "top reply %",
    "tokens_per_second": "tokens/s",
}


def draw_ladder(rows: Sequence[RowFigures], path: Path) -> bool:
    """Draws the rows.

    Args:
        rows: of the table.
        path: the PNG file to write.

    Returns:
        Whether there is a picture: not without matplotlib (extra `plots`).
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    shown = [row for row in rows if row.kind != "baseline"]
    people = next((row for row in rows if row.name == _HUMAN), None)
    height = max(4.2, 1.6 + 0.3 * (len(shown) + 1))
    figure = Figure(figsize=(12.5, height), facecolor="white", layout="constrained")
    parts = figure.subplots(1, 1 + len(_BARS), width_ratios=[6.2, *[1.5] * len(_BARS)])
    _draw_points(parts[0], shown, people)
    _draw_bars(parts[1:], [*shown, *([people] if people else [])])
    # The layout is settled by drawing; only then pixels are known.
    figure.canvas.draw()
    _write_labels(parts[0], shown)
    fresh = path.with_name(f".{path.name}.new")
    # Without the version of matplotlib in it the same numbers give the same bytes.
    figure.savefig(fresh, dpi=_DOTS_PER_INCH, metadata={"Software": None}, format="png")
    fresh.replace(path)
    return True


def _point(row: RowFigures) -> tuple[float, float]:
    """Gives the place of a row among the points."""
    return row.figures["distinct_2"], row.figures.get("bleu", 0.0)


def _color(row: RowFigures) -> str:
    """Gives presets, other settings and people a colour each."""
    return {"preset": _BLUE, "setting": _ORANGE}.get(row.kind, _GREY)


def _draw_points(axes: Any, rows: Sequence[RowFigures], people: RowFigures | None) -> None:
    """Draws distinct-2 against BLEU, a point a row, with the goal as an area."""
    for row in rows:
        x, y = _point(row)
        axes.errorbar(
            x, y, xerr=_spread(row, "distinct_2"), yerr=_spread(row, "bleu"), color=_color(row)
        )
        axes.plot(x, y, "o", color=_color(row), markersize=7)
    if people is not None:
        _draw_people(axes, people.figures["distinct_2"])
    axes.set_xlim(0, 1.08 * axes.get_xlim()[1])
    axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
    _draw_goal(axes, rows)
    axes.set_xlabel("distinct-2: the variety of the replies", color=_INK)
    axes.set_ylabel("BLEU: their likeness to people's", color=_INK)
    axes.grid(color="#dddddd", linewidth=0.6)
    _plain(axes)


def _draw_people(axes: Any, distinct_2: float) -> None:
    """Marks how various people are; their BLEU has fewer references and cannot be compared."""
    axes.axvline(distinct_2, color=_GREY, linewidth=1.2, linestyle="--")
    axes.annotate(
        "people",
        (distinct_2, 0.02),
        xycoords=("data", "axes fraction"),
        xytext=(4, 0),
        textcoords="offset points",
        color=_INK,
        fontsize=_LABEL_SIZE,
    )


def _draw_goal(axes: Any, rows: Sequence[RowFigures]) -> None:
    """Shades where a row says twice as much as greedy search and is as right."""
    greedy = next((row for row in rows if row.name == BASE_ROW), None)
    if greedy is None:
        return
    x, y = _point(greedy)
    least = (LEAST_DISTINCT_RATIO * x, LEAST_BLEU_RATIO * y)
    right = max(axes.get_xlim()[1], 1.15 * least[0])
    top = max(axes.get_ylim()[1], 1.15 * y)
    axes.set_xlim(0, right)
    axes.set_ylim(0, top)
    axes.axvspan(least[0], right, ymin=least[1] / top, color=_GREEN, alpha=0.12, linewidth=0)
    axes.annotate(
        "goal",
        (least[0], top),
        xytext=(4, -4),
        textcoords="offset points",
        ha="left",
        va="top",
        color=_GREEN,
        fontsize=_LABEL_SIZE,
    )


def _spread(row: RowFigures, name: str) -> list[list[float]] | None:
    """Gives how far smallest and largest seed are from the mean, as `errorbar` wants it."""
    if name not in row.ranges:
        return None
    low, high = row.ranges[name]
    return [[row.figures[name] - low], [high - row.figures[name]]]


def _write_labels(axes: Any, rows: Sequence[RowFigures]) -> None:
    """Names the points; those far from their name get a line to it."""
    scale = axes.figure.dpi / 72
    points = [tuple(axes.transData.transform(_point(row))) for row in rows]
    sizes = [(scale * _LABEL_SIZE * 0.62 * len(row.name), scale * 11) for row in rows]
    frame = Box(*axes.get_window_extent().extents)
    blocked = [Box(*text.get_window_extent().extents) for text in axes.texts]
    boxes = place_labels(points, sizes, frame, 6 * scale, blocked)
    for row, box in zip(rows, boxes, strict=True):
        middle = ((box.left + box.right) / 2, (box.bottom + box.top) / 2)
        axes.annotate(
            row.name,
            _point(row),
            xytext=axes.transAxes.inverted().transform(middle),
            textcoords="axes fraction",
            ha="center",
            va="center",
            fontsize=_LABEL_SIZE,
            color=_INK,
            bbox=_HALO,
            arrowprops={"arrowstyle": "-", "color": _GREY, "linewidth": 0.6, "shrinkB": 4},
        )


def _draw_bars(panels: Sequence[Any], rows: Sequence[RowFigures]) -> None:
    """Draws a panel of bars for each figure that has an own."""
    places = range(len(rows))
    for number, (axes, (name, title)) in enumerate(zip(panels, _BARS.items(), strict=True)):
        factor = 1 if name == "tokens_per_second" else 100
        values = [factor * row.figures.get(name, 0.0) for row in rows]
        axes.barh(places, values, color=[_color(row) for row in rows], height=0.65)
        for place, value in zip(places, values, strict=True):
            text = f"{value:,.0f}" if factor == 1 else f"{value:.1f}"
            known = name in rows[place].figures
            axes.annotate(
                text if known else "",
                (value, place),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                color=_INK,
                bbox=_HALO,
            )
        if name == "repetition":
            axes.axvline(100 * MOST_LOOPS, color=_GREEN, linewidth=1.0, linestyle=":")
        axes.set_xlim(0, 1.45 * max([*values, 1.0 if factor == 100 else 1e-9]))
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(places, [row.name for row in rows] if not number else [""] * len(rows))
        axes.tick_params(axis="y", length=0)
        axes.set_xticks([])
        axes.set_title(title, color=_INK, fontsize=9)
        _plain(axes)


def _plain(axes: Any) -> None:
    """Takes off what says nothing."""
    axes.tick_params(colors=_INK, labelsize=_LABEL_SIZE)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
