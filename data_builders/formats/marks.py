# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Marks by which the families of plain text are told apart from each other and from the rest."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from data_builders.reading import Sample

CORNELL_MARK = "+++$+++"
TURN_END_MARK = "__eou__"
# Files that are text but no plain lines of talk, whatever they look like at the beginning.
_OTHER_SUFFIXES = frozenset(
    ".json .jsonl .ndjson .yml .yaml .xml .html .htm .aiml .md .rst .py .js .ini .toml .log".split()
)
_CSV_SHARE = 0.9
_JSON_BEGIN = re.compile(r"\s*[\[{]\s*[\[{\"]")

Line = TypeVar("Line")


def text_lines_of(sample: Sample) -> list[str]:
    """Give the lines of a sample that are not blank, or none if it is JSON.

    Args:
        sample: The beginning of a file.

    Returns:
        The lines; an empty list says that no family of plain text fits.
    """
    if sample.suffix in _OTHER_SUFFIXES or _is_json(sample):
        return []
    return [line for line in sample.lines if line.strip()]


def share(lines: Sequence[Line], test: Callable[[Line], object]) -> float:
    """Say which part of the lines passes a test.

    Args:
        lines: Lines of a sample.
        test: Called with each.

    Returns:
        From 0 to 1; 0 if there are no lines.
    """
    return sum(1 for line in lines if test(line)) / len(lines) if lines else 0.0


def talk_lines_of(sample: Sample) -> list[str]:
    """Give the lines of a sample if nothing marks it as another format.

    Args:
        sample: The beginning of a file.

    Returns:
        The lines that are not blank; none if it is JSON, CSV, markup or has a family's mark.
    """
    lines = text_lines_of(sample)
    if share(lines, _has_mark) > 0.1 or _is_csv(sample, lines):
        return []
    return lines


def _is_json(sample: Sample) -> bool:
    if sample.layout is None:
        return False
    if any(isinstance(getattr(row, "value", row), (dict, list)) for row in sample.rows):
        return True
    # The first row may be longer than the sample. Text may begin with a bracket too: "[smiles]".
    return bool(_JSON_BEGIN.match(sample.text))


def _has_mark(line: str) -> bool:
    return "\t" in line or CORNELL_MARK in line or TURN_END_MARK in line or line[:2] in ("M ", "<?")


def _is_csv(sample: Sample, lines: list[str]) -> bool:
    # Talk has commas too, but hardly the same number of them in nine lines of ten.
    try:
        widths = Counter(len(row) for row in csv.reader(lines))
    except csv.Error:
        return False
    if not widths:
        return False
    width, count = widths.most_common(1)[0]
    wide = width > 2 or (width == 2 and sample.suffix == ".csv")
    return wide and count >= _CSV_SHARE * widths.total()
