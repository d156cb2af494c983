# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The scores of a sheet as tables to read, which are Markdown too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def report_text(report: dict[str, Any]) -> str:
    """Word a report of `score_sheets`."""
    judges = report["judges"]
    lines = [*_share_lines(report, judges)]
    if len(report["systems"]) > 1:
        lines += ["", *_difference_lines(report)]
    if len(judges) > 1:
        lines += ["", "With several judges a reply counts by the mean of their marks."]
        lines += [_agreement_line(found) for found in report["agreement"]]
    return "\n".join(lines)


def _share_lines(report: dict[str, Any], judges: Sequence[str]) -> Iterator[str]:
    """Write the shares of each system, and with several judges what each of them found."""
    alone = [f"{name}: acceptable, good" for name in judges] if len(judges) > 1 else []
    heads = ["language", "asked", "system", "acceptable (95 %)", "good", "language kept", *alone]
    yield from _head(heads)
    for group in report["groups"]:
        for name, row in group["systems"].items():
            cells = [
                group["language"],
                f"{row['asked']}, {group['kind']}",
                _cell(name),
                f"{row['acceptable']:.0%} ({_range(row['interval'], '{:.0%}')})",
                f"{row['good']:.0%}",
                f"{row['language_kept']:.0%}",
            ]
            if alone:
                cells += [f"{acceptable:.0%}, {good:.0%}" for acceptable, good in row["by_judge"]]
            yield _line(cells)


def _difference_lines(report: dict[str, Any]) -> Iterator[str]:
    """Write how each system differs from the one they are compared with."""
    against = _cell(report["against"])
    heads = ["language", "asked", "system", f"acceptable, less {against}: points (95 %)"]
    yield from _head([*heads, "better, worse", "p"])
    for group in report["groups"]:
        for name, row in group["systems"].items():
            if found := row.get("difference"):
                value = f"{100 * found['value']:+.0f} ({_range(found['interval'], '{:+.0%}')})"
                cells = [group["language"], f"{row['asked']}, {group['kind']}", _cell(name)]
                cells += [value.replace("%", ""), f"{found['better']}, {found['worse']}"]
                yield _line([*cells, "< 0.001" if found["p"] < 0.001 else f"{found['p']:.3f}"])


def _agreement_line(found: dict[str, Any]) -> str:
    """Say how alike two judges are."""
    one, other = found["judges"]
    return (
        f"{one} and {other}, {found['replies']} replies: acceptable or not alike in "
        f"{found['acceptable']:.0%} (kappa {_kappa(found['acceptable_kappa'])}), the same of three "
        f"marks in {found['marks']:.0%} (kappa {_kappa(found['marks_kappa'])})."
    )


def _kappa(value: float | None) -> str:
    """Write a kappa, which there is none of where both gave one mark throughout."""
    return "none" if value is None else f"{value:.2f}"


def _range(interval: Sequence[float], form: str) -> str:
    """Write both ends of an interval."""
    return " to ".join(form.format(end) for end in interval)


def _head(heads: Sequence[str]) -> list[str]:
    """Write the two lines that begin a table."""
    return [_line(heads), "|" + "---|" * len(heads)]


def _line(cells: Sequence[str]) -> str:
    """Write a row of a table."""
    return f"| {' | '.join(cells)} |"


def _cell(name: str) -> str:
    """Keep a name from ending its cell."""
    return name.replace("|", "\\|")
