# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which questions of a file are answered together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..text.errors import UserError

# Questions are sorted by length among so many; a chunk's replies wait for each other, on disk.
ROWS_PER_CHUNK = 4096


@dataclass(frozen=True)
class BatchLimits:
    """How large a batch may become; a single question always fits.

    Attributes:
        rows: Most questions.
        tokens: Most tokens, counted as padded: for each question those of the longest one and
            room for the longest reply, once for each beam or candidate.
    """

    # Questions per CPU second, one core, a model of 7.6 M parameters, 384 real questions, replies
    # of at most 64 tokens. Chinese: 396 with 16 rows, 606 with 128, 660, 635 and 620 with 4,096,
    # 8,192 and 16,384 tokens. English: 173, 151, 218, 205, 182. The middle one leaves room for
    # 15 questions where replies may have 511 tokens. A GPU gains by more.
    rows: int = 64
    tokens: int = 8192

    def __post_init__(self) -> None:
        """Refuse what allows no batch."""
        for option, value in (("--batch-size", self.rows), ("--batch-tokens", self.tokens)):
            if value < 1:
                raise UserError(f"`{option}` must be at least 1 (got {value}).")

    def most_rows(self, source_length: int, reply_room: int, copies: int) -> int:
        """Return how many questions fit when the longest has `source_length` tokens."""
        fitting = self.tokens // ((source_length + reply_room) * copies)
        return max(1, min(self.rows, fitting))


def plan_batches(
    lengths: Mapping[int, int], limits: BatchLimits, reply_room: int, copies: int = 1
) -> Iterator[list[int]]:
    """Yield the rows of a chunk in batches of like length.

    The longest come first, so that what does not fit into memory shows at once.

    Args:
        lengths: Row number to tokens of its question.
        limits: How large a batch may be.
        reply_room: Most tokens of a reply.
        copies: Beams or candidates of each question.
    """
    order = sorted(lengths, key=lambda row: (-lengths[row], row))
    start = 0
    while start < len(order):
        count = limits.most_rows(lengths[order[start]], reply_room, copies)
        yield order[start : start + count]
        start += count
