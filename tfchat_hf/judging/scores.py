# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What marks of blind sheets amount to: shares, paired differences, agreement of judges."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import NamedTuple

from .sheet import Key

# A normal variable lies within so many deviations in 95 of 100 cases.
_Z = 1.96


class Interval(NamedTuple):
    """Between what a figure lies, 95 %."""

    low: float
    high: float


class Group(NamedTuple):
    """Questions that are counted together: by their language, and with or without other turns."""

    language: str
    kind: str


@dataclass(frozen=True)
class Case:
    """A system's reply to one question.

    Attributes:
        acceptable: the share of judges who gave it 1 or 2.
        good: the share of judges who gave it 2.
        kept: it is in the language of the question.
        by_judge: their marks.
    """

    acceptable: float
    good: float
    kept: bool
    by_judge: tuple[int, ...]


@dataclass(frozen=True)
class Shares:
    """How a system did; `by_judge` has the acceptable and the good share of each judge alone."""

    asked: int
    acceptable: float
    interval: Interval
    good: float
    language_kept: float
    by_judge: list[tuple[float, float]]


@dataclass(frozen=True)
class Difference:
    """How much more of a system's replies are acceptable than of another's to the same questions.

    Attributes:
        value: in shares of the questions.
        interval: of `value`.
        better: questions that the first one answered more acceptably.
        worse: questions that the other one did.
        p: how often chance alone shares the two out as unevenly.
    """

    value: float
    interval: Interval
    better: int
    worse: int
    p: float


@dataclass(frozen=True)
class Agreement:
    """How alike two judges marked the same replies.

    Attributes:
        replies: how many.
        acceptable: the share on which they agree whether it is acceptable.
        acceptable_kappa: Cohen's kappa of that; None where neither ever said anything else.
        marks: the share with the same mark.
        marks_kappa: Cohen's kappa of the three marks.
    """

    replies: int
    acceptable: float
    acceptable_kappa: float | None
    marks: float
    marks_kappa: float | None


def wilson(share: float, count: int) -> Interval:
    """Give the interval of a share that was seen in `count` cases (Wilson, 1927)."""
    middle = share + _Z * _Z / (2 * count)
    spread = _Z * math.sqrt(share * (1 - share) / count + _Z * _Z / (4 * count * count))
    low, high = ((middle + side * spread) / (1 + _Z * _Z / count) for side in (-1, 1))
    return Interval(max(0.0, low), min(1.0, high))


def group_cases(
    key: Key, judges: Sequence[Sequence[int]], guess_language: Callable[[Sequence[str]], str]
) -> dict[Group, dict[str, list[Case]]]:
    """Sort the replies by group and system.

    Args:
        key: of the sheet.
        judges: the marks of each, one a row of the key.
        guess_language: names the language of turns.

    Returns:
        For each group and system its cases, all systems in the same order of questions.
    """
    groups: dict[Group, dict[str, list[Case]]] = {}
    for row, marks in zip(key.rows, zip(*judges, strict=True), strict=True):
        language = guess_language(row.turns[-1:])
        group = Group(language, "one turn" if len(row.turns) == 1 else "several turns")
        systems = groups.setdefault(group, {name: [] for name in key.systems})
        case = _case(marks, guess_language([row.reply]) == language)
        for name in row.of:
            systems[name].append(case)
    return dict(sorted(groups.items()))


def _case(marks: tuple[int, ...], kept: bool) -> Case:
    """Take the mean of the judges."""
    acceptable = fmean(mark > 0 for mark in marks)
    return Case(acceptable, fmean(mark == 2 for mark in marks), kept, marks)


def shares_of(cases: Sequence[Case]) -> Shares:
    """Sum up a system's replies of one group."""
    acceptable = fmean(case.acceptable for case in cases)
    alone = [
        (fmean(mark > 0 for mark in marks), fmean(mark == 2 for mark in marks))
        for marks in zip(*(case.by_judge for case in cases), strict=True)
    ]
    return Shares(
        asked=len(cases),
        acceptable=acceptable,
        interval=wilson(acceptable, len(cases)),
        good=fmean(case.good for case in cases),
        language_kept=fmean(case.kept for case in cases),
        by_judge=alone,
    )


def difference_of(cases: Sequence[Case], others: Sequence[Case]) -> Difference:
    """Compare two systems, question by question.

    The interval is that of Agresti and Min (2005) for paired shares, which means something for
    few questions too, and where all were answered alike. `p` is McNemar's test, exact: with
    several judges the sign test, of which it is the case of one judge.

    Args:
        cases: of one system.
        others: of the other one, to the same questions.
    """
    gains = [case.acceptable - other.acceptable for case, other in zip(cases, others, strict=True)]
    count = len(gains) + 2  # One question more that each wins and each loses by half.
    middle = sum(gains) / count
    variance = ((sum(gain * gain for gain in gains) + 1) / count - middle**2) / count
    spread = _Z * math.sqrt(variance)
    interval = Interval(max(-1.0, middle - spread), min(1.0, middle + spread))
    better, worse = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    return Difference(fmean(gains), interval, better, worse, sign_test(better, worse))


def sign_test(better: int, worse: int) -> float:
    """Give the probability of so uneven a division, or one more uneven, if both were alike."""
    count, fewer = better + worse, min(better, worse)
    tail = sum(math.comb(count, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / 2**count)


def agreements(judges: Mapping[str, Sequence[int]]) -> dict[tuple[str, str], Agreement]:
    """Compare each two judges."""
    return {
        (one, other): agreement_of(judges[one], judges[other])
        for one, other in combinations(judges, 2)
    }


def agreement_of(marks: Sequence[int], others: Sequence[int]) -> Agreement:
    """Compare the marks of two judges for the same replies."""
    acceptable, kappa = _alike([mark > 0 for mark in marks], [mark > 0 for mark in others])
    alike, marks_kappa = _alike(marks, others)
    return Agreement(len(marks), acceptable, kappa, alike, marks_kappa)


def _alike(marks: Sequence[int], others: Sequence[int]) -> tuple[float, float | None]:
    """Give the share of equal marks, and how far it is from chance to 1 (Cohen, 1960)."""
    seen = fmean(mark == other for mark, other in zip(marks, others, strict=True))
    chance = sum(
        marks.count(mark) * others.count(mark) / len(marks) ** 2 for mark in {*marks, *others}
    )
    return seen, None if chance == 1 else (seen - chance) / (1 - chance)
