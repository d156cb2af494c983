# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What happened to every row of a build, in numbers and in rejects that can be looked up."""

from __future__ import annotations

import itertools
import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from data_builders.errors import UserError
from data_builders.script import MIXED, SCRIPTS, script_of
from data_builders.translation import _, counted_text, joined, listed, marked, retold

logger = logging.getLogger(__name__)

REPORT_FILE = "report.json"
REJECTS_FILE = "rejects.jsonl"
DROPPED_FILE = "dropped.jsonl"
# Fewer held-out questions measure nothing.
ENOUGH_QUESTIONS = 50
MAX_SHOWN_PER_RULE, MAX_SHOWN_TEXT = 7, 200
# All rejects are counted and written to the file; so many are also at hand in memory.
MAX_STORED_REJECTS = 1_000
MAX_TEXT = 80
EXACT_DUPLICATE = "exact duplicate"

# Each rule, and what to do about a row that breaks it.
RULES = {
    "bad JSON": "Write one whole JSON object on one line.",
    "not an object": 'A row is an object such as {"question": ..., "reply": ...}.',
    "missing key": "Say with `columns` which fields are question and reply, or messages.",
    "not a string": "Put quotation marks around the text.",
    "not a list": "Give the turns as a list.",
    "empty text": "Fill in the question and the reply, or delete the row.",
    "not valid UTF-8": "Save the file as UTF-8.",
    "not valid Unicode": "Remove the lone surrogate escape (\\ud800 to \\udfff).",
    "wrong number of columns": "Write a question, one separator and a reply on each line.",
    "fewer than two turns": "A dialogue needs a question and a reply.",
    "unknown role": "Use the roles system, user and assistant.",
    "no reply": "Let an assistant turn follow a user turn.",
    "missing field": "Give the fields that the module of this format describes.",
    "image": "A reply about an image, a sound or a film cannot be learned without it.",
    "letter of an option": "Put the text of the option in the place of its letter or number.",
    "bad by its label": "Its label says that it was deleted or is no good.",
    "tool message": "Calls of tools are no dialogue: take them out of the row.",
    "too many messages": "Write each dialogue as an array of its own.",
    "wrong number of cells": "Give each row as many cells as the header; quote cells with commas.",
    "damaged file": "Fetch or write the file again: the rest of it cannot be read.",
    "unreadable file": "Build it by itself to see why, or leave it out.",
    "unclosed quote": "Close the quotation mark, or double those that are part of the text.",
    "unknown marker": "Begin a dialogue with a line `E` and each utterance with `M `.",
    "unknown label": "Begin each line with the label 1 or 0 and a tab.",
    "no speaker": "Begin each speech with a name and a colon.",
    "broken times": "Write the times of a cue as `00:00:03,200 --> 00:00:05,000`.",
    "missing line": "Add the line this one belongs with, or leave both out.",
    "damaged characters": "Fetch the text again in its own encoding: U+FFFD and 锟斤拷 are lost.",
    "empty after cleaning": "Nothing to put right, unless a step of cleaning takes too much.",
    "placeholder turn": "Fill in what was meant: the turn was only NULL, [deleted] or the like.",
    "too short": "Lower `minimum_chars` to keep such turns.",
    "too long": "Raise `maximum_chars` to keep such turns.",
    "too many turns": "Raise `maximum_turns`, or cut the dialogue in two.",
    "too few letters": "Lower `minimum_letters` to keep such replies.",
    "placeholder": "Name a word for it under `placeholders`, or switch `drop_placeholders` off.",
    "block list": "Take the term off the block list to keep such dialogues.",
    "wrong encoding": "Save the file, or each part of a joined one, as UTF-8, or name `encoding`.",
    "line too long": "Split it: a line or a JSON element may take 64 MB.",
}

# Notes that name something outside of brackets.
_NAMING = (
    marked("{file} lines {first} to {last} were out of step and are paired anew, pairs"),
    marked("{file} lines {first} to {last} may be out of step and are left, pairs"),
    marked("{file}: {number} more places like these: pairs"),
    marked("files read as {encoding}, a guess"),
    marked("rows of the split {name} of a file, split anew"),
    marked("dialogues cut after {number} utterances"),
)


class RowError(Exception):
    """One row breaks one rule, a key of `RULES`; carries which, and the value found."""

    def __init__(self, rule: str, found: object) -> None:
        """Remember both."""
        super().__init__(rule)
        self.rule = rule
        self.found = found


class Reject(NamedTuple):
    """One row left out: where it stands (for YAML the number of the entry), why, how it begins."""

    file: str
    line: int
    rule: str
    text: str

    def json_line(self) -> str:
        """Write it as one line of `rejects.jsonl`."""
        return json.dumps(self._asdict(), ensure_ascii=False) + "\n"


def shorten(found: object) -> str:
    """Give the beginning of a value read from a row, on one line and always printable."""
    if isinstance(found, bytes):
        # Cut first: one broken line can be as long as the file.
        found = found[: 4 * MAX_TEXT].decode("utf-8", errors="backslashreplace")
    if isinstance(found, str):
        found = found[: 16 * MAX_TEXT]
    text = " ".join(str(found).encode("utf-8", "backslashreplace").decode("utf-8").split())
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


@dataclass
class SourceCount:
    """One source of a build.

    Attributes:
        name: A short name, never a path.
        format: How it was read.
        license: Its licence as the user gave it, or None.
        weight: How often its training dialogues are written.
        read: Dialogues read from it.
        kept: Dialogues of these that went into the dataset.
        hub_id: Its id, "owner/name", if it was read from the Hub.
        scripts: Its Chinese dialogues after cleaning, by script.
    """

    name: str
    format: str
    license: str | None = None
    weight: float = 1.0
    read: int = 0
    kept: int = 0
    hub_id: str | None = None
    scripts: dict[str, int] = field(default_factory=dict)


@dataclass
class BuildReport:
    """Counts of a build; every row read is in exactly one of them.

    Attributes:
        origins: What was read.
        splits: Rows of the dataset, by split.
        languages: Rows of the dataset, by language.
        duplicates: Dialogues dropped because the same one was there before.
        filtered: Dialogues dropped because of the `languages` setting.
        dropped: Dialogues dropped by a step of cleaning or selection, by rule.
        pairs_dropped: Single pairs left out of dialogues, by rule; those of a dialogue that was
            dropped for want of pairs are among them.
        extra_rows: Rows more than dialogues, from dialogues cut in two and from weights.
        pieces: Dialogues more than rows, from rows that hold several, or are cut at a turn.
        changed: Turns changed, by cleaning step.
        rejected: Rows that break a rule of their format, by rule.
        rejects: The first `MAX_STORED_REJECTS` of these and of the rows dropped by cleaning.
        notes: Anything else that was counted.
        held_out: Distinct questions of each side that is held out.
        dropped_samples: Some of what was left out as a copy, and what stands for it.
        strict: Stop at the first rejected row.
        rejects_file: Where all of them stand.
    """

    origins: list[SourceCount] = field(default_factory=list)
    splits: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    filtered: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    pairs_dropped: dict[str, int] = field(default_factory=dict)
    extra_rows: int = 0
    pieces: int = 0
    changed: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    held_out: dict[str, int] = field(default_factory=dict)
    dropped_samples: list[dict[str, Any]] = field(default_factory=list)
    strict: bool = False
    rejects_file: Path | None = None

    def __post_init__(self) -> None:
        """Begin with no file open."""
        self._open_file: TextIO | None = None

    @property
    def sources(self) -> list[str]:
        """What was read, by name."""
        return [origin.name for origin in self.origins]

    @property
    def kept(self) -> int:
        """How many rows are in the dataset, over all splits."""
        return sum(self.splits.values())

    @property
    def rows_read(self) -> int:
        """How many rows were read; blank lines are not rows."""
        lost = sum(self.dropped.values()) + sum(self.rejected.values())
        return self.kept - self.extra_rows - self.pieces + self.duplicates + self.filtered + lost

    def keep(self, split: str, lang: str, count: int = 1) -> None:
        """Count rows of one language that go into a split."""
        _add(self.splits, split, count)
        _add(self.languages, lang, count)

    def drop(self, rule: str, count: int) -> None:
        """Count dialogues that a step left out."""
        if rule == EXACT_DUPLICATE:
            self.duplicates += count
        elif count:
            _add(self.dropped, rule, count)

    def cut(self, rule: str, count: int) -> None:
        """Count pairs that a step left out."""
        if count:
            _add(self.pairs_dropped, rule, count)

    def note(self, what: str, count: int = 1) -> None:
        """Count something that is no row but must not go unsaid: "NUL characters removed"."""
        _add(self.notes, what, count)

    def keep_rejects_in(self, folder: Path) -> None:
        """Write every reject to `rejects.jsonl` of an existing folder: there may be millions."""
        self.close()
        self.rejects_file = folder / REJECTS_FILE
        (folder / DROPPED_FILE).write_bytes(b"")
        # Open until the end: opened for each of 50,000 rejects it took most of their time.
        self._open_file = open(self.rejects_file, "w", encoding="utf-8", newline="\n")  # noqa: SIM115

    def close(self) -> None:
        """Write what is left of the rejects, and let go of their file."""
        if self._open_file is not None:
            self._open_file.close()
            self._open_file = None

    def reject(self, file: str, line: int, error: RowError) -> None:
        """Count and keep one row that breaks a rule of its format, or stop there if `strict`.

        `line` is the number of a line or an entry, from 1.
        """
        text = shorten(error.found)
        if self.strict:
            place = _(
                "{file}:{line}: {rule} (found {text!r}).",
                file=file,
                line=line,
                rule=_(error.rule),
                text=text,
            )
            advice = _("Without `strict` such rows are left out and listed.")
            raise UserError(joined(place, _(RULES[error.rule]), advice))
        _add(self.rejected, error.rule, 1)
        self._store(Reject(file, line, error.rule, text))

    def drop_row(self, file: str, line: int, rule: str, found: object) -> None:
        """Count and keep one row that cleaning left out."""
        self.drop(rule, 1)
        self._store(Reject(file, line, rule, shorten(found)))

    def list_dropped(
        self, rule: str, rows: Iterable[tuple[Sequence[str], Sequence[str], float]]
    ) -> None:
        """Write down what is left out as a copy, into `dropped.jsonl`.

        `rows` are turns left out, turns that stand for them, and how alike they are, from 0 to 1.
        """
        shown = sum(row["rule"] == rule for row in self.dropped_samples)
        with ExitStack() as stack:
            file = None
            if self.rejects_file is not None:
                path = self.rejects_file.with_name(DROPPED_FILE)
                file = stack.enter_context(open(path, "a", encoding="utf-8", newline="\n"))
            for dropped, kept, alike in rows:
                row: dict[str, Any] = {
                    "dropped": [turn[:MAX_SHOWN_TEXT] for turn in dropped],
                    "kept": [turn[:MAX_SHOWN_TEXT] for turn in kept],
                    "alike": round(alike, 3),
                    "rule": rule,
                }
                if shown < MAX_SHOWN_PER_RULE:
                    self.dropped_samples.append(row)
                    shown += 1
                if file is not None:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _store(self, reject: Reject) -> None:
        logger.info("%s:%d: %s: %s", *reject)
        if len(self.rejects) < MAX_STORED_REJECTS:
            self.rejects.append(reject)
        if self._open_file is not None:
            self._open_file.write(reject.json_line())

    def to_dict(self) -> dict[str, object]:
        """Give the counts, ready for JSON; the rejects have a file of their own."""
        left_out = ("rejects", "rejects_file", "strict")
        counts = {name: value for name, value in asdict(self).items() if name not in left_out}
        return {"rows_read": self.rows_read, "kept": self.kept, **counts}

    def lines(self) -> Iterator[str]:
        """Say the counts in a few lines for a terminal."""
        yield counted_text(
            "{number:,} row read from {sources}",
            "{number:,} rows read from {sources}",
            self.rows_read,
            sources=_names(self.sources),
        )
        yield counted_text(
            "{number:,} dialogue kept: {splits} ({languages})",
            "{number:,} dialogues kept: {splits} ({languages})",
            self.kept,
            splits=_counts(self.splits),
            languages=_counts(self.languages),
        )
        if self.pieces:
            yield _(
                "dialogues more than rows, which hold several or are cut: {number:,}",
                number=self.pieces,
            )
        if self.duplicates:
            yield _("exact duplicates dropped: {number:,}", number=self.duplicates)
        if self.filtered:
            yield _("not in the languages asked for: {number:,}", number=self.filtered)
        for text, counts in (
            (marked("dialogues dropped: {number:,} ({each})"), self.dropped),
            (marked("pairs left out: {each}"), self.pairs_dropped),
            (marked("rows rejected: {number:,} ({each})"), self.rejected),
            (marked("turns changed by cleaning: {each}"), self.changed),
        ):
            if counts:
                yield _(text, number=sum(counts.values()), each=_counts(counts))
        yield from self._script_lines()
        if self.notes:
            notes = (
                _("{what}: {number:,}", what=said_note(what), number=number)
                for what, number in self.notes.items()
            )
            yield _("also: {each}", each=listed(notes, are_long=True))
        yield from self.held_out_lines()

    def held_out_lines(self) -> Iterator[str]:
        """Say which held-out sides are too small, why, and what to do."""
        reason = self._leak_sentence()
        for side, questions in self.held_out.items():
            if questions and questions < ENOUGH_QUESTIONS:
                few = counted_text(
                    "only {number} question held out for {side}, too few to measure by ({enough} "
                    "are the least): add data, or raise `{setting}`",
                    "only {number} questions held out for {side}, too few to measure by ({enough} "
                    "are the least): add data, or raise `{setting}`",
                    questions,
                    side=_(side),
                    enough=ENOUGH_QUESTIONS,
                    setting=f"{side}_fraction",
                )
                yield few + reason
        if not self.splits.get("validation"):
            empty = _("the validation split is empty: add data, or raise the validation fraction")
            yield empty + (reason if "validation" in self.held_out else "")

    def _leak_sentence(self) -> str:
        """Say how much went because of copies on another side; nothing where nothing did."""
        leaks = self.pairs_dropped.get("near copy on another side", 0)
        if not leaks:
            return ""
        return counted_text(
            ". {number:,} pair went because another side asks nearly the same ({file} lists them): "
            "in a corpus of one template, add other data, or keep them with `leak_free` off",
            ". {number:,} pairs went because another side asks nearly the same ({file} lists "
            "them): in a corpus of one template, add other data, or keep them with `leak_free` off",
            leaks,
            file=DROPPED_FILE,
        )

    def _script_lines(self) -> Iterator[str]:
        """Say the script of the Chinese, and what to do where the sources differ."""
        sums = {s: sum(one.scripts.get(s, 0) for one in self.origins) for s in SCRIPTS}
        if not any(sums.values()):
            return
        shares = ((script, count / sum(sums.values())) for script, count in sums.items() if count)
        said = listed(f"{_(script)} {share:.0%}" for script, share in shares)
        yield _("script of the Chinese dialogues: {shares}", shares=said)
        by_script: dict[str, list[str]] = {}
        for origin in self.origins:
            if script := script_of(origin.scripts):
                by_script.setdefault(script, []).append(origin.name)
        if len(by_script) > 1 or MIXED in by_script:
            each = listed(
                (
                    _("{script} in {sources}", script=_(script), sources=_names(by_script[script]))
                    for script in by_script
                ),
                are_long=True,
            )
            yield _("the script differs: {each}. `to_simplified` makes it one", each=each)

    def add(self, other: BuildReport) -> None:
        """Add what another part of the same corpus has counted; its rejects are kept too."""
        for name in ("dropped", "changed", "rejected", "notes"):
            add_counts(getattr(self, name), getattr(other, name))
        for mine, its in zip(self.origins, other.origins, strict=True):
            mine.read += its.read
            add_counts(mine.scripts, its.scripts)
        self.pieces += other.pieces
        for reject in other.all_rejects():
            self._store(reject)

    def all_rejects(self) -> Iterator[Reject]:
        """Read all rejects from their file, or give those at hand where there is none."""
        self.close()
        if self.rejects_file is None:
            yield from self.rejects
            return
        with open(self.rejects_file, encoding="utf-8", newline="\n") as file:
            yield from (Reject(**json.loads(line)) for line in file)

    def save(self, folder: str | Path) -> None:
        """Write `report.json` and `rejects.jsonl` into an existing folder."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=2) + "\n"
        Path(folder, REPORT_FILE).write_text(text, encoding="utf-8")
        self.close()
        if self.rejects_file is not None:
            shutil.copyfile(self.rejects_file, Path(folder, REJECTS_FILE))
            if (listed := self.rejects_file.with_name(DROPPED_FILE)).is_file():
                shutil.copyfile(listed, Path(folder, DROPPED_FILE))
            return
        with open(Path(folder, REJECTS_FILE), "w", encoding="utf-8", newline="\n") as file:
            file.writelines(reject.json_line() for reject in self.rejects)

    @classmethod
    def load(cls, folder: str | Path) -> BuildReport:
        """Read back what `save` wrote, with the first of its rejects."""
        counts = json.loads(Path(folder, REPORT_FILE).read_text(encoding="utf-8"))
        known = {name: counts[name] for name in counts if name in cls.__dataclass_fields__}
        known["origins"] = [SourceCount(**origin) for origin in known.get("origins", [])]
        report, rejects_file = cls(**known), Path(folder, REJECTS_FILE)
        if rejects_file.is_file():
            report.rejects_file = rejects_file
            report.rejects = list(itertools.islice(report.all_rejects(), MAX_STORED_REJECTS))
        return report


class FileReport:
    """The report on one file, by the name that the user knows."""

    def __init__(self, name: str, report: BuildReport) -> None:
        """Remember both."""
        self.name, self.report = name, report
        self.note = report.note

    def reject(self, line: int, rule: str, found: object) -> None:
        """Count and keep one row that breaks a rule, or stop there if `strict`."""
        self.report.reject(self.name, line, RowError(rule, found))


def add_counts(counts: dict[str, int], more: Mapping[str, int]) -> None:
    """Add to some counts, in place."""
    for name, count in more.items():
        _add(counts, name, count)


def _add(counts: dict[str, int], name: str, count: int) -> None:
    counts[name] = counts.get(name, 0) + count


def _names(names: list[str], most: int = 4) -> str:
    listed_names = listed(names[:most])
    if len(names) <= most:
        return listed_names
    return _("{names} and {number} more", names=listed_names, number=len(names) - most)


def _counts(counts: dict[str, int]) -> str:
    return listed(f"{_(name)} {number:,}" for name, number in counts.items())


def said_note(what: str) -> str:
    """Say a note in the language of the user; what it names stays as it is."""
    head, bracket, named = what.partition(" (")
    if _(head) != head:
        return _(head) + bracket + named
    return retold(_(what), _NAMING)
