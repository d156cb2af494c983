# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How long the files are that `docs/code.md` lists; writes the numbers anew.

python -m tests.code_lines
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "docs" / name for name in ("code.md", "code.zh-CN.md")]
A_MINUTE = 20
ROW = re.compile(r"^\| \[`(\S+)`\]\(\.\./(\S+)\) \| (\d+) \| (\d+) \| (.+) \|$", flags=re.M)
SUM = re.compile(r"^\| \*\*(\S+)\*\* \| (\d+) \| (\d+) \| \|$", flags=re.M)


def lines_of(path: str) -> int:
    """Count the lines of a file."""
    return len((ROOT / path).read_text(encoding="utf-8").splitlines())


def minutes(lines: int) -> int:
    """Return how long so many lines take to read."""
    return round(lines / A_MINUTE)


def renewed(page: str) -> str:
    """Write the numbers of a page anew."""
    made, total = [], 0
    for line in page.splitlines():
        if row := ROW.match(line):
            lines = round(lines_of(row[2]), -1)
            total += lines
            line = f"| [`{row[1]}`](../{row[2]}) | {lines} | {minutes(lines)} | {row[5]} |"
        elif whole := SUM.match(line):
            line = f"| **{whole[1]}** | {total} | {minutes(total)} | |"
            total = 0
        made.append(line)
    return "\n".join(made) + "\n"


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
