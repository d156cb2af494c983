# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Answer a file of questions into a file of replies; a rerun goes on where it was stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tqdm.auto import tqdm

from .chat import ChatSession
from .chat_settings import SETTINGS, ChatError
from .dialogue import messages_to_turns

# Rows are sorted by length inside a chunk of so many batches; output order is kept.
BATCHES_PER_CHUNK = 8
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


@dataclass
class BatchReport:
    """What a run did.

    Attributes:
        rows: Rows in the output.
        resumed: Rows that an earlier run had already written.
        bad_lines: Line numbers of rows that have an `error`.
        shortened: Rows of which something did not fit into the model.
    """

    rows: int = 0
    resumed: int = 0
    bad_lines: list[int] = field(default_factory=list)
    shortened: int = 0

    def sentence(self, output: Path) -> str:
        """Say it in a line or two."""
        text = f"{self.rows} rows in {output}"
        if self.resumed:
            text += f", {self.resumed} of them from the run that was stopped"
        if self.shortened:
            text += f"; {self.shortened} were too long and lost their oldest part"
        if self.bad_lines:
            lines = ", ".join(map(str, self.bad_lines[:20]))
            more = ", ..." if len(self.bad_lines) > 20 else ""
            text += f"; {len(self.bad_lines)} with `error` (lines {lines}{more})"
        return text + "."


def answer_file(
    session: ChatSession, source: Path, output: Path, batch_size: int = 16, overwrite: bool = False
) -> BatchReport:
    """Write `source`'s rows with a `reply` each to `output`, in the same order.

    Raises:
        ChatError: A path, the batch size or a partial file of another run is in the way.
    """
    check_paths(source, output, batch_size, overwrite)
    rows = read_rows(source)
    partial = output.with_name(output.name + ".partial")
    output.parent.mkdir(parents=True, exist_ok=True)
    done = _open_resume(session, partial, rows, batch_size, overwrite)
    report = BatchReport(len(rows), done, [row.line for row in rows if row.error])
    with partial.open("ab") as sink, tqdm(total=len(rows), initial=done, unit="row") as bar:
        for written in _answer_all(session, rows, done, batch_size, sink, report):
            bar.update(written)
    os.replace(partial, output)
    _settings_path(partial).unlink(missing_ok=True)
    return report


def check_paths(source: Path, output: Path, batch_size: int, overwrite: bool) -> None:
    """Refuse what cannot work, before a model is loaded for it."""
    if batch_size < 1:
        raise ChatError(f"`--batch-size` must be at least 1 (got {batch_size}).")
    if not source.is_file():
        raise ChatError(f"`--input` {source} is not a file. Give a .jsonl or .txt file.")
    if output.is_dir():
        raise ChatError(f"`--output` {output} is a folder; give a file name in it.")
    if output.exists() and os.path.samefile(source, output):
        raise ChatError(f"`--output` {output} is the input itself; give another name.")
    if output.exists() and not overwrite:
        raise ChatError(f"`--output` {output} is there already; add --overwrite to replace it.")


def read_rows(source: Path) -> list[BatchRow]:
    """Parse a .txt (a question a line) or JSONL file; blank lines are skipped."""
    parse = _parse_text if source.suffix.lower() == ".txt" else _parse_json
    rows = []
    for number, raw in enumerate(source.read_bytes().split(b"\n"), start=1):
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            rows.append(BatchRow(number, {"line": number}, error=f"not valid UTF-8: {error}"))
            continue
        if text:
            rows.append(parse(number, text))
    if not rows:
        raise ChatError(f"`--input` {source} has no rows; write one question a line.")
    return rows


def _parse_text(number: int, text: str) -> BatchRow:
    """Take a plain line as a question."""
    return BatchRow(number, {"question": text}, [text])


def _parse_json(number: int, text: str) -> BatchRow:
    """Take a JSON line; what is wrong with it becomes the row's error."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        return BatchRow(number, {"line": number, "text": text}, error=f"not JSON: {error}")
    if not isinstance(row, dict):
        return BatchRow(number, {"line": number, "text": text}, error="not a JSON object")
    try:
        return BatchRow(number, row, row_turns(row))
    except (ValueError, TypeError, KeyError) as error:
        return BatchRow(number, row, error=str(error))


def row_turns(row: dict[str, object]) -> list[str]:
    """Return the turns of a row, the one to answer last.

    Raises:
        ChatError: The row has none, or not as they should be.
    """
    shapes = [key for key in ("question", "dialogue", "messages") if key in row]
    if len(shapes) != 1:
        found = " and ".join(shapes) or f"only {', '.join(row) or 'nothing'}"
        raise ChatError(f"a row needs exactly one of {SHAPES}; this one has {found}")
    if "reply" in row:
        raise ChatError("the row has a `reply` already, which would be lost; rename that key")
    turns = _turns_of(shapes[0], row[shapes[0]])
    for turn in turns:
        if not isinstance(turn, str) or not turn.strip():
            raise ChatError(f"every turn in `{shapes[0]}` must be text that says something")
        if any("\ud800" <= character <= "\udfff" for character in turn):
            raise ChatError(f"`{shapes[0]}` holds half of a character (a lone surrogate)")
    return [turn.strip() for turn in turns]


def _turns_of(shape: str, value: object) -> list[object]:
    """Return what should be the turns; the caller looks at each."""
    if shape == "question":
        return [value]
    if not isinstance(value, list) or not value:
        raise ChatError(f"`{shape}` must be a list with at least one entry")
    if shape == "dialogue":
        return value
    turns, roles = messages_to_turns(value)
    if not roles or roles[-1] != "user":
        raise ChatError("the last of `messages` must be the user's, for it is the one answered")
    return list(turns)


def _answer_all(
    session: ChatSession,
    rows: list[BatchRow],
    done: int,
    batch_size: int,
    sink: BinaryIO,
    report: BatchReport,
) -> Iterator[int]:
    """Answer every batch not yet written; yield how many rows each one let through.

    Batches are the same in a rerun and each has a seed of its own, so that a run that was
    stopped ends with the same file as one that was not.
    """
    session.on_notice = lambda sentence: None
    replies: dict[int, str] = {}
    for number, batch in enumerate(plan_batches(session, rows, batch_size, report)):
        if all(index < done for index in batch):
            continue
        ask = [index for index in batch if not rows[index].error]
        if ask:
            answers = session.reply_to_many([rows[index].turns for index in ask], number)
            replies.update(zip(ask, answers, strict=True))
        replies.update((index, "") for index in batch if rows[index].error)
        written = 0
        while done + written in replies:
            index = done + written
            sink.write(_output_line(rows[index], replies[index]))
            written += 1
        sink.flush()
        done += written
        yield written


def plan_batches(
    session: ChatSession, rows: list[BatchRow], batch_size: int, report: BatchReport
) -> Iterator[list[int]]:
    """Yield row numbers in batches of like length; no batch reaches over a chunk's end."""
    chunk = batch_size * BATCHES_PER_CHUNK
    for start in range(0, len(rows), chunk):
        lengths = {}
        for index in range(start, min(start + chunk, len(rows))):
            ids, notices = session.encode(rows[index].turns) if rows[index].turns else ([], [])
            lengths[index] = len(ids)
            report.shortened += bool(notices)
        order = sorted(lengths, key=lengths.__getitem__)
        yield from (order[at : at + batch_size] for at in range(0, len(order), batch_size))


def _output_line(row: BatchRow, reply: str) -> bytes:
    """Return the row with its reply or error as a line of JSON."""
    added = {"error": row.error} if row.error else {"reply": reply}
    merged = {**row.row, **added}
    try:
        return (json.dumps(merged, ensure_ascii=False) + "\n").encode("utf-8")
    except UnicodeEncodeError:  # the row kept holds a lone surrogate
        return (json.dumps(merged) + "\n").encode("utf-8")


def _open_resume(
    session: ChatSession, partial: Path, rows: list[BatchRow], batch_size: int, overwrite: bool
) -> int:
    """Return how many rows an earlier run of the same job wrote; cut off a torn last line.

    Raises:
        ChatError: The partial file belongs to another input, model or setting.
    """
    settings = {
        "model": session.name,
        "batch_size": batch_size,
        **{name: session.settings.value(name) for name in SETTINGS},
    }
    note = json.dumps(settings, sort_keys=True)
    if partial.exists():
        whole, same = _whole_lines(partial, rows)
        same = same and _read_if_there(_settings_path(partial)) == note
        if same:
            os.truncate(partial, sum(map(len, whole)))
            return len(whole)
        if not overwrite:
            raise ChatError(
                f"{partial} was begun from another input, model or settings. Repeat that command "
                "to finish it, or add --overwrite to begin anew."
            )
        partial.unlink()
    _settings_path(partial).write_text(note, encoding="utf-8")
    return 0


def _whole_lines(partial: Path, rows: list[BatchRow]) -> tuple[list[bytes], bool]:
    """Return the complete lines of `partial` and whether they are the first of `rows`."""
    lines = partial.read_bytes().split(b"\n")[:-1]  # what follows the last newline is torn
    same = len(lines) <= len(rows) and all(
        _is_row(line, row) for line, row in zip(lines, rows, strict=False)
    )
    return [line + b"\n" for line in lines], same


def _is_row(line: bytes, row: BatchRow) -> bool:
    """Whether an output line was made from `row`."""
    try:
        written = json.loads(line)
        reply = written.get("reply", "")
    except (ValueError, AttributeError):
        return False
    return _output_line(row, reply) == line + b"\n"


def _settings_path(partial: Path) -> Path:
    """Where a partial file's model and settings are noted."""
    return partial.with_name(partial.name + ".settings")


def _read_if_there(path: Path) -> str | None:
    """Return a file's text, None where it is missing."""
    return path.read_text(encoding="utf-8") if path.is_file() else None
