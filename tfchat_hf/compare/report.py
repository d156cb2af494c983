# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A comparison as Markdown and as a picture: figures alone, no question and no reply."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data_builders.output.markdown import table
from data_builders.writing import write_whole

from .decode import BASE_ROW
from .figures import DRAWS, LEAST_BLEU_RATIO, LEAST_DISTINCT_RATIO, MOST_LOOPS, RowFigures

# What a column is called, and how its numbers are written.
_COLUMNS = {
    "bleu": ("BLEU", "{:.2f}"),
    "f1": ("F1", "{:.3f}"),
    "distinct_1": ("distinct-1", "{:.3f}"),
    "distinct_2": ("distinct-2", "{:.3f}"),
    "repetition": ("loops", "{:.1%}"),
    "stutter": ("stutter", "{:.1%}"),
    "dull": ("dull", "{:.1%}"),
    "language_mismatch": ("wrong language", "{:.1%}"),
    "copy_rate": ("copied", "{:.1%}"),
    "echo_share": ("echoes", "{:.1%}"),
    "top_reply_share": ("top reply", "{:.1%}"),
    "mean_length": ("length", "{:.1f}"),
    "tokens_per_second": ("tokens/s", "{:,.0f}"),
}
_GOALS = {"loops": "loops", "distinct_2": "distinct-2", "bleu": "BLEU"}


def comparison_page(
    about: dict[str, Any], rows: Sequence[RowFigures], left_out: Sequence[str]
) -> str:
    """Write the page.

    Args:
        about: Of model and questions, as in the JSON file.
        rows: Of the table.
        left_out: Presets that need a reverse model.
    """
    asked, loss = about["questions"], about["loss"]
    lines = [
        f"# Presets of {about['model']['name']}",
        "",
        f"{asked['number']:,} questions of the {asked['split']} split of {asked['dataset']}. "
        f"Perplexity of its {loss['replies']:,} replies, the same for every preset: "
        f"{loss['perplexity']:.1f} a token ({loss['bits_per_character']:.2f} bits a character).",
        *_relevance_lines(loss),
        "",
        figures_table(rows),
        "",
        f"Against greedy search. The goals: loops below {100 * MOST_LOOPS:g} %, distinct-2 at "
        f"least {LEAST_DISTINCT_RATIO:g} times and BLEU at least {LEAST_BLEU_RATIO:g} times "
        "greedy's.",
        "",
        goals_table(rows),
        "",
        *(f"- {line}" for line in _legend(about, rows)),
        *(f"- {name} is left out: it needs --reverse-model." for name in left_out),
    ]
    return "\n".join(lines) + "\n"


def _relevance_lines(figures: dict[str, Any]) -> list[str]:
    """Say how much the model listens, which is the same for every preset; none without figures."""
    if "mrr_pmi" not in figures:
        return []
    gain = figures.get("question_gain")
    said = "" if gain is None else f"Gain of the question: {gain:.3f} nats a token. "
    return [
        "",
        f"{said}hits@1 among {figures['candidates']:.1f} replies of like length: "
        f"{figures['hits_at_1']:.3f}, less the reply alone {figures['hits_at_1_pmi']:.3f} (MRR "
        f"{figures['mrr']:.3f} and {figures['mrr_pmi']:.3f}), "
        f"{figures['relevance_questions']:,} questions.",
    ]


def figures_table(rows: Sequence[RowFigures], plain: bool = False) -> str:
    """Write the figures of all rows, empty where there is none; `plain` for a terminal."""
    head = ["", *(f">{title}" for title, _ in _COLUMNS.values())]
    cells = [[_named(row), *(_cell(row, name) for name in _COLUMNS)] for row in rows]
    return table(head, cells, plain)


def goals_table(rows: Sequence[RowFigures], plain: bool = False) -> str:
    """Write the ratios to greedy, and which goals each row reaches."""
    head = ["", ">distinct-2 ratio", ">BLEU ratio", ">95 % of draws"]
    head += [f"goal {title}" for title in _GOALS.values()]
    cells = []
    for row in rows:
        if row.kind == "baseline":
            continue
        goals, variety, bleu = row.goals(), row.distinct_2_over_greedy, row.bleu_over_greedy
        ratios = ["" if variety is None else f"{variety:.2f}", "", ""]
        if bleu is not None:
            ratios[1:] = f"{bleu.value:.2f}", f"{bleu.low:.2f} to {bleu.high:.2f}"
        cells.append([row.name, *ratios, *(goals.get(name, "") for name in _GOALS)])
    return table(head, cells, plain)


def _named(row: RowFigures) -> str:
    """Return the name of a row as people write it."""
    return row.name.replace("_", " ") if row.kind == "baseline" else row.name


def _cell(row: RowFigures, name: str) -> str:
    """Write one figure, with its range where there are several seeds."""
    if row.figures.get(name) is None:
        return ""
    low, high = row.ranges.get(name, (0, 0))
    shown = [
        _COLUMNS[name][1].format(value).replace("%", " %")
        for value in (row.figures[name], low, high)
    ]
    return shown[0] if low == high else f"{shown[0]} ({shown[1]} to {shown[2]})"


def _legend(about: dict[str, Any], rows: Sequence[RowFigures]) -> Iterator[str]:
    """Say what the columns mean, in a line each."""
    first = rows[0].figures
    clock = "of CPU time" if about["device"] == "cpu" else f"of the clock, on {about['device']}"
    compared = [row.figures["scored_replies"] for row in rows if row.name == "human"]
    yield (
        f"BLEU: {first.get('bleu_signature', 'none')}; distinct-n of the first "
        f"{first['distinct_replies']} replies; loops: replies that say a phrase three times in a "
        "row, or a character five times."
    )
    yield (
        "stutter: replies that double a word or a phrase where nobody would; dull: replies that "
        "fit anything, or are among the most frequent of training; wrong language: English to a "
        "Chinese question, or the other way round."
    )
    yield ("nearest question: the reply to the training question that shares most characters.")
    yield (
        "copied: words that stand in a run of three or more (four for Chinese characters) in the "
        "question too; echoes: replies that are the question."
    )
    yield (
        f"tokens/s: tokens of the replies in a second {clock}, batches of {about['batch_size']}, "
        f"{about['threads']} threads."
    )
    yield (
        f"95 % of draws: the ratio when the questions are drawn anew {DRAWS} times; a ? marks a "
        "goal that other questions might decide otherwise."
    )
    yield (
        "human: compared with what other people said to the same words, "
        f"{sum(compared)} of the questions."
    )
    if any(row.ranges for row in rows):
        yield "Rows that draw at random: mean over the seeds, and smallest to largest."


# --------------------------------------------------------------------------------- the picture

# Blue, orange and green of Okabe and Ito, told apart with any colour vision.
_BLUE, _ORANGE, _GREEN, _GREY, _INK = "#0072B2", "#D55E00", "#009E73", "#999999", "#333333"
_LABEL_SIZE = 8
_HALO = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.6}
# Title of a bar panel, by the figure that it shows.
_BARS = {
    "repetition": "loops %",
    "copy_rate": "copied %",
    "top_reply_share": "top reply %",
    "tokens_per_second": "tokens/s",
}


def draw_comparison(rows: Sequence[RowFigures], path: Path) -> bool:
    """Draw variety against likeness, and beside it what should be small.

    Args:
        rows: Of the table.
        path: The PNG file to write.

    Returns:
        Whether there is a picture: not without matplotlib (extra `plots`).
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    shown = [row for row in rows if row.kind != "baseline"]
    people = [row for row in rows if row.name == "human"]
    height = max(4.2, 1.6 + 0.3 * (len(shown) + 1))
    figure = Figure(figsize=(12.5, height), dpi=110, facecolor="white", layout="constrained")
    parts = figure.subplots(1, 1 + len(_BARS), width_ratios=[6.2, *[1.5] * len(_BARS)])
    _draw_points(parts[0], shown, people)
    _draw_bars(parts[1:], [*shown, *people])
    # The layout is settled by drawing; only then pixels are known.
    figure.canvas.draw()
    _write_labels(parts[0], shown)
    image = io.BytesIO()
    # Without the version of matplotlib in it the same numbers give the same bytes.
    figure.savefig(image, metadata={"Software": None}, format="png")
    write_whole(path, image.getvalue())
    return True


def _point(row: RowFigures) -> tuple[float, float]:
    """Return the place of a row among the points."""
    return row.figures["distinct_2"], row.figures.get("bleu", 0.0)


def _color(row: RowFigures) -> str:
    """Return a colour for presets, another for own settings, and one for people."""
    return {"preset": _BLUE, "setting": _ORANGE}.get(row.kind, _GREY)


def _small(**more: Any) -> dict[str, Any]:
    """Return how small text beside a place is written."""
    return {"textcoords": "offset points", "color": _INK, "fontsize": _LABEL_SIZE, **more}


def _draw_points(axes: Any, rows: Sequence[RowFigures], people: Sequence[RowFigures]) -> None:
    """Draw distinct-2 against BLEU, a point a row, with the goal as an area."""
    for row in rows:
        x, y = _point(row)
        spread = [_spread(row, name) for name in ("distinct_2", "bleu")]
        axes.errorbar(x, y, xerr=spread[0], yerr=spread[1], color=_color(row))
        axes.plot(x, y, "o", color=_color(row), markersize=7)
    # Their BLEU has fewer references and cannot be compared.
    for row in people:
        x = row.figures["distinct_2"]
        axes.axvline(x, color=_GREY, linewidth=1.2, linestyle="--")
        place = {"xycoords": ("data", "axes fraction"), "xytext": (4, 0)}
        axes.annotate("people", (x, 0.02), **place, **_small())
    axes.set_xlim(0, 1.08 * axes.get_xlim()[1])
    axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
    for row in rows:
        if row.name == BASE_ROW:
            _draw_goal(axes, *_point(row))
    axes.set_xlabel("distinct-2: the variety of the replies", color=_INK)
    axes.set_ylabel("BLEU: their likeness to people's", color=_INK)
    axes.grid(color="#dddddd", linewidth=0.6)
    _plain(axes)


def _spread(row: RowFigures, name: str) -> list[list[float]] | None:
    """Return how far smallest and largest seed are from the mean, as `errorbar` wants it."""
    if name not in row.ranges:
        return None
    low, high = row.ranges[name]
    return [[row.figures[name] - low], [high - row.figures[name]]]


def _draw_goal(axes: Any, x: float, y: float) -> None:
    """Shade where a row says twice as much as greedy search, at (x, y), and is as right."""
    least = (LEAST_DISTINCT_RATIO * x, LEAST_BLEU_RATIO * y)
    right = max(axes.get_xlim()[1], 1.15 * least[0])
    top = max(axes.get_ylim()[1], 1.15 * y)
    axes.set_xlim(0, right)
    axes.set_ylim(0, top)
    axes.axvspan(least[0], right, ymin=least[1] / top, color=_GREEN, alpha=0.12, linewidth=0)
    axes.annotate("goal", (least[0], top), xytext=(4, -4), va="top", **_small(color=_GREEN))


def _write_labels(axes: Any, rows: Sequence[RowFigures]) -> None:
    """Name the points where nothing else stands; those far from their name get a line to it."""
    from matplotlib.transforms import Bbox

    scale = axes.figure.dpi / 72
    points = [axes.transData.transform(_point(row)) for row in rows]
    taken = [text.get_window_extent() for text in axes.texts]
    taken += [Bbox([point - 6 * scale, point + 6 * scale]) for point in points]
    for row, point in zip(rows, points, strict=True):
        size = (scale * _LABEL_SIZE * 0.62 * len(row.name), scale * 11)
        box = free_place(point, size, axes.get_window_extent(), taken)
        taken.append(box)
        middle = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
        axes.annotate(
            row.name,
            _point(row),
            xytext=axes.transAxes.inverted().transform(middle),
            ha="center",
            va="center",
            bbox=_HALO,
            arrowprops={"arrowstyle": "-", "color": _GREY, "linewidth": 0.6, "shrinkB": 4},
            **_small(textcoords="axes fraction"),
        )


def free_place(
    point: tuple[float, float], size: tuple[float, float], frame: Any, taken: Sequence[Any]
) -> Any:
    """Find a box for a label beside a point: the nearest one that is free.

    Args:
        point: In pixels.
        size: Width and height of the label.
        frame: The box that labels should stay within.
        taken: Boxes where something else is.
    """
    from matplotlib.transforms import Bbox

    (x, y), (width, height) = point, size
    places = []
    for step in range(40):
        # On its own line, one line up, one down, two up ..., to the right and to the left of it.
        bottom = y + height * ((step + 1) // 2) * (-1) ** step - height / 2
        for left in (x + height, x - height - width):
            places.append(Bbox.from_bounds(left, bottom, width, height))
    inside = [box for box in places if frame.containsx(box.x0) and frame.containsx(box.x1)]
    inside = [box for box in inside if frame.containsy(box.y0) and frame.containsy(box.y1)]
    return next((box for box in inside if not box.count_overlaps(taken)), places[0])


def _draw_bars(panels: Sequence[Any], rows: Sequence[RowFigures]) -> None:
    """Draw a panel of bars for each figure that has one of its own."""
    places = range(len(rows))
    for number, (axes, (name, title)) in enumerate(zip(panels, _BARS.items(), strict=True)):
        factor, form = (1, "{:,.0f}") if name == "tokens_per_second" else (100, "{:.1f}")
        values = [factor * row.figures.get(name, 0.0) for row in rows]
        axes.barh(places, values, color=[_color(row) for row in rows], height=0.65)
        for place, value in zip(places, values, strict=True):
            if name in rows[place].figures:
                text, at = form.format(value), {"xytext": (3, 0), "va": "center", "bbox": _HALO}
                axes.annotate(text, (value, place), **at, **_small(fontsize=7))
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
    """Take off what says nothing."""
    axes.tick_params(colors=_INK, labelsize=_LABEL_SIZE)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
