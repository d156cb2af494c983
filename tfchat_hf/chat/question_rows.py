# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Files of questions: what a row may look like, and what is wrong with one that does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..text.dialogue import messages_to_turns
from ..text.errors import UserError

SHAPES = "`question` (text), `dialogue` (list of texts) or `messages` (list of role and content)"


@dataclass
class BatchRow:
    """One line of the input.

    Attributes:
        line: Its number in the file, from 1.
        row: What the output keeps of it.
        turns: What the model is to read; empty for a bad row.
        error: What is wrong with a bad row.
    """

    line: int
    row: dict[str, object]
    turns: list[str] = field(default_factory=list)
    error: str = ""


def read_rows(source: Path, reads_system: bool = True) -> list[BatchRow]:
    """Parse a .txt (a question a line) or JSONL file; blank lines are skipped.

    Args:
        source: The file.
        reads_system: The model reads system messages; else they are left out.
    """
    plain = source.suffix.lower() == ".txt"
    rows = []
    for number, raw in enumerate(source.read_bytes().split(b"\n"), start=1):
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            rows.append(BatchRow(number, {"line": number}, error=f"not valid UTF-8: {error}"))
            continue
        if text:
            rows.append(
                _parse_text(number, text) if plain else _parse_json(number, text, reads_system)
            )
    if not rows:
        raise UserError(f"`--input` {source} has no rows; write one question a line.")
    return rows


def _parse_text(number: int, text: str) -> BatchRow:
    """Take a plain line as a question."""
    return BatchRow(number, {"question": text}, [text])


def _parse_json(number: int, text: str, reads_system: bool) -> BatchRow:
    """Take a JSON line; what is wrong with it becomes the row's error."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        return BatchRow(number, {"line": number, "text": text}, error=f"not JSON: {error}")
    if not isinstance(row, dict):
        return BatchRow(number, {"line": number, "text": text}, error="not a JSON object")
    try:
        return BatchRow(number, row, row_turns(row, reads_system))
    except (ValueError, TypeError, KeyError) as error:
        return BatchRow(number, row, error=str(error))


def row_turns(row: dict[str, object], reads_system: bool = True) -> list[str]:
    """Return the turns of a row, the one to answer last.

    Args:
        row: The object of the line.
        reads_system: As `read_rows` takes it.

    Raises:
        UserError: The row has none, or not as they should be.
    """
    shapes = [key for key in ("question", "dialogue", "messages") if key in row]
    if len(shapes) != 1:
        found = " and ".join(shapes) or f"only {', '.join(row) or 'nothing'}"
        raise UserError(f"a row needs exactly one of {SHAPES}; this one has {found}")
    for key in ("reply", "from"):
        if key in row:
            raise UserError(f"the row has a `{key}` already, which would be lost; rename that key")
    turns = _turns_of(shapes[0], row[shapes[0]], reads_system)
    for turn in turns:
        if not isinstance(turn, str) or not turn.strip():
            raise UserError(f"every turn in `{shapes[0]}` must be text that says something")
        if any("\ud800" <= character <= "\udfff" for character in turn):
            raise UserError(f"`{shapes[0]}` holds half of a character (a lone surrogate)")
    return [turn.strip() for turn in turns]


def _turns_of(shape: str, value: object, reads_system: bool) -> list[object]:
    """Return what should be the turns; the caller looks at each."""
    if shape == "question":
        return [value]
    if not isinstance(value, list) or not value:
        raise UserError(f"`{shape}` must be a list with at least one entry")
    if shape == "dialogue":
        return value
    turns, roles = messages_to_turns(value, reads_system)
    if not roles or roles[-1] != "user":
        raise UserError("the last of `messages` must be the user's, for it is the one answered")
    return list(turns)


def output_line(row: BatchRow, answer: Mapping[str, str]) -> bytes:
    """Return the row with its reply and where that is from, or its error, as a line of JSON."""
    merged = {**row.row, **({"error": row.error} if row.error else answer)}
    try:
        return (json.dumps(merged, ensure_ascii=False) + "\n").encode("utf-8")
    except UnicodeEncodeError:  # the row kept holds a lone surrogate
        return (json.dumps(merged) + "\n").encode("utf-8")
