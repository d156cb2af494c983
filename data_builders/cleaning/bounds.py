# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Bounds of length, and of letters."""

from __future__ import annotations

from collections.abc import Sequence

TOO_SHORT, TOO_LONG, TOO_MANY_TURNS = "too short", "too long", "too many turns"
TOO_FEW_LETTERS = "too few letters"


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


def unlettered_reply(turns: Sequence[str], minimum: int) -> str | None:
    """Find a reply that says too little.

    Args:
        turns: The turns, cleaned.
        minimum: Least letters and digits of each turn but the first.

    Returns:
        The first one with fewer, or None: (["好吗", "……？"], 1) gives "……？".
    """
    if not minimum:
        return None
    return next((turn for turn in turns[1:] if sum(map(str.isalnum, turn)) < minimum), None)
