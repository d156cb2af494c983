# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Builds from dialogues in memory, and slow, plain definitions to hold the fast code against."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from data_builders.building.builder import DialogueConfig
from data_builders.building.staging import stage
from data_builders.dialogue import RawDialogue
from data_builders.report import BuildReport, SourceCount
from data_builders.selecting.copies import LEAKS, apart
from data_builders.selecting.selection import select, selected_table
from data_builders.selecting.shards import Dialogue, Shards, open_shard, write_shard
from data_builders.selecting.splits import SPLITS, normalize_question

# Selection that keeps everything.
KEEP_ALL = {
    "exact_duplicates": False,
    "near_duplicates": False,
    "maximum_reply_count": 0,
    "maximum_question_count": 0,
    "leak_free": False,
}


@dataclass
class MemoryConfig(DialogueConfig):
    """Settings of a build that reads no file."""

    seed: int | None = None
    asking: tuple[int, ...] = ()

    def only_questions(self) -> tuple[bool, ...]:
        """Say it for nine sources."""
        return tuple(number in self.asking for number in range(9))

    def content_files(self) -> list[Path]:
        """List no files."""
        return []


class Built(NamedTuple):
    """What a build gives.

    Attributes:
        rows: The rows of each split, in order.
        report: The counts.
    """

    rows: dict[str, list[dict[str, Any]]]
    report: BuildReport

    def all_rows(self) -> list[dict[str, Any]]:
        """Give the rows of all splits."""
        return [row for rows in self.rows.values() for row in rows]


def raw(*turns: str, **values: Any) -> RawDialogue:
    """Make a dialogue as a family would yield it."""
    return RawDialogue(turns, **{"file": "talk.tsv", "source": "talk.tsv", **values})


@contextmanager
def empty_folder() -> Iterator[Path]:
    """Give a folder of its own to one example of hypothesis."""
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        open_shard.cache_clear()
        shutil.rmtree(folder, ignore_errors=True)


def build(
    dialogues: Sequence[RawDialogue],
    folder: Path | None = None,
    workers: int = 1,
    weights: Sequence[float] = (1.0,),
    **settings: Any,
) -> Built:
    """Run both halves of a build."""
    if folder is None:
        with empty_folder() as folder:
            return build(dialogues, folder, workers, weights, **settings)
    config = MemoryConfig(**settings)
    report = BuildReport(
        origins=[SourceCount(f"source {i}", "pairs", None, w) for i, w in enumerate(weights)]
    )
    paths = stage(lambda progress: iter(dialogues), folder, config, report, workers)
    selected = select(Shards(paths), config, report, folder, workers)
    rows = {
        split: [row for shard in selected for row in selected_table(shard, split).to_pylist()]
        for split in SPLITS
    }
    return Built(rows, report)


def shards_of(folder: Path, dialogues: Sequence[Sequence[str]], per_shard: int = 1000) -> Shards:
    """Write dialogues without roles into shards."""
    paths = []
    for begin in range(0, len(dialogues), per_shard):
        some = [Dialogue(tuple(t), (), "en", "s") for t in dialogues[begin : begin + per_shard]]
        paths.append(folder / f"{begin:05d}.arrow")
        write_shard(paths[-1], some, [0] * len(some))
    return Shards(paths)


def questions_of(row: dict[str, Any]) -> set[str]:
    """Give what a row asks: whatever stands before a reply."""
    turns, roles = row["turns"], row["roles"]
    replies = [i for i in range(1, len(turns)) if not roles or roles[i] == "assistant"]
    spoken = [i for i in replies if not roles or roles[i - 1] != "system"]
    return {turns[i - 1] for i in spoken or replies}


def shortened(text: str) -> set[str]:
    """Give a text, and the texts that are one character, not a digit, shorter."""
    return {text} | {text[:i] + text[i + 1 :] for i, c in enumerate(text) if c not in "0123456789"}


def are_near(one: str, other: str) -> bool:
    """Say whether two questions are equal, or a leak that the search may not miss."""
    first, second = normalize_question(one), normalize_question(other)
    if first == second:
        return True
    lengths = sorted((len(first), len(second)))
    fit = lengths[0] >= 5 and lengths[1] <= 64
    return fit and bool(shortened(first) & shortened(second)) and apart(one, other) <= LEAKS
