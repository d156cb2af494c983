# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The curves of a run, from the trainer's log: a short table always, a picture with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from data_builders.output.lettering import lettering
from data_builders.output.markdown import table
from data_builders.translation import _, marked

from ..settings.run_folder import CURVES_PICTURE

MAX_ROWS = 10
# By the name in the log: the heading, and how a number is written.
_COLUMNS = {
    "loss": (marked("training loss"), "{:.3f}"),
    "eval_loss": (marked("validation loss"), "{:.3f}"),
    "eval_perplexity": (marked("perplexity"), "{:.1f}"),
    "eval_question_gain": (marked("gain of the question"), "{:.3f}"),
    "eval_hits_at_1_pmi": ("hits@1", "{:.3f}"),
    "eval_distinct_2": ("distinct-2", "{:.3f}"),
    "eval_selection_score": (marked("selection score"), "{:.3f}"),
}
# In the picture, not in the table.
_LEARNING_RATE = "learning_rate"
# Of Okabe and Ito, told apart with any colour vision.
_BLUE, _ORANGE, _GREEN, _PURPLE, _INK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#333333"
# The panels: what is drawn in which colour, and what stands at the upright axis.
_PANELS = (
    ({"loss": _BLUE, "eval_loss": _ORANGE}, marked("loss, nats a token")),
    ({"eval_distinct_2": _GREEN}, "distinct-2"),
    ({_LEARNING_RATE: _PURPLE}, marked("learning rate")),
)
_DOTS_PER_INCH = 100

Curves = Mapping[str, Mapping[int, float]]


def read_curves(log_history: Iterable[Mapping[str, Any]]) -> Curves:
    """Sort a trainer's log into curves.

    Args:
        log_history: `trainer.state.log_history`. Of several numbers for one step the last counts:
            a resumed run may have logged the step before.

    Returns:
        For each name in the log the value by step, in rising order; numbers that are not finite
        are left out.
    """
    curves: dict[str, dict[int, float]] = {}
    for entry in log_history:
        for name in {*_COLUMNS, _LEARNING_RATE} & entry.keys():
            value = entry[name]
            if isinstance(value, (int, float)) and math.isfinite(value) and "step" in entry:
                curves.setdefault(name, {})[int(entry["step"])] = float(value)
    return {name: dict(sorted(values.items())) for name, values in curves.items()}


def curves_part(curves: Curves, selected: int | None = None, picture: bool = False) -> str:
    """Write the curves as a part of the card.

    Args:
        curves: Of `read_curves`.
        selected: The step whose weights were kept; its row is always there and is marked.
        picture: Whether the picture is to be shown too.

    Returns:
        A Markdown table of at most `MAX_ROWS` steps and its words; empty without numbers.
    """
    # Evaluations are rare and the training loss is logged often: they give the rows.
    steps = list(curves.get("eval_loss") or curves.get("loss") or ())
    if not steps:
        return ""
    columns = [name for name in _COLUMNS if name in curves]
    rows = []
    for step in _spread(steps, selected):
        # Of a curve logged at other steps, the last number before.
        known = [[v for s, v in curves[name].items() if s <= step][-1:] for name in columns]
        cells = [
            "".join(map(_COLUMNS[c][1].format, v)) for c, v in zip(columns, known, strict=True)
        ]
        rows.append([_("{step:,} (kept)", step=step) if step == selected else f"{step:,}", *cells])
    caption = _("Losses, diversity and learning rate over the updates")
    shown = f"![{caption}]({CURVES_PICTURE})\n\n" if picture else ""
    head = [f">{_('update')}", *(f">{_(_COLUMNS[name][0])}" for name in columns)]
    what = _("Training loss is what was minimised, validation loss the plain cross-entropy.")
    return f"{shown}{table(head, rows)}\n\n{what}"


def _spread(steps: list[int], selected: int | None) -> list[int]:
    """Choose steps at even distances, with the first, the last and the selected one."""
    if len(steps) <= MAX_ROWS:
        return steps
    room = MAX_ROWS - (selected in steps)
    chosen = {steps[round(i * (len(steps) - 1) / (room - 1))] for i in range(room)}
    return sorted(chosen | (set(steps) & {selected}))


def draw_curves(
    curves: Curves, path: str | Path, selected: int | None = None, people: float | None = None
) -> bool:
    """Draw losses, diversity and learning rate over the updates.

    Args:
        curves: Of `read_curves`.
        path: The PNG file to write.
        selected: The step whose weights were kept; drawn as a line.
        people: The diversity of people's replies; another line.

    Returns:
        Whether there is a picture: not without matplotlib (extra `plots`), nor of fewer than two
        points.
    """
    if max(map(len, curves.values()), default=0) < 2:
        return False
    try:
        with lettering():
            figure = curves_figure(curves, selected, people)
            # Without the version of matplotlib in it the same numbers give the same bytes.
            figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": None}, format="png")
    except ImportError:
        return False
    return True


def curves_figure(curves: Curves, selected: int | None, people: float | None) -> Any:
    """Make the figure of `draw_curves`, a panel for each kind of curve that there is."""
    from matplotlib.figure import Figure

    panels = [
        (colors, words)
        for colors, words in _PANELS
        if max(len(curves.get(name, ())) for name in colors) > 1
    ]
    last = max(selected or 0, *(max(values) for values in curves.values()))
    figure = Figure((1.8 + 3.6 * len(panels), 3.2), facecolor="white", layout="constrained")
    places = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (colors, words) in zip(places, panels, strict=True):
        if people is not None and "eval_distinct_2" in colors:
            axes.axhline(people, color=_INK, linewidth=0.8, linestyle="--", label=_("people"))
        _draw_panel(axes, curves, colors, selected)
        axes.set_ylabel(_(words), color=_INK)
        # Panels side by side are compared.
        axes.set_xlim(0, 1.02 * last)
        if "loss" not in colors:
            # A small change of a small number is not to look like a large one.
            axes.set_ylim(bottom=0)
    return figure


def _draw_panel(axes: Any, curves: Curves, colors: dict[str, str], selected: int | None) -> None:
    """Draw some curves over the updates into one pair of axes."""
    for name, color in colors.items():
        if values := curves.get(name):
            # A line through a single point would not be seen.
            dots = "." if name.startswith("eval_") or len(values) == 1 else None
            label = _(_COLUMNS[name][0] if name in _COLUMNS else "learning rate")
            axes.plot(list(values), list(values.values()), color=color, label=label, marker=dots)
    if selected is not None:
        axes.axvline(selected, color=_INK, linewidth=0.8, linestyle=":", label=_("kept"))
    axes.set_xlabel(_("update"), color=_INK)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.tick_params(colors=_INK, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, labelcolor=_INK, fontsize=8)
