# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Replies judged by a person who does not know whose they are.

    python benchmarks/reading.py sheet --questions questions.jsonl --replies model=replies.jsonl \
        look-up=looked_up.jsonl --sheet sheet.tsv --key key.json
    (read the sheet, write 2, 1 or 0 into its first column)
    python benchmarks/reading.py table --sheet sheet.tsv --key key.json

Questions and replies are files as `chat_hf.py --input` reads and `--output` writes them, all of the
same questions in the same order. In the sheet the replies to a question stand in random order and
equal ones once. 2: fits, and is worth reading; 1: acceptable; 0: off the question, broken, in the
wrong language, untrue of a program. `table` gives the shares with Wilson's intervals (95 %), and
how many replies are in the language of the question, which needs no reader.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_builders.language import guess_language

_HEADER = ("mark", "number", "turns", "reply")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines."""
    if not path.is_file():
        raise SystemExit(f"{path} is not there. Make it with `chat_hf.py --input ... --output`.")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def turns_of(row: dict[str, Any]) -> list[str]:
    """Give the turns of a question."""
    return row["dialogue"] if "dialogue" in row else [row["question"]]


def make_sheet(
    questions: Sequence[list[str]], replies: dict[str, list[str]], seed: int
) -> tuple[list[list[str]], list[dict[str, Any]]]:
    """Shuffle the replies to each question, equal ones once.

    Args:
        questions: Turns, the newest last.
        replies: For each answerer its reply to each question.
        seed: Of the order.

    Returns:
        The rows of the sheet, and for each whose reply it is and to which question.
    """
    for name, given in replies.items():
        if len(given) != len(questions):
            raise SystemExit(f"{name}: {len(given)} replies to {len(questions)} questions.")
    draw = random.Random(seed)
    sheet, key = [], []
    for number, turns in enumerate(questions):
        whose: dict[str, list[str]] = {}
        for name, given in replies.items():
            whose.setdefault(given[number], []).append(name)
        for reply in draw.sample(sorted(whose), len(whose)):
            sheet.append(["", str(number), " / ".join(turns), reply])
            key.append({"number": number, "turns": turns, "reply": reply, "of": whose[reply]})
    return sheet, key


def wilson(share: float, count: int) -> tuple[float, float]:
    """Give the interval of a share that is seen in `count` cases (95 %; Wilson, 1927)."""
    z = 1.96
    middle = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    low, high = ((middle + side * spread) / (1 + z * z / count) for side in (-1, 1))
    return max(0.0, low), min(1.0, high)


def table_lines(marks: Sequence[int], key: Sequence[dict[str, Any]]) -> list[str]:
    """Write the shares of each answerer, by language and by number of turns."""
    cases: dict[tuple[str, str, str], list[tuple[int, bool]]] = {}
    for mark, row in zip(marks, key, strict=True):
        language = guess_language([row["turns"][-1]])
        kind = "one turn" if len(row["turns"]) == 1 else "several turns"
        fits = guess_language([row["reply"]]) == language
        for name in row["of"]:
            cases.setdefault((language, kind, name), []).append((mark, fits))
    lines = ["| language | asked | answerer | acceptable (95 %) | good | language kept |"]
    lines.append("|---|---|---|---|---|---|")
    for (language, kind, name), seen in sorted(cases.items()):
        count = len(seen)
        acceptable = sum(mark > 0 for mark, _ in seen) / count
        low, high = wilson(acceptable, count)
        good = sum(mark == 2 for mark, _ in seen) / count
        kept = sum(fits for _, fits in seen) / count
        lines.append(
            f"| {language} | {count}, {kind} | {name} | {acceptable:.0%} ({low:.0%} to {high:.0%})"
            f" | {good:.0%} | {kept:.0%} |"
        )
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the command line; writes a sheet, or the table of a read one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True)
    sheet = actions.add_parser("sheet", help="write a sheet to be read")
    sheet.add_argument("--questions", type=Path, required=True)
    sheet.add_argument("--replies", nargs="+", required=True, metavar="NAME=FILE")
    sheet.add_argument("--seed", type=int, default=1)
    table = actions.add_parser("table", help="add up what was read")
    for action in (sheet, table):
        action.add_argument("--sheet", type=Path, required=True)
        action.add_argument("--key", type=Path, required=True)
    arguments = parser.parse_args(argv)
    return _write_sheet(arguments) if arguments.action == "sheet" else _write_table(arguments)


def _write_sheet(arguments: argparse.Namespace) -> int:
    given = dict(word.split("=", 1) for word in arguments.replies)
    replies = {name: [row["reply"] for row in read_rows(Path(p))] for name, p in given.items()}
    questions = [turns_of(row) for row in read_rows(arguments.questions)]
    sheet, key = make_sheet(questions, replies, arguments.seed)
    with arguments.sheet.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([_HEADER, *sheet])
    arguments.key.write_text(json.dumps(key, ensure_ascii=False, indent=0), encoding="utf-8")
    return 0


def _write_table(arguments: argparse.Namespace) -> int:
    with arguments.sheet.open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file, delimiter="\t")
    wrong = [number for number, row in enumerate(rows, start=2) if row[0] not in ("0", "1", "2")]
    if wrong:
        raise SystemExit(f"{arguments.sheet}:{wrong[0]}: the mark must be 0, 1 or 2.")
    key = json.loads(arguments.key.read_text(encoding="utf-8"))
    print("\n".join(table_lines([int(row[0]) for row in rows], key)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
