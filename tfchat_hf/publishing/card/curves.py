# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The curves of a run, from the trainer's log: a short table always, a picture with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_builders.output.markdown import table

CURVES_PICTURE = "curves.png"
MAX_ROWS = 10
# What a curve is called in the log, in the table, and how its numbers are written.
_COLUMNS = {
    "loss": ("training loss", "{:.3f}"),
    "eval_loss": ("validation loss", "{:.3f}"),
    "eval_perplexity": ("perplexity", "{:.1f}"),
    "eval_question_gain": ("gain of the question", "{:.3f}"),
    "eval_hits_at_1_pmi": ("hits@1", "{:.3f}"),
    "eval_distinct_2": ("distinct-2", "{:.3f}"),
    "eval_selection_score": ("selection score", "{:.3f}"),
}
# Blue, orange and green of Okabe and Ito, told apart with any colour vision.
_BLUE, _ORANGE, _GREEN, _INK = "#0072B2", "#D55E00", "#009E73", "#333333"
_DOTS_PER_INCH = 100


@dataclass
class Curves:
    """Numbers of a run by update.

    Attributes:
        series: for each name of the log the value at each step, steps in rising order.
    """

    series: dict[str, dict[int, float]] = field(default_factory=dict)

    def of(self, name: str) -> dict[int, float]:
        """Gives one curve; empty if the log never had it."""
        return self.series.get(name, {})


def build_curves(log_history: Iterable[Mapping[str, Any]]) -> Curves:
    """Sorts a trainer's log into curves.

    Args:
        log_history: `trainer.state.log_history`. Of several numbers for one step the last counts:
            a resumed run may have logged the step before.

    Returns:
        The curves; numbers that are not finite are left out.
    """
    found: dict[str, dict[int, float]] = {}
    for entry in log_history:
        for name in _COLUMNS.keys() & entry.keys():
            value = entry[name]
            if isinstance(value, (int, float)) and math.isfinite(value) and "step" in entry:
                found.setdefault(name, {})[int(entry["step"])] = float(value)
    return Curves({name: dict(sorted(values.items())) for name, values in found.items()})


def curve_table(curves: Curves, selected: int | None = None) -> str:
    """Writes the curves as a short Markdown table.

    Args:
        curves: what `build_curves` gave.
        selected: the step whose weights were kept; its row is always there and is marked.

    Returns:
        The table of at most `MAX_ROWS` steps; empty without numbers.
    """
    columns = [name for name in _COLUMNS if curves.of(name)]
    # Evaluations are rare and the training loss is logged often: they give the rows.
    steps = sorted(set(curves.of("eval_loss")) or set(curves.of("loss")))
    if not steps:
        return ""
    rows = []
    for step in _spread(steps, MAX_ROWS, selected):
        cells = [_cell(name, _latest(curves.of(name), step)) for name in columns]
        rows.append([f"{step:,}{' (kept)' if step == selected else ''}", *cells])
    return table([">update", *(f">{_COLUMNS[name][0]}" for name in columns)], rows)


def _cell(name: str, value: float | None) -> str:
    """Writes one number of the table."""
    return "" if value is None else _COLUMNS[name][1].format(value)


def _latest(values: dict[int, float], step: int) -> float | None:
    """Finds the number of a step or, of a curve logged at other steps, the last one before."""
    before = [known for known in values if known <= step]
    return values[before[-1]] if before else None


def _spread(steps: list[int], most: int, always: int | None) -> list[int]:
    """Chooses steps at even distances: the first, the last and the one named are among them."""
    if len(steps) <= most:
        return steps
    room = most - (always in steps)
    chosen = {steps[round(i * (len(steps) - 1) / (room - 1))] for i in range(room)}
    return sorted(chosen | ({always} & set(steps)))


def draw_curves(curves: Curves, path: str | Path, selected: int | None = None) -> bool:
    """Draws losses and diversity over the updates.

    Args:
        curves: what `build_curves` gave.
        path: the PNG file to write.
        selected: the step whose weights were kept; drawn as a line.

    Returns:
        Whether there is a picture: not without matplotlib (extra `plots`), nor of fewer than two
        points.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    if max(map(len, curves.series.values()), default=0) < 2:
        return False
    diverse = bool(curves.of("eval_distinct_2"))
    width = 9.0 if diverse else 5.4
    figure = Figure(figsize=(width, 3.2), facecolor="white", layout="constrained")
    panels = figure.subplots(1, 2 if diverse else 1, squeeze=False)[0]
    _draw_panel(panels[0], curves, {"loss": _BLUE, "eval_loss": _ORANGE}, selected)
    if diverse:
        _draw_panel(panels[1], curves, {"eval_distinct_2": _GREEN}, selected)
    # Without the version of matplotlib in it the same numbers give the same bytes.
    figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": None}, format="png")
    return True


def _draw_panel(axes: Any, curves: Curves, colors: dict[str, str], selected: int | None) -> None:
    """Draws some curves over the updates into one pair of axes."""
    for name, color in colors.items():
        values = curves.of(name)
        if values:
            dots = "." if name.startswith("eval_") else None
            label = _COLUMNS[name][0]
            axes.plot(list(values), list(values.values()), color=color, label=label, marker=dots)
    if selected is not None:
        axes.axvline(selected, color=_INK, linewidth=0.8, linestyle=":", label="kept")
    axes.set_xlabel("update", color=_INK)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.tick_params(colors=_INK, labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, labelcolor=_INK, fontsize=8)
