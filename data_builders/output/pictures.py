# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The statistics of a dataset as pictures, for its card; its tables have the full names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from data_builders.errors import UserError
from data_builders.output.lettering import can_be_drawn, lettering
from data_builders.output.statistics import DatasetStatistics, Histogram
from data_builders.translation import _, marked
from data_builders.widths import display_width

# What each picture shows; also its alternative text.
CAPTIONS = {
    "lengths.png": marked("Length of questions and replies"),
    "turns.png": marked("Turns per dialogue"),
    "languages.png": marked("Dialogues by language"),
    "sources.png": marked("Dialogues by source"),
}
# Blue and orange of Okabe and Ito, told apart with any colour vision and in grey.
BLUE, ORANGE = "#0072B2", "#E69F00"
_INK = "#333333"
_WIDTH, _DOTS_PER_INCH = 7.2, 100
_MAX_BARS = 12
_MAX_LABEL = 32
_LANGUAGE_NAMES = {
    "zh": marked("Chinese"),
    "en": marked("English"),
    "mixed": marked("both"),
    "other": marked("other"),
}


def draw_pictures(statistics: DatasetStatistics, folder: str | Path) -> list[Path]:
    """Draw what `CAPTIONS` lists over all splits; one that would compare nothing is left out."""
    figure_class = _figure_class()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with lettering():
        return _draw(figure_class, statistics, folder)


def _draw(figure_class: Any, statistics: DatasetStatistics, folder: Path) -> list[Path]:
    drawn = {
        "lengths.png": _lengths(figure_class, statistics),
        "turns.png": _turns(figure_class, statistics.histogram("turns")),
        **{
            f"{what}.png": _ranking(
                figure_class, CAPTIONS[f"{what}.png"], _named(statistics.counts(what))
            )
            for what in ("languages", "sources")
        },
    }
    paths = []
    for name, figure in drawn.items():
        if figure is not None:
            paths.append(folder / name)
            # Without the version of matplotlib in it the same numbers give the same bytes.
            figure.savefig(paths[-1], dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return paths


def drawn_label(label: str, rank: int) -> str:
    """Give the name of a source that the font can draw, shortened at its front.

    Where little of it can be drawn it is "source 3", after its rank.
    """
    if re.match(r"[/\\~]|[A-Za-z]:", label):
        # A place on somebody's machine is not for the public.
        label = re.split(r"[/\\]", label)[-1]
    if can_be_drawn(label):
        return _shortened(label)
    plain = re.sub(r"[^\x20-\x7e]+", "~", label).strip()
    if not plain or (plain != label and len(re.findall(r"[A-Za-z0-9]", Path(plain).stem)) < 3):
        return _("source {rank}", rank=rank)
    return _shortened(plain)


def _shortened(label: str) -> str:
    # The end of a path tells files apart.
    while display_width(label) > _MAX_LABEL:
        label = "..." + label.removeprefix("...")[1:]
    return label


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError(
            "The pictures of the card need matplotlib, which is not installed. Run "
            '`pip install "tfchat-hf[plots]"`, or build without pictures.'
        ) from None
    return Figure


def _lengths(figure_class: Any, statistics: DatasetStatistics) -> Any:
    questions = statistics.histogram("question_lengths")
    replies = statistics.histogram("reply_lengths")
    labels = [label for label, _ in (questions + replies).bars()]
    if len(labels) < 2:
        return None
    figure, axes = _axes(figure_class, CAPTIONS["lengths.png"], 3.4)
    for shift, color, name, counts in (
        (-0.2, BLUE, _("questions"), dict(questions.bars())),
        (0.2, ORANGE, _("replies"), dict(replies.bars())),
    ):
        places = [place + shift for place in range(len(labels))]
        axes.bar(places, [counts.get(label, 0) for label in labels], 0.4, color=color, label=name)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_xlabel(_("characters"), color=_INK)
    axes.set_ylabel(_("pairs"), color=_INK)
    axes.legend(frameon=False, labelcolor=_INK)
    return figure


def _turns(figure_class: Any, turns: Histogram) -> Any:
    bars = turns.bars()
    if len(bars) < 2:
        return None
    figure, axes = _axes(figure_class, CAPTIONS["turns.png"], 2.8)
    places = range(len(bars))
    # Few bars would else fill the whole picture.
    drawn = axes.bar(places, [count for _, count in bars], 0.7, color=BLUE)
    axes.bar_label(drawn, [_short(count) for _, count in bars], color=_INK, fontsize=8, padding=2)
    axes.set_xlim(min(-0.6, len(bars) / 2 - 3.5), max(len(bars) - 0.4, len(bars) / 2 + 2.5))
    axes.set_xticks(places, [label for label, _ in bars])
    axes.margins(y=0.12)
    axes.set_xlabel(_("turns"), color=_INK)
    axes.set_ylabel(_("dialogues"), color=_INK)
    return figure


def _named(counts: dict[str, int]) -> list[tuple[str, int]]:
    places = enumerate(counts.items(), start=1)
    return [
        (_(_LANGUAGE_NAMES.get(name, "")) or drawn_label(name, rank), count)
        for rank, (name, count) in places
    ]


def _ranking(figure_class: Any, title: str, bars: list[tuple[str, int]]) -> Any:
    if len(bars) < 2:
        return None
    if len(bars) > _MAX_BARS:
        rest = bars[_MAX_BARS - 1 :]
        total = sum(count for _, count in rest)
        bars = [*bars[: _MAX_BARS - 1], (_("{number} others", number=len(rest)), total)]
    figure, axes = _axes(figure_class, title, 0.9 + 0.26 * len(bars))
    places = range(len(bars))
    drawn = axes.barh(places, [count for _, count in bars], 0.7, color=BLUE)
    axes.bar_label(drawn, [_short(count) for _, count in bars], color=_INK, fontsize=8, padding=3)
    # parse_math: a dollar sign in a file name is no formula.
    axes.set_yticks(places, [label for label, _ in bars], parse_math=False)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel(_("dialogues"), color=_INK)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    return figure


def _axes(figure_class: Any, title: str, height: float) -> tuple[Any, Any]:
    # White, not see-through: dark letters must be legible on a dark page too.
    figure = figure_class(figsize=(_WIDTH, height), facecolor="white", layout="constrained")
    axes = figure.add_subplot(facecolor="white")
    axes.set_title(_(title), color=_INK, fontsize=11, loc="left")
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=_INK, labelsize=8)
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_major_locator().set_params(integer=True)
        axis.set_major_formatter(lambda value, _place: _short(value))
    return figure, axes


def _short(count: float) -> str:
    """Write a count in at most five characters or so: 950, 12.3k, 4.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if count >= size:
            return f"{count / (1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{count:g}"
