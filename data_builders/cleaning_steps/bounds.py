# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Bounds of length."""

from __future__ import annotations

from collections.abc import Sequence

TOO_SHORT, TOO_LONG, TOO_MANY_TURNS = "too short", "too long", "too many turns"


def broken_bound(turns: Sequence[str], minimum: int, maximum: int, maximum_turns: int) -> str:
    """Say which bound a dialogue breaks.

    Args:
        turns: The turns, cleaned.
        minimum: Least characters of a turn.
        maximum: Most characters of a turn; 0 for no bound.
        maximum_turns: Most turns; 0 for no bound.

    Returns:
        A key of `RULES`, or "" if it keeps within all bounds: (["好"], 2, 0, 0) gives
        "too short".
    """
    if maximum_turns and len(turns) > maximum_turns:
        return TOO_MANY_TURNS
    lengths = [len(turn) for turn in turns]
    if min(lengths) < minimum:
        return TOO_SHORT
    return TOO_LONG if maximum and max(lengths) > maximum else ""
