# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A blind sheet (a table and a page) of shuffled replies, and its key: whose they are."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from data_builders.errors import UserError
from data_builders.translation import _
from data_builders.writing import write_whole

HEADER = ("mark", "number", "turns", "reply")
MARKS = ("0", "1", "2")
# Between the turns of a question, where a cell has to hold them all.
BETWEEN_TURNS = " / "
_TEMPLATE = Path(__file__).with_name("sheet_page.html")


class Cells(NamedTuple):
    """What a judge sees of a reply: three cells of the sheet."""

    number: str
    turns: str
    reply: str


@dataclass(frozen=True)
class SheetRow:
    """One reply to one question.

    Attributes:
        number: of the question.
        turns: of the question, the newest last.
        reply: what is to be judged.
        of: the systems that gave it.
    """

    number: int
    turns: list[str]
    reply: str
    of: list[str]

    @property
    def cells(self) -> Cells:
        """Give the row as it stands on the sheet."""
        return Cells(str(self.number), BETWEEN_TURNS.join(self.turns), self.reply)


@dataclass(frozen=True)
class Key:
    """Whose the replies of a sheet are.

    Attributes:
        systems: in the order in which they were given.
        rows: of the sheet.
    """

    systems: list[str]
    rows: list[SheetRow]

    @cached_property
    def digest(self) -> str:
        """Name the sheet: another reply or question changes it, another order does not."""
        return digest_of([row.cells for row in self.rows])

    def write(self, path: Path) -> None:
        """Write the key as JSON."""
        content = {"digest": self.digest, **asdict(self)}
        write_whole(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Key:
        """Read a key.

        Raises:
            UserError: The file is no key, or was changed.
        """
        try:
            content = json.loads(_text_of(path))
            key = cls(content["systems"], [SheetRow(**row) for row in content["rows"]])
            digest = key.digest
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                "{path} is no key of a sheet: give the key.json that was written with it.",
                path=path,
            ) from error
        if digest != content.get("digest"):
            raise UserError(
                "{path} was changed: its digest is not that of its rows. Restore it.", path=path
            )
        return key


def make_key(
    questions: Sequence[Sequence[str]], replies: Mapping[str, Sequence[str]], seed: int
) -> Key:
    """Shuffle the replies to each question, equal ones once.

    Args:
        questions: turns of each, the newest last.
        replies: of each system, one a question.
        seed: of the order.
    """
    for name, given in replies.items():
        if len(given) != len(questions):
            raise UserError(
                "{name}: {given} replies to {questions} questions.",
                name=name,
                given=len(given),
                questions=len(questions),
            )
    draw = random.Random(seed)
    rows = []
    for place, turns in enumerate(questions):
        of: dict[str, list[str]] = {}
        for name, given in replies.items():
            of.setdefault(given[place], []).append(name)
        order = draw.sample(sorted(of), len(of))
        rows += [SheetRow(place + 1, list(turns), reply, of[reply]) for reply in order]
    return Key(list(replies), rows)


def digest_of(rows: Sequence[Cells]) -> str:
    """Name rows by what they say, in whatever order."""
    return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()


def write_sheet(key: Key, path: Path) -> None:
    """Write what a judge may see as tab-separated values, the marks empty."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter="\t").writerows([HEADER, *(("", *row.cells) for row in key.rows)])
    # Spreadsheets take a file for UTF-8 if it begins with this mark.
    write_whole(path, "\ufeff" + text.getvalue())


def write_page(key: Key, path: Path) -> None:
    """Write the page of a sheet."""
    template = _TEMPLATE.read_text(encoding="utf-8")
    write_whole(path, template.replace("__SHEET__", embedded_json(page_content(key))))


def page_content(key: Key) -> dict[str, Any]:
    """Give what the page shows: the questions with their replies, and what names the sheet."""
    questions: dict[int, dict[str, Any]] = {}
    for row in key.rows:
        asked = questions.setdefault(
            row.number, {"number": row.number, "turns": row.turns, "replies": []}
        )
        asked["replies"].append(row.reply)
    # Browsers keep marks under this name, by place: the same replies in another order are another.
    shown = list(questions.values())
    name = hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]
    return {"name": name, "questions": shown}


def embedded_json(content: object) -> str:
    """Write JSON that nothing in it can lead out of the page's script: replies are foreign text."""
    text = json.dumps(content, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def read_marks(path: Path, key: Key, key_path: Path) -> list[int]:
    """Read a marked sheet, whatever the order of its rows.

    Args:
        path: the sheet.
        key: of this sheet.
        key_path: where it lies, for what is said.

    Returns:
        The mark of each row of the key.

    Raises:
        UserError: A mark is missing or none, or the key belongs to another sheet.
    """
    lines = list(_rows_of(path))
    if digest_of([cells for _, _, cells in lines]) != key.digest:
        raise UserError(_difference(path, lines, key, key_path))
    wrong = [(line, mark) for line, mark, _ in lines if mark not in MARKS]
    if wrong:
        line, mark = wrong[0]
        values = {"path": path, "line": line, "mark": mark}
        if len(wrong) == 1:
            raise UserError("{path}:{line}: the mark must be 0, 1 or 2 (got {mark!r}).", **values)
        raise UserError(
            "{path}:{line}: the mark must be 0, 1 or 2 (got {mark!r}, and so in {more} more rows).",
            **values,
            more=len(wrong) - 1,
        )
    marks = {cells: int(mark) for _, mark, cells in lines}
    return [marks[row.cells] for row in key.rows]


def _rows_of(path: Path) -> Iterator[tuple[int, str, Cells]]:
    """Yield the line at which each row begins, its mark and its other cells."""
    reader = csv.reader(io.StringIO(_text_of(path), newline=""), delimiter="\t")
    begun = 1
    try:
        for row in reader:
            if begun == 1 and tuple(row) != HEADER:
                raise UserError(
                    "{path}:1: the columns must be {header}, separated by tabs (got {row}). Save "
                    "the sheet as it was written.",
                    path=path,
                    header=", ".join(HEADER),
                    row=", ".join(row)[:80],
                )
            if len(row) not in (0, len(HEADER)):
                raise UserError(
                    "{path}:{begun}: a row has {header} cells (got {row}). Restore it.",
                    path=path,
                    begun=begun,
                    header=len(HEADER),
                    row=len(row),
                )
            if row and begun > 1:
                # A keyboard for Chinese may write the digits in full width.
                yield begun, unicodedata.normalize("NFKC", row[0]).strip(), Cells(*row[1:])
            begun = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            "{path}:{begun}: no tab-separated values ({error}).",
            path=path,
            begun=begun,
            error=error,
        ) from error


def _difference(
    path: Path, lines: Sequence[tuple[int, str, Cells]], key: Key, key_path: Path
) -> str:
    """Say where a sheet is not the one of the key."""
    left = Counter(row.cells for row in key.rows)
    for line, _mark, cells in lines:
        left[cells] -= 1
        if left[cells] < 0:
            return _(
                "{path}:{line}: {key} does not know this row. Give the key that was written with "
                "the sheet, or restore the row.",
                path=path,
                line=line,
                key=key_path,
            )
    return _(
        "{path} lacks {missing} of the {count} rows of {key}. Restore them.",
        path=path,
        missing=left.total(),
        count=len(key.rows),
        key=key_path,
    )


def _text_of(path: Path) -> str:
    """Read a file that people may have saved in any program."""
    if not path.is_file():
        raise UserError("{path} is not there.", path=path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            "{path} is not UTF-8 ({error}). Save it as UTF-8.", path=path, error=error
        ) from error
