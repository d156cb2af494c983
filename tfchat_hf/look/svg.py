# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Drawings as SVG: boxes, texts and arrows that read on a light page and on a dark one.

A drawing program is not needed for boxes, and graphviz lays out graphs, but this project's
pictures have places of their own: question left, reply right.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from data_builders.widths import display_width

Point = tuple[float, float]

# Names with fallbacks: what is drawn is text, and the reader's own fonts set it.
_FONTS = (
    '-apple-system, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC", '
    '"Microsoft YaHei", "WenQuanYi Micro Hei", sans-serif'
)
_CODE_FONTS = (
    'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans CJK SC", '
    '"WenQuanYi Micro Hei", monospace'
)
# Paper, text, quiet text, lines; then of each kind of box what fills it and what surrounds it.
_LIGHT = {
    **{"paper": "#ffffff", "ink": "#1f2328", "quiet": "#59636e", "line": "#6e7781"},
    **{"question": "#ddf4ff", "question-edge": "#0969da"},
    **{"reply": "#fff1e5", "reply-edge": "#bc4c00"},
    **{"both": "#f3ebff", "both-edge": "#8250df"},
    **{"plain": "#f0f2f5", "plain-edge": "#8c959f"},
}
_DARK = {
    **{"paper": "#0d1117", "ink": "#e6edf3", "quiet": "#9da7b1", "line": "#8b949e"},
    **{"question": "#0f2440", "question-edge": "#4493f8"},
    **{"reply": "#33210f", "reply-edge": "#db6d28"},
    **{"both": "#251a3d", "both-edge": "#ab7df8"},
    **{"plain": "#1c2128", "plain-edge": "#6e7681"},
}
KINDS: Final = ("question", "reply", "both", "plain")
# How wide letters are at a size of 1, in the wider ones of these fonts.
_NARROW = frozenset(" .,:;'|!()[]ijlrtfI-")
_WIDE = frozenset("mwMWGOQ@%→")


def texts(language: str, drawing: str) -> dict[str, str]:
    """Read what a drawing says.

    Args:
        language: `en` or `zh`.
        drawing: Its name in `drawings.json`.
    """
    file = Path(__file__).with_name("drawings.json")
    return json.loads(file.read_text(encoding="utf-8"))[language][drawing]


def text_width(text: str, size: float, code: bool = False) -> float:
    """Estimate how wide a text is; a Chinese character is as wide as it is high.

    Args:
        text: What is set.
        size: Of the font.
        code: Set in letters of one width.
    """
    return size * sum(0.61 if code and ord(c) < 0x2E80 else _letter(c) for c in text)


def _letter(letter: str) -> float:
    """Return the width of one letter at a size of 1."""
    if display_width(letter) > 1:
        return 1.0
    return 0.34 if letter in _NARROW else 0.88 if letter in _WIDE else 0.58


class Drawing:
    """A picture that grows by what is drawn on it.

    Args:
        width: Of the picture.
        title: What it shows, for who cannot see it.
        language: Of its texts.
    """

    def __init__(self, width: float, title: str, language: str) -> None:
        """Begin with a title."""
        self.width = width
        self.root = ElementTree.Element("svg", {"xmlns": "http://www.w3.org/2000/svg"})
        self._into = self.root
        self.root.set("role", "img")
        self.root.set("lang", "zh-CN" if language == "zh" else language)
        self._add("title").text = title
        self.style = self._add("style")
        self.rules = [_theme()]
        self.paper = self._add("rect", width="100%", height="100%", rx=10)
        self.paper.set("class", "paper")

    def box(
        self, left: float, top: float, width: float, height: float, kind: str, radius: float = 6
    ) -> ElementTree.Element:
        """Draw a box of one of the `KINDS`."""
        place = {"x": left, "y": top, "width": width, "height": height, "rx": radius}
        return self._add("rect", classes=f"box {kind}", **place)

    def text(
        self,
        at: Point,
        text: str,
        size: float = 13,
        anchor: str = "start",
        classes: str = "",
    ) -> ElementTree.Element:
        """Set a line of text; `at` is on its base line. Classes: `code`, `quiet`, `strong`."""
        element = self._add("text", classes=classes, x=at[0], y=at[1])
        element.set("font-size", _number(size))
        if anchor != "start":
            element.set("text-anchor", anchor)
        element.text = text
        return element

    def upright(self, at: Point, text: str, size: float = 11, classes: str = "quiet") -> None:
        """Set a line of text that is read from below, centred on a place."""
        element = self.text((0, 0), text, size, "middle", classes)
        element.set("transform", f"translate({_number(at[0])} {_number(at[1])}) rotate(-90)")

    def line(
        self, points: Sequence[Point], arrow: bool = True, classes: str = "", bend: float = 8
    ) -> ElementTree.Element:
        """Draw a line through points, its corners rounded, with an arrowhead at its end."""
        path = _rounded(points, bend)
        element = self._add("path", classes=f"line {classes}".strip(), d=path)
        if arrow:
            element.set("marker-end", "url(#head)")
        return element

    def plus(self, centre: Point, sign: str = "+") -> None:
        """Draw the circle in which two lines are added."""
        self._add("circle", classes="box plain", cx=centre[0], cy=centre[1], r=8)
        self.text((centre[0], centre[1] + 4.5), sign, 14, "middle")

    @contextmanager
    def group(self, classes: str, style: str) -> Iterator[None]:
        """Draw into a group of its own meanwhile."""
        around = self._into
        self._into = self._add("g", classes)
        self._into.set("style", style)
        try:
            yield
        finally:
            self._into = around

    def path(self, data: str, classes: str) -> ElementTree.Element:
        """Draw any path."""
        return self._add("path", classes=classes, d=data)

    def finished(self, height: float) -> str:
        """Return the picture as text, so high."""
        self.root.set("viewBox", f"0 0 {_number(self.width)} {_number(height)}")
        self.root.set("width", _number(self.width))
        self.root.set("height", _number(height))
        self.style.text = "\n" + "\n".join(self.rules) + "\n"
        ElementTree.indent(self.root, " ")
        return ElementTree.tostring(self.root, encoding="unicode") + "\n"

    def _add(self, tag: str, classes: str = "", **values: float | str) -> ElementTree.Element:
        """Add an element."""
        element = ElementTree.SubElement(self._into, tag)
        for name, value in values.items():
            element.set(name, value if isinstance(value, str) else _number(value))
        if classes:
            element.set("class", classes)
        return element

    def add_arrowheads(self) -> None:
        """Define the head of arrows, once for a drawing that has any."""
        marker = ElementTree.SubElement(self._add("defs"), "marker", {"id": "head"})
        for name, value in {"viewBox": "0 0 8 8", "refX": "7", "refY": "4"}.items():
            marker.set(name, value)
        marker.set("markerWidth", "7")
        marker.set("markerHeight", "7")
        marker.set("orient", "auto-start-reverse")
        ElementTree.SubElement(marker, "path", {"d": "M0 0 8 4 0 8z", "class": "head"})


def _number(value: float) -> str:
    """Write a number without needless digits."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _rounded(points: Sequence[Point], bend: float) -> str:
    """Describe a line through points whose corners are quarter circles."""
    parts = [f"M{_number(points[0][0])} {_number(points[0][1])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        into, out = _towards(corner, before, bend), _towards(corner, after, bend)
        parts.append(f"L{_number(into[0])} {_number(into[1])}")
        numbers = " ".join(_number(value) for value in (*corner, *out))
        parts.append(f"Q{numbers}")
    parts.append(f"L{_number(points[-1][0])} {_number(points[-1][1])}")
    return " ".join(parts)


def _towards(start: Point, end: Point, distance: float) -> Point:
    """Go from one point so far towards another, half of the way at most."""
    across, down = end[0] - start[0], end[1] - start[1]
    length = max((across**2 + down**2) ** 0.5, 1e-9)
    share = min(distance / length, 0.5)
    return start[0] + across * share, start[1] + down * share


def _theme() -> str:
    """Write the rules that all drawings share; the dark colours are for who asks for dark."""
    rules = [
        _variables(_LIGHT),
        "@media (prefers-color-scheme: dark) { " + _variables(_DARK) + " }",
        f"text {{ font-family: {_FONTS}; fill: var(--ink); white-space: pre; }}",
        f".code {{ font-family: {_CODE_FONTS}; }}",
        ".quiet { fill: var(--quiet); } .strong { font-weight: 600; }",
        ".paper { fill: var(--paper); } .head { fill: var(--line); }",
        ".box { stroke-width: 1.2; }",
        ".line { fill: none; stroke: var(--line); stroke-width: 1.4; }",
        ".same { stroke: var(--both-edge); stroke-dasharray: 5 4; }",
    ]
    for kind in KINDS:
        rules.append(f".{kind} {{ fill: var(--{kind}); stroke: var(--{kind}-edge); }}")
    return "\n".join(rules)


def _variables(colours: Mapping[str, str]) -> str:
    """Write colours as variables of the style sheet."""
    return ":root { " + " ".join(f"--{name}: {value};" for name, value in colours.items()) + " }"
