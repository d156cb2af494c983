# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Progress bars with rate and remaining time, on a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

# Sooner a bar would only flicker.
_DELAY_SECONDS = 1.0


@contextmanager
def bytes_bar(total: int, title: str) -> Iterator[Callable[[int], None]]:
    """Show how far a reading is.

    Args:
        total: Bytes there are.
        title: What is being done.

    Yields:
        The function to call with each number of bytes read.
    """
    with tqdm(
        total=total,
        desc=title,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        delay=_DELAY_SECONDS,
        disable=None,
    ) as bar:
        yield bar.update
