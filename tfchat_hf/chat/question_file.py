# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Answer a file of questions into a file of replies; a rerun goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm.auto import tqdm

from data_builders.command_line import must_be_at_least
from data_builders.errors import UserError
from data_builders.reading.encodings import guess_encoding
from data_builders.translation import _, counted_text, joined, listed, marked, reason_of
from data_builders.writing import only_writer

from ..engines.fingerprints import answering_code, model_digest, tokenizer_digest
from ..settings.places import check_question_files
from ..text.dialogue import check_text, messages_to_turns
from .partial_output import PartialOutput, QuestionRow
from .session import ChatSession
from .settings import SETTINGS

logger = logging.getLogger(__name__)

SHAPES = marked(
    "`question` (text), `dialogue` (list of texts) or `messages` (list of role and content)"
)
_LOOKED_AT = 1 << 20
# Questions are sorted by length among so many; a chunk's replies wait for each other, on disk.
ROWS_PER_CHUNK = 4096


@dataclass(frozen=True)
class BatchLimits:
    """How large a batch may become; a single question always fits.

    Attributes:
        rows: Most questions.
        tokens: Most tokens, counted as padded: for each question those of the longest one and
            room for the longest reply, once for each beam or candidate.
    """

    # Questions per CPU second, one core, a model of 7.6 M parameters, 384 real questions, replies
    # of at most 64 tokens. Chinese: 396 with 16 rows, 606 with 128, 660, 635 and 620 with 4,096,
    # 8,192 and 16,384 tokens. English: 173, 151, 218, 205, 182. The middle one leaves room for
    # 15 questions where replies may have 511 tokens. A GPU gains by more.
    rows: int = 64
    tokens: int = 8192

    def __post_init__(self) -> None:
        """Refuse what allows no batch."""
        for option, value in (("--batch-size", self.rows), ("--batch-tokens", self.tokens)):
            if value < 1:
                raise UserError(must_be_at_least(option, 1, value))

    def most_rows(self, source_length: int, reply_room: int, copies: int) -> int:
        """Return how many questions fit when the longest has `source_length` tokens."""
        fitting = self.tokens // ((source_length + reply_room) * copies)
        return max(1, min(self.rows, fitting))


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

    @property
    def nothing_answered(self) -> bool:
        """Whether every row has an `error`."""
        return len(self.bad_lines) == self.rows

    def sentence(self, output: Path) -> str:
        """Say in a line or two what was done."""
        found = counted_text(
            "{number} row in {output}.", "{number} rows in {output}.", self.rows, output=output
        )
        said = [found]
        if self.resumed:
            said.append(_("{count} of them are from the run that was stopped.", count=self.resumed))
        if self.shortened:
            said.append(
                _("{count} were too long and lost their oldest part.", count=self.shortened)
            )
        if self.bad_lines:
            more = ", ..." if len(self.bad_lines) > 20 else ""
            lines = ", ".join(map(str, self.bad_lines[:20])) + more
            said.append(
                _("{count} with `error` (lines {lines}).", count=len(self.bad_lines), lines=lines)
            )
        return joined(*said)


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
        UserError: A path, a partial file of another run or a run that goes on is in the way, or
            there is no room.
    """
    limits = limits or BatchLimits()
    check_question_files(source, output, overwrite)
    with only_writer(output):
        return _answer_file(session, source, output, limits, overwrite)


def _answer_file(
    session: ChatSession, source: Path, output: Path, limits: BatchLimits, overwrite: bool
) -> BatchReport:
    """Do it where nobody else does."""
    rows = read_rows(source, getattr(session.model.config, "reads_system_messages", False))
    if session.settings.seed is None:
        session.settings.set("seed", "0")
    partial = PartialOutput(output, rows)
    partial.begin(_job(session, source, limits), overwrite)
    try:
        with partial:
            resumed = len(partial.replies)
            report = BatchReport(len(rows), resumed, [row.line for row in rows if row.error])
            # A bar is for people: None is no bar where nobody looks.
            with tqdm(total=len(rows), initial=resumed, unit="row", disable=None) as bar:
                for answered in _answer_all(session, partial, limits, report):
                    bar.update(answered)
        partial.finish()
    except OSError as error:
        raise UserError(
            "{output} could not be written ({reason}). What was answered is kept; the "
            "same command goes on from there once that is put right.",
            output=output,
            reason=reason_of(error),
        ) from error
    return report


def _job(session: ChatSession, source: Path, limits: BatchLimits) -> dict[str, object]:
    """Return all that replies depend on: only the same job goes on with a partial file."""
    reverse = session.reverse_model
    settings = {
        **session.ways,
        "device": session.model.device.type,
        "batches": [limits.rows, limits.tokens],
        "generation": session.settings.generation_config().to_dict(),
        **{name: session.settings.value(name) for name in SETTINGS},
    }
    job = {
        marked("input"): hashlib.sha256(source.read_bytes()).hexdigest(),
        marked("model"): model_digest(session.model),
        marked("tokenizer"): tokenizer_digest(session.tokenizer),
        marked("reverse model"): None if reverse is None else model_digest(reverse),
        **session.recall.state(),
        marked("set of settings"): settings,
        marked("version of the code"): answering_code(),
    }
    return json.loads(json.dumps(job, default=str))


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
        for row in ask if session.recall.on else ():
            if (reply := session.recall.reply_to(rows[row].turns)) is not None:
                replies[row] = {"reply": reply, "from": "memory"}
        ask = [row for row in ask if not replies[row]]
        if ask:
            origin = {"from": "model"} if session.recall.on else {}
            answers = session.reply_to_many([rows[row].turns for row in ask], batch[0])
            replies |= {row: {"reply": a, **origin} for row, a in zip(ask, answers, strict=True)}
        partial.add(replies)
        yield len(batch)


def _batches(
    session: ChatSession, rows: Sequence[QuestionRow], limits: BatchLimits, report: BatchReport
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


def plan_batches(
    lengths: Mapping[int, int], limits: BatchLimits, reply_room: int, copies: int = 1
) -> Iterator[list[int]]:
    """Yield the rows of a chunk in batches of like length.

    The longest come first, so that what does not fit into memory shows at once.

    Args:
        lengths: Row number to tokens of its question.
        limits: How large a batch may be.
        reply_room: Most tokens of a reply.
        copies: Beams or candidates of each question.
    """
    order = sorted(lengths, key=lambda row: (-lengths[row], row))
    start = 0
    while start < len(order):
        count = limits.most_rows(lengths[order[start]], reply_room, copies)
        yield order[start : start + count]
        start += count


def read_rows(source: Path, reads_system: bool = True) -> list[QuestionRow]:
    """Parse a .txt (a question a line) or JSONL file; blank lines are skipped.

    Args:
        source: The file.
        reads_system: The model reads system messages; else they are left out.
    """
    plain = source.suffix.lower() == ".txt"
    rows = []
    for number, raw in enumerate(_as_utf8(source).split(b"\n"), start=1):
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            rows.append(
                QuestionRow(
                    number, {"line": number}, error=_("not valid UTF-8: {error}", error=error)
                )
            )
            continue
        if text and plain:
            rows.append(QuestionRow(number, {"question": text}, [text]))
        elif text:
            rows.append(_parse_json(number, text, reads_system))
    if not rows:
        raise UserError("`--input` {source} has no rows; write one question a line.", source=source)
    return rows


def _as_utf8(source: Path) -> bytes:
    """Read a file; one in another encoding, as Windows writes them, is told and turned into UTF-8.

    A file that is not all of it in that encoding stays as it is, for each line to be judged.
    """
    content = source.read_bytes()
    found = guess_encoding(content[:_LOOKED_AT])
    if found.codec == "utf-8" or found.guessed or not found.plausible:
        return content
    try:
        text = content[found.bom :].decode(found.codec)
    except UnicodeDecodeError:
        return content
    logger.warning(_("%s is no UTF-8; it is read as %s."), source, found.codec)
    return text.encode()


def _parse_json(number: int, text: str, reads_system: bool) -> QuestionRow:
    """Take a JSON line; what is wrong with it becomes the row's error."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        return QuestionRow(
            number, {"line": number, "text": text}, error=_("not JSON: {error}", error=error)
        )
    if not isinstance(row, dict):
        return QuestionRow(number, {"line": number, "text": text}, error=_("not a JSON object"))
    try:
        return QuestionRow(number, row, row_turns(row, reads_system))
    except (ValueError, TypeError, KeyError) as error:
        return QuestionRow(number, row, error=str(error))


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
        found = _(" and ").join(shapes) or _("only {keys}", keys=listed(row) or _("nothing"))
        raise UserError(
            "a row needs exactly one of {shapes}; this one has {found}",
            shapes=_(SHAPES),
            found=found,
        )
    for key in ("reply", "from"):
        if key in row:
            raise UserError(
                "the row has a `{key}` already, which would be lost; rename that key", key=key
            )
    turns = []
    for turn in _turns_of(shapes[0], row[shapes[0]], reads_system):
        if not isinstance(turn, str) or not turn.strip():
            raise UserError(
                "every turn in `{shapes}` must be text that says something", shapes=shapes[0]
            )
        check_text(turn, f"every turn in `{shapes[0]}`")
        turns.append(turn.strip())
    return turns


def _turns_of(shape: str, value: object, reads_system: bool) -> list[object]:
    """Return what should be the turns; the caller looks at each."""
    if shape == "question":
        return [value]
    if not isinstance(value, list) or not value:
        raise UserError("`{shape}` must be a list with at least one entry", shape=shape)
    if shape == "dialogue":
        return value
    turns, roles = messages_to_turns(value, reads_system)
    if not roles or roles[-1] != "user":
        raise UserError("the last of `messages` must be the user's, for it is the one answered")
    return list(turns)
