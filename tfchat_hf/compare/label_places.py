# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Where the names of points go in a picture, so that none lies on another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """Gives the area that two boxes share."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)

    def outside(self, frame: Box) -> float:
        """Gives the area that lies outside of a frame."""
        return (self.right - self.left) * (self.top - self.bottom) - self.overlap(frame)


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
    gap: float,
    blocked: Sequence[Box] = (),
) -> list[Box]:
    """Finds a place beside each point, one after the other, the nearest free one.

    Args:
        points: centres in pixels.
        sizes: width and height of each label.
        frame: what labels should stay within.
        gap: from a point's centre to the nearest place.
        blocked: where something else is written.

    Returns:
        A box for each label.
    """
    taken = [*blocked, *(Box(x - gap, y - gap, x + gap, y + gap) for x, y in points)]
    placed: list[Box] = []
    for point, size in zip(points, sizes, strict=True):
        best = min(
            _candidates(point, size, gap),
            # The farther candidates come later, and `min` takes the first of equals.
            key=lambda box: sum(map(box.overlap, taken)) + 10 * box.outside(frame),
        )
        placed.append(best)
        taken.append(best)
    return placed


def _candidates(point: tuple[float, float], size: tuple[float, float], gap: float) -> Iterator[Box]:
    """Yields boxes around a point: to its right, then all about, then farther off."""
    (x, y), (width, height) = point, size
    for far in (1.0, 2.0, 3.0, 4.5, 6.0):
        for turn in range(12):
            angle = turn * math.pi / 6
            across, up = math.cos(angle), math.sin(angle)
            # The near edge of the box lies so far off, not its middle.
            middle_x = x + across * (gap * far + width / 2)
            middle_y = y + up * (gap * far + height / 2)
            left, bottom = middle_x - width / 2, middle_y - height / 2
            yield Box(left, bottom, left + width, bottom + height)
