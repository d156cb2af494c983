# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which side of the split a question stands on: a pure function of its text."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

from data_builders.report import DataError

_BUCKETS = 2**64


def normalize_question(question: str) -> str:
    """Fold what does not change a question: width, case, punctuation, whitespace.

    Args:
        question: The first turn of a dialogue.

    Returns:
        The folded text; the question itself, only stripped, when nothing else is left of it, so
        that "?" and "!!" do not become one question.
    """
    folded = unicodedata.normalize("NFKC", question).casefold()
    kept = "".join(c for c in folded if unicodedata.category(c)[0] not in "PZC")
    return kept or question.strip()


def check_fractions(validation_fraction: float, test_fraction: float = 0.0) -> None:
    """Refuse fractions that leave nothing to train on.

    Args:
        validation_fraction: Share of questions for validation.
        test_fraction: Share of questions for the test split.

    Raises:
        DataError: If one is outside [0, 1) or both together reach 1.
    """
    settings = {"validation_fraction": validation_fraction, "test_fraction": test_fraction}
    for name, value in settings.items():
        if not 0.0 <= value < 1.0:
            raise DataError(f"`{name}` must be at least 0 and below 1 (got {value}). Try 0.05.")
    if validation_fraction + test_fraction >= 1.0:
        raise DataError(
            "`validation_fraction` and `test_fraction` together must stay below 1 "
            f"(got {validation_fraction} + {test_fraction}). Try 0.05 and 0.05."
        )


def split_of(question: str, validation_fraction: float, test_fraction: float = 0.0) -> str:
    """Say to which split a question belongs, whatever else is in the data.

    Validation takes the lowest hashes and test the highest: new data moves no old row, and a
    change of one fraction moves no row between train and the other side.

    Args:
        question: The first turn of a dialogue.
        validation_fraction: Share of distinct questions for validation.
        test_fraction: Share of distinct questions for the test split.

    Returns:
        "train", "validation" or "test".
    """
    digest = blake2b(normalize_question(question).encode("utf-8"), digest_size=8).digest()
    position = int.from_bytes(digest, "big") / _BUCKETS
    if position < validation_fraction:
        return "validation"
    return "test" if position >= 1.0 - test_fraction else "train"


def first_question(turns: Sequence[str], roles: Sequence[str] = ()) -> str:
    """Give the turn that decides the split: the first one that is not a system prompt.

    A system prompt is often the same in every row and would put all of them on one side.

    Args:
        turns: The turns of a dialogue, at least one.
        roles: One role per turn, or nothing.

    Returns:
        The first turn spoken by somebody.
    """
    for turn, role in zip(turns, roles, strict=False):
        if role != "system":
            return turn
    return turns[0]
