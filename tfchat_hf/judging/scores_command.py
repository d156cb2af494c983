# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Add up what judges wrote on a blind sheet.

    python -m tfchat_hf.judging scores judged/sheet.tsv
    python -m tfchat_hf.judging scores judged/sheet-ann.tsv judged/sheet-bo.tsv --against look-up

Prints, for each language and for questions of one turn and of several: which share of a system's
replies is acceptable (1 or 2) with Wilson's interval, good (2), and in the language of the
question; then how much better or worse each system is than one of them on the same questions.
Several judges count with their mean, each one's own shares stand beside it, and their agreement
below. Exit code: 0 when done, 2 when something about the command or its files is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..text.errors import UserError
from .scores import Group, agreements, difference_of, group_cases, shares_of
from .scores_text import report_text
from .sheet import Key, read_marks


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, add up, and turn errors into one sentence and an exit code.

    Args:
        argv: the command line behind "scores"; None takes the real one.
    """
    options = _parser().parse_args(argv)
    try:
        report = score_sheets(options.sheets, options.key, options.against)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped.\n")
        return 130
    text = json.dumps(report, ensure_ascii=False, indent=2) if options.json else report_text(report)
    sys.stdout.write(text + "\n")
    return 0


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
        known = ", ".join(key.systems)
        raise UserError(f"`--against` must be a system of the sheet: {known} (got {against}).")
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


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tfchat_hf.judging scores",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("sheets", nargs="+", type=Path, metavar="SHEET", help="a marked sheet, one for each judge")
    add("--key", type=Path, help="its key (default: key.json beside the first sheet)")
    add("--against", metavar="NAME", help="compare with this system (default: the first one)")
    add("--json", action="store_true", help="print everything as JSON")
    return parser
