# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Draws the tables of two chapters, in both languages: docs/decoding.svg and docs/tokenizers.svg.

    python benchmarks/table_pictures.py

The numbers are read from the tables of the English pages, so a picture cannot say anything else
than the table above it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_builders.writing import write_whole
from tfchat_hf.look.svg import Drawing, Point, text_width

DOCS = Path(__file__).parents[1] / "docs"
WIDTH = 900
SUFFIXES = {"en": "", "zh": ".zh-CN"}
TEXTS = {
    "en": {
        "decoding": "Presets on Chinese chit-chat: variety, likeness to people's replies, faults",
        "variety": "distinct-2: how varied the replies are",
        "likeness": "BLEU: likeness to people's replies",
        "goal": "goal",
        "people": "people",
        "loops": "loops",
        "copied": "copied",
        "top reply": "top reply",
        "tokenizers": "Bits a character on held-out replies (lower is better)",
        "tokens": "tokens in the vocabulary",
        "Chinese chit-chat": "Chinese chit-chat",
        "Chinese instructions": "Chinese instructions",
        "English film dialogue": "English film dialogue",
        "far": "char: {value}, not drawn",
    },
    "zh": {
        "decoding": "中文闲聊上的各个预设：多样性、像人的程度、毛病",
        "variety": "distinct-2：回复有多少花样",
        "likeness": "BLEU：像不像人的回复",
        "goal": "目标",
        "people": "人",
        "loops": "打转",
        "copied": "照抄",
        "top reply": "最常见的一句",
        "tokenizers": "留出回复上每个字符的比特数（越低越好）",
        "tokens": "词表里的 token 数",
        "Chinese chit-chat": "中文闲聊",
        "Chinese instructions": "中文指令",
        "English film dialogue": "英文电影对白",
        "far": "char：{value}，未画出",
    },
}
# What a preset for everyday talk should reach, as times the figure of greedy search.
GOAL = (2.0, 0.95)
PRESETS = ("greedy", "precise", "beam", "balanced", "creative", "sampling")
CORPORA = ("Chinese chit-chat", "Chinese instructions", "English film dialogue")
# `char` is far above the others: named, not drawn.
KINDS = {"subword-unigram": "question", "word": "reply", "subword-bpe": "both"}


def table(page: str, head: str) -> list[dict[str, str]]:
    """Read the first table of a page that has a column of this name."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if f"| {head} |" in line)
    names = _cells(lines[start])
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(names, _cells(line), strict=True)))
    return rows


def _cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]


def number(cell: str) -> float:
    """Read the first number of a cell."""
    found = re.search(r"[\d,]+(?:\.\d+)?", cell)
    if found is None:
        raise ValueError(f"no number in {cell!r}")
    return float(found[0].replace(",", ""))


@dataclass(frozen=True)
class Panel:
    """A rectangle in which numbers have places."""

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> Point:
        """Return the place of two numbers."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + across * self.width, self.top + (1 - up) * self.height

    def draw_axes(
        self, drawing: Drawing, across: Sequence[float], up: Sequence[float], form: str
    ) -> None:
        """Draw a grid with its numbers."""
        foot, right = self.top + self.height, self.left + self.width
        for value in up:
            y = self.at(self.x[0], value)[1]
            drawing.line([(self.left, y), (right, y)], False, "grid")
            drawing.text((self.left - 6, y + 4), form.format(value), 11, "end", "quiet")
        for value in across:
            x = self.at(value, self.y[0])[0]
            drawing.line([(x, self.top), (x, foot)], False, "grid")
            drawing.text((x, foot + 16), f"{value:g}", 11, "middle", "quiet")


def new_drawing(title: str, language: str) -> Drawing:
    """Begin a picture."""
    drawing = Drawing(WIDTH, title, language)
    drawing.rules += [
        ".grid { stroke: var(--line); stroke-width: 0.6; stroke-opacity: 0.35; }",
        ".dashed { stroke-dasharray: 5 4; } .goal { fill: var(--question); stroke: none; }",
        *(f".of-{kind} {{ stroke: var(--{kind}-edge); }}" for kind in KINDS.values()),
    ]
    drawing.text((24, 32), title, 17, classes="strong")
    return drawing


def draw_decoding(language: str) -> str:
    """Draw variety against likeness, a point a preset, and beside it what should be small."""
    said, rows = TEXTS[language], table("decoding.md", "distinct-2")
    named = [row for row in rows if row[""] in PRESETS]
    people = next(row for row in rows if row[""] == "people")
    drawing = new_drawing(said["decoding"], language)
    panel = Panel(70, 56, 420, 280, (0, 1), (0, 2))
    greedy = next(row for row in named if row[""] == "greedy")
    goal = GOAL[0] * number(greedy["distinct-2"]), GOAL[1] * number(greedy["BLEU"])
    corner, foot = panel.at(goal[0], panel.y[1]), panel.at(panel.x[1], goal[1])
    drawing.path(f"M{corner[0]:.1f} {corner[1]}H{foot[0]}V{foot[1]:.1f}H{corner[0]:.1f}z", "goal")
    drawing.text((corner[0] + 6, corner[1] + 16), said["goal"], 12, classes="quiet")
    panel.draw_axes(drawing, [0, 0.2, 0.4, 0.6, 0.8, 1], [0, 0.5, 1, 1.5, 2], "{:.1f}")
    drawing.text((panel.left + panel.width / 2, 374), said["variety"], 13, "middle")
    drawing.upright((28, panel.top + panel.height / 2), said["likeness"], 13, "")
    x, top = panel.at(number(people["distinct-2"]), panel.y[1])
    drawing.line([(x, top), (x, top + panel.height)], False, "dashed")
    drawing.text((x - 5, top + panel.height - 8), said["people"], 12, "end", "quiet")
    places = [panel.at(number(row["distinct-2"]), number(row["BLEU"])) for row in named]
    for left, top in places:
        drawing.box(left - 5, top - 5, 10, 10, "reply", 5)
    _write_names(drawing, [row[""] for row in named], places)
    _draw_bars(drawing, [*named, people], said)
    return drawing.finished(392)


def _write_names(drawing: Drawing, names: Sequence[str], places: Sequence[Point]) -> None:
    """Name the points where neither a point nor another name is."""
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in places]
    for name, (x, y) in zip(names, places, strict=True):
        wide = text_width(name, 12)
        for left, base in ((x + 10, y + 4), (x - wide / 2, y - 10), (x - wide / 2, y + 19)):
            box = (left, base - 11, left + wide, base + 3)
            if not any(_overlap(box, other) for other in taken):
                break
        taken.append(box)
        drawing.text((left, base), name, 12)


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    across = min(one[2], other[2]) - max(one[0], other[0])
    return across > 0 and min(one[3], other[3]) - max(one[1], other[1]) > 0


def _draw_bars(drawing: Drawing, rows: Sequence[dict[str, str]], said: dict[str, str]) -> None:
    """Draw a panel of bars for each fault."""
    for number_of, fault in enumerate(("loops", "copied", "top reply")):
        left, most = 590 + 104 * number_of, max(number(row[fault]) for row in rows)
        drawing.text((left, 68), said[fault], 12, classes="strong")
        for place, row in enumerate(rows):
            y = 84 + 36 * place
            people = row[""] == "people"
            if not number_of:
                name = said["people"] if people else row[""]
                drawing.text((left - 8, y + 14), name, 12, "end")
            long = 52 * number(row[fault]) / most
            drawing.box(left, y + 2, max(long, 1), 16, "plain" if people else "reply", 2)
            drawing.text((left + max(long, 1) + 5, y + 14), row[fault], 11, classes="quiet")


def draw_tokenizers(language: str) -> str:
    """Draw bits a character over the size of the vocabulary, a panel for each corpus."""
    said, rows = TEXTS[language], table("tokenizers.md", "Chinese chit-chat")
    drawing = new_drawing(said["tokenizers"], language)
    left = 24.0
    for scheme, kind in KINDS.items():
        drawing.line([(left, 54), (left + 26, 54)], False, f"of-{kind}")
        drawing.box(left + 9, 50, 8, 8, kind, 4)
        drawing.text((left + 32, 58), scheme, 12, classes="code")
        left += 60 + text_width(scheme, 12, True)
    for place, corpus in enumerate(CORPORA):
        _draw_corpus(drawing, rows, corpus, 66 + 290 * place, said)
    return drawing.finished(352)


def _draw_corpus(
    drawing: Drawing,
    rows: Sequence[dict[str, str]],
    corpus: str,
    left: float,
    said: dict[str, str],
) -> None:
    """Draw the panel of one corpus."""
    bits = {(row["Scheme"], number(row["Tokens"])): row[corpus] for row in rows}
    near = {key: text for key, text in bits.items() if key[0] in KINDS}
    low, high = (edge(map(number, near.values())) for edge in (min, max))
    room = 0.12 * (high - low)
    panel = Panel(left, 104, 212, 180, (0.7, 3.3), (low - room, high + room))
    drawing.text((left, 90), said[corpus], 13, classes="strong")
    for value in (low, (low + high) / 2, high):
        y = panel.at(panel.x[0], value)[1]
        drawing.line([(left, y), (left + panel.width, y)], False, "grid")
        drawing.text((left - 6, y + 4), f"{value:.2f}", 11, "end", "quiet")
    sizes = sorted({size for _, size in near})
    for place, size in enumerate(sizes, 1):
        at = (panel.at(place, low)[0], 302)
        drawing.text(at, f"{size:,.0f}", 11, "middle", "quiet")
    drawing.text((left + panel.width / 2, 320), said["tokens"], 12, "middle", "quiet")
    far = min(number(text) for (scheme, _), text in bits.items() if scheme not in KINDS)
    at = (left + panel.width, 338)
    drawing.text(at, said["far"].format(value=f"{far:.2f}"), 11, "end", "quiet")
    for scheme, kind in KINDS.items():
        points = [
            panel.at(place, number(near[scheme, size])) for place, size in enumerate(sizes, 1)
        ]
        drawing.line(points, False, f"of-{kind}", bend=0)
        for x, y in points:
            drawing.box(x - 4, y - 4, 8, 8, kind, 4)


def main() -> None:
    """Write the four pictures."""
    for language, suffix in SUFFIXES.items():
        write_whole(DOCS / f"decoding{suffix}.svg", draw_decoding(language))
        write_whole(DOCS / f"tokenizers{suffix}.svg", draw_tokenizers(language))


if __name__ == "__main__":
    main()
