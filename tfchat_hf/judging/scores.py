# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Add up what judges wrote on a blind sheet.

    python -m tfchat_hf.judging scores judged/sheet.tsv
    python -m tfchat_hf.judging scores judged/sheet-ann.tsv judged/sheet-bo.tsv --against look-up

Prints, for each language and for questions of one turn and of several: which share of a system's
replies is acceptable (1 or 2) with Wilson's interval, good (2), and in the language of the
question; then how much better or worse each system is than one of them on the same questions.
Several judges count with their mean, each one's own shares stand beside it, and their agreement
below.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from data_builders.command_line import say
from data_builders.errors import UserError
from data_builders.output.markdown import table
from data_builders.translation import _, listed, marked

from .sheet import Key, read_marks

# A normal variable lies within so many deviations in 95 of 100 cases.
_Z = 1.96


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = __doc__
    add = parser.add_argument
    add("sheets", nargs="+", type=Path, metavar="SHEET", help="a marked sheet, one for each judge")
    add("--key", type=Path, help="its key (default: key.json beside the first sheet)")
    add("--against", metavar="NAME", help="compare with this system (default: the first one)")
    add("--json", action="store_true", help="print everything as JSON")


def run(options: argparse.Namespace) -> None:
    """Add up and print."""
    report = score_sheets(options.sheets, options.key, options.against)
    say(json.dumps(report, ensure_ascii=False, indent=2) if options.json else report_text(report))


def score_sheets(
    sheets: Sequence[Path], key_path: Path | None = None, against: str | None = None
) -> dict[str, Any]:
    """Read marked sheets and give all that follows from them.

    Args:
        sheets: the same sheet as each judge marked it.
        key_path: of its key; None for key.json beside the first one.
        against: the system that the others are compared with; None for the first one.

    Returns:
        The names of judges and systems, `groups` and `agreement`, as `--json` prints them.

    Raises:
        UserError: A file or a name is not what it should be.
    """
    key_path = key_path or sheets[0].with_name("key.json")
    key = Key.read(key_path)
    against = key.systems[0] if against is None else against
    if against not in key.systems:
        known = listed(key.systems)
        raise UserError(
            "`--against` must be a system of the sheet: {known} (got {against}).",
            known=known,
            against=against,
        )
    judges = {name: read_marks(sheet, key, key_path) for name, sheet in _judges(sheets).items()}
    # It takes a second to import; what is wrong with a sheet is said before.
    from data_builders.language import guess_language

    groups = group_cases(key, list(judges.values()), guess_language)
    return {
        "judges": list(judges),
        "systems": key.systems,
        "against": against,
        "groups": [_group_report(group, cases, against) for group, cases in groups.items()],
        "agreement": [
            {"judges": list(pair), **asdict(found)} for pair, found in agreements(judges).items()
        ],
    }


def _judges(sheets: Sequence[Path]) -> dict[str, Path]:
    """Name each judge by the file's name, or by its path where names are equal."""
    names = [sheet.stem.removeprefix("sheet-") for sheet in sheets]
    if len(set(names)) < len(names):
        names = [str(sheet) for sheet in sheets]
    if len(set(names)) < len(names):
        raise UserError("each judge's sheet must be given once (got one twice).")
    return dict(zip(names, sheets, strict=True))


def _group_report(group: Group, systems: dict[str, list[Any]], against: str) -> dict[str, Any]:
    """Describe one group of questions."""
    rows = {}
    for name, cases in systems.items():
        rows[name] = asdict(shares_of(cases))
        if name != against:
            rows[name]["difference"] = asdict(difference_of(cases, systems[against]))
    return {**group._asdict(), "systems": rows}


# -------------------------------------------------------------------------------------- the figures


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
        kind = marked("one turn") if len(row.turns) == 1 else marked("several turns")
        group = Group(language, kind)
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


# --------------------------------------------------------------------------------------- the tables


def report_text(report: dict[str, Any]) -> str:
    """Word a report of `score_sheets`."""
    judges = report["judges"]
    lines = [_shares_table(report, judges)]
    if len(report["systems"]) > 1:
        lines += ["", _differences_table(report)]
    if len(judges) > 1:
        lines += ["", _("With several judges a reply counts by the mean of their marks.")]
        lines += [_agreement_line(found) for found in report["agreement"]]
    return "\n".join(lines)


def _shares_table(report: dict[str, Any], judges: Sequence[str]) -> str:
    """Write the shares of each system, and with several judges what each of them found."""
    alone = [_("{name}: acceptable, good", name=name) for name in judges if len(judges) > 1]
    heads = [_("language"), _("asked"), _("system"), _("acceptable (95 %)"), _("good")]
    heads += [_("language kept"), *alone]
    rows = []
    for group in report["groups"]:
        for name, row in group["systems"].items():
            cells = [
                group["language"],
                f"{row['asked']}, {_(group['kind'])}",
                name,
                f"{row['acceptable']:.0%} ({_range(row['interval'], '{:.0%}')})",
                f"{row['good']:.0%}",
                f"{row['language_kept']:.0%}",
            ]
            if alone:
                cells += [f"{acceptable:.0%}, {good:.0%}" for acceptable, good in row["by_judge"]]
            rows.append(cells)
    return table(heads, rows, plain=True)


def _differences_table(report: dict[str, Any]) -> str:
    """Write how each system differs from the one they are compared with."""
    heads = [_("language"), _("asked"), _("system")]
    heads += [_("acceptable, less {name}: points (95 %)", name=report["against"])]
    rows = []
    for group in report["groups"]:
        for name, row in group["systems"].items():
            if found := row.get("difference"):
                value = f"{100 * found['value']:+.0f} ({_range(found['interval'], '{:+.0%}')})"
                cells = [group["language"], f"{row['asked']}, {_(group['kind'])}", name]
                cells += [value.replace("%", ""), f"{found['better']}, {found['worse']}"]
                rows.append([*cells, "< 0.001" if found["p"] < 0.001 else f"{found['p']:.3f}"])
    return table([*heads, _("better, worse"), "p"], rows, plain=True)


def _agreement_line(found: dict[str, Any]) -> str:
    """Say how alike two judges are."""
    one, other = found["judges"]
    return _(
        "{one} and {other}, {replies} replies: acceptable or not alike in {acceptable:.0%} (kappa "
        "{acceptable_kappa}), the same of three marks in {marks:.0%} (kappa {marks_kappa}).",
        **{name: value for name, value in found.items() if not name.endswith("kappa")},
        one=one,
        other=other,
        acceptable_kappa=_kappa(found["acceptable_kappa"]),
        marks_kappa=_kappa(found["marks_kappa"]),
    )


def _kappa(value: float | None) -> str:
    """Write a kappa, which there is none of where both gave one mark throughout."""
    return _("none") if value is None else f"{value:.2f}"


def _range(interval: Sequence[float], form: str) -> str:
    """Write both ends of an interval."""
    return _(" to ").join(form.format(end) for end in interval)
