# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Answer a file of questions into a file of replies; a rerun goes on where it was stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm.auto import tqdm

from ..settings.places import check_question_files
from .planning import ROWS_PER_CHUNK, BatchLimits, plan_batches
from .question_rows import BatchRow, read_rows
from .resuming import PartialOutput
from .session import ChatSession
from .settings import SETTINGS


@dataclass
class BatchReport:
    """What a run did.

    Attributes:
        rows: Rows in the output.
        resumed: Rows that an earlier run had already answered.
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
    session: ChatSession,
    source: Path,
    output: Path,
    limits: BatchLimits | None = None,
    overwrite: bool = False,
) -> BatchReport:
    """Write `source`'s rows with a `reply` each to `output`, in the same order.

    Replies that are drawn at random are the same in every run: without a seed of its own a
    session gets the seed 0.

    Raises:
        UserError: A path or a partial file of another run is in the way.
    """
    limits = limits or BatchLimits()
    check_question_files(source, output, overwrite)
    rows = read_rows(source, getattr(session.model.config, "reads_system_messages", False))
    if session.settings.seed is None:
        session.settings.set("seed", "0")
    partial = PartialOutput(output, rows)
    partial.begin(_job(session, source, limits), overwrite)
    with partial:
        resumed = partial.done + len(partial.replies)
        report = BatchReport(len(rows), resumed, [row.line for row in rows if row.error])
        with tqdm(total=len(rows), initial=resumed, unit="row") as bar:
            for answered in _answer_all(session, partial, limits, report):
                bar.update(answered)
    partial.finish()
    return report


def _job(session: ChatSession, source: Path, limits: BatchLimits) -> dict[str, object]:
    """Return all that decides about the replies: only the same job goes on with a partial file."""
    return {
        **session.origin,
        "input": hashlib.sha256(source.read_bytes()).hexdigest(),
        "batch_size": limits.rows,
        "batch_tokens": limits.tokens,
        **session.recall.state(),
        **{name: session.settings.value(name) for name in SETTINGS},
    }


def _answer_all(
    session: ChatSession, partial: PartialOutput, limits: BatchLimits, report: BatchReport
) -> Iterator[int]:
    """Answer every batch not yet answered; yield how many rows each one has.

    Batches are the same in a rerun and each has a seed of its own, which depends on its rows
    alone: a run that was stopped ends with the same file as one that was not.
    """
    session.on_notice = lambda sentence: None
    rows = partial.rows
    for batch in _batches(session, rows, limits, report):
        if all(map(partial.has, batch)):
            continue
        replies: dict[int, dict[str, str]] = {row: {} for row in batch}
        ask = [row for row in batch if not rows[row].error]
        if session.recall.on:
            replies |= _remembered(session, rows, ask)
            ask = [row for row in ask if not replies[row]]
        if ask:
            origin = {"from": "model"} if session.recall.on else {}
            answers = session.reply_to_many([rows[row].turns for row in ask], batch[0])
            replies |= {row: {"reply": a, **origin} for row, a in zip(ask, answers, strict=True)}
        partial.add(replies)
        yield len(batch)


def _remembered(
    session: ChatSession, rows: list[BatchRow], ask: list[int]
) -> dict[int, dict[str, str]]:
    """Give the rows that the memory answers, each with what is added to it."""
    known = {row: session.recall.reply_to(rows[row].turns) for row in ask}
    return {
        row: {"reply": reply, "from": "memory"} for row, reply in known.items() if reply is not None
    }


def _batches(
    session: ChatSession, rows: list[BatchRow], limits: BatchLimits, report: BatchReport
) -> Iterator[list[int]]:
    """Yield the batches of one chunk after the other."""
    room, copies = session.settings.reply_length(), session.settings.rows_per_reply
    for start in range(0, len(rows), ROWS_PER_CHUNK):
        lengths = {}
        for row in range(start, min(start + ROWS_PER_CHUNK, len(rows))):
            ids, notices = session.encode(rows[row].turns) if rows[row].turns else ([], [])
            lengths[row] = len(ids)
            report.shortened += bool(notices)
        yield from plan_batches(lengths, limits, room, copies)
