# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What happened to every row of a build, in numbers and in rejects that can be looked up."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

logger = logging.getLogger(__name__)

REPORT_FILE = "report.json"
REJECTS_FILE = "rejects.jsonl"
# All rejects are counted; this many are also kept with their text, so that a file which is wrong
# from end to end does not fill the memory.
MAX_STORED_REJECTS = 100_000
MAX_TEXT = 80

# Each rule, and what to do about a row that breaks it.
RULES = {
    "bad JSON": "Write one whole JSON object on one line.",
    "not an object": 'A row is an object such as {"question": ..., "reply": ...}.',
    "missing key": "Give `question` and `reply`, or `dialogue`, or `messages`.",
    "not a string": "Put quotation marks around the text.",
    "not a list": "Give the turns as a list.",
    "empty text": "Fill in the question and the reply, or delete the row.",
    "not valid UTF-8": "Save the file as UTF-8.",
    "not valid Unicode": "Remove the lone surrogate escape (\\ud800 to \\udfff).",
    "wrong number of columns": "Write question, one tab, reply.",
    "fewer than two turns": "A dialogue needs a question and a reply.",
    "unknown role": "Use the roles system, user and assistant.",
    "no reply": "Let an assistant turn follow a user turn.",
}


class DataError(ValueError):
    """Something the user can put right: its text is meant for them."""


class RowError(Exception):
    """One row breaks one rule; carries which, and the text to show."""

    def __init__(self, rule: str, found: object) -> None:
        """Remember the rule broken.

        Args:
            rule: A key of `RULES`.
            found: The value that breaks it.
        """
        super().__init__(rule)
        self.rule = rule
        self.found = found


@dataclass(frozen=True)
class Reject:
    """One row left out: where it stands, why, and how it begins.

    Attributes:
        file: The file as the user named it.
        line: Line, from 1; for YAML the number of the entry under `conversations`.
        rule: A key of `RULES`.
        text: The beginning of what was found.
    """

    file: str
    line: int
    rule: str
    text: str


def shorten(found: object) -> str:
    """Give the beginning of a value, on one line and always printable.

    Args:
        found: Anything read from a row; bytes may be broken UTF-8.

    Returns:
        At most `MAX_TEXT` characters.
    """
    if isinstance(found, bytes):
        # Cut first: one broken line can be as long as the file.
        found = found[: 4 * MAX_TEXT].decode("utf-8", errors="backslashreplace")
    text = " ".join(str(found).encode("utf-8", "backslashreplace").decode("utf-8").split())
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


@dataclass
class BuildReport:
    """Counts of a build; every row read is in exactly one of them.

    Attributes:
        sources: What was read.
        splits: Dialogues kept, by split.
        languages: Dialogues kept, by language.
        duplicates: Dialogues dropped because the same one was there before.
        filtered: Dialogues dropped because of the `languages` setting.
        rejected: Rows that break a rule, by rule.
        rejects: The first `MAX_STORED_REJECTS` of these.
    """

    sources: list[str] = field(default_factory=list)
    splits: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    filtered: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def kept(self) -> int:
        """How many dialogues are in the dataset, over all splits."""
        return sum(self.splits.values())

    @property
    def rows_read(self) -> int:
        """How many rows were read; blank lines are not rows."""
        return self.kept + self.duplicates + self.filtered + sum(self.rejected.values())

    def keep(self, split: str, lang: str) -> None:
        """Count one dialogue that goes into the dataset.

        Args:
            split: The split it goes to.
            lang: Its language.
        """
        self.splits[split] = self.splits.get(split, 0) + 1
        self.languages[lang] = self.languages.get(lang, 0) + 1

    def reject(self, file: str, line: int, error: RowError, strict: bool = False) -> None:
        """Count and log one row that breaks a rule, or stop there.

        Args:
            file: The file as the user named it.
            line: Line or entry number, from 1.
            error: The rule broken and the value found.
            strict: Raise instead of counting.

        Raises:
            DataError: If `strict`.
        """
        reject = Reject(file, line, error.rule, shorten(error.found))
        if strict:
            raise DataError(
                f"{file}:{line}: {error.rule} (found {reject.text!r}). {RULES[error.rule]} "
                "Without `strict` such rows are left out and listed."
            )
        logger.info("%s:%d: %s: %s", file, line, reject.rule, reject.text)
        self.rejected[error.rule] = self.rejected.get(error.rule, 0) + 1
        if len(self.rejects) < MAX_STORED_REJECTS:
            self.rejects.append(reject)

    def to_dict(self) -> dict[str, object]:
        """Give the counts, ready for JSON; the rejects have a file of their own."""
        counts = {name: value for name, value in asdict(self).items() if name != "rejects"}
        return {"rows_read": self.rows_read, "kept": self.kept, **counts}

    def lines(self) -> Iterator[str]:
        """Say the counts in a few lines for a terminal."""
        yield f"{self.rows_read:,} rows read from {', '.join(self.sources)}"
        yield f"{self.kept:,} dialogues kept: {_counts(self.splits)} ({_counts(self.languages)})"
        if self.duplicates:
            yield f"exact duplicates dropped: {self.duplicates:,}"
        if self.filtered:
            yield f"not in the languages asked for: {self.filtered:,}"
        if self.rejected:
            yield f"rows rejected: {sum(self.rejected.values()):,} ({_counts(self.rejected)})"
        if not self.splits.get("validation"):
            yield "the validation split is empty: add data, or raise the validation fraction"

    def save(self, folder: str | Path) -> None:
        """Write the counts and the rejects into a folder.

        Args:
            folder: An existing folder; gets `report.json` and `rejects.jsonl`.
        """
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=2) + "\n"
        Path(folder, REPORT_FILE).write_text(text, encoding="utf-8")
        with open(Path(folder, REJECTS_FILE), "w", encoding="utf-8", newline="\n") as file:
            for reject in self.rejects:
                file.write(json.dumps(asdict(reject), ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> BuildReport:
        """Read back what `save` wrote.

        Args:
            folder: The folder given to `save`.

        Returns:
            An equal report.
        """
        counts = json.loads(Path(folder, REPORT_FILE).read_text(encoding="utf-8"))
        fields = {name: counts[name] for name in counts if name not in ("rows_read", "kept")}
        with open(Path(folder, REJECTS_FILE), encoding="utf-8", newline="\n") as file:
            return cls(**fields, rejects=[Reject(**json.loads(line)) for line in file])


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items())
