# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The first half of a build: raw dialogues are cleaned, in worker processes, into shards.

A shard is written whole or not at all, and its counts after it. A build that was cut off finds
its finished shards again: it reads the corpus once more and cleans only what is missing, or what
was read otherwise than now (a file may have been cut short while it was read).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import xxhash
from tqdm import tqdm

from data_builders.cleaning.pipeline import Cleaner, CleaningSettings, looks_segmented
from data_builders.language import guess_language
from data_builders.reading import Progress
from data_builders.report import BuildReport, add_counts, shorten
from data_builders.script import guess_script
from data_builders.selecting.shards import Dialogue, write_shard
from data_builders.selecting.workers import ordered_map
from data_builders.translation import _
from data_builders.writing import write_json

# One shard: enough work to be worth handing over, small enough to lie in memory several times.
SHARD_CHARACTERS = 2_000_000
SHARD_DIALOGUES = 50_000
# How many dialogues of a file are looked at to see whether its Chinese is cut by blanks.
PROBE_DIALOGUES = 300


class Batch(NamedTuple):
    """What one worker cleans at a time: the shard to write, raw dialogues, and the settings.

    `segmented` says for each dialogue whether its file's Chinese is cut by blanks.
    """

    path: str
    dialogues: list[Any]
    segmented: list[bool]
    settings: CleaningSettings


@dataclass
class BatchCounts:
    """What became of one batch.

    Attributes:
        path: The shard written.
        read: Dialogues read, by origin.
        changed: Turns changed, by cleaning step.
        dropped: File, line, rule and text of each dialogue that cleaning left out.
        digest: Of what was cleaned.
        resumed: Whether the shard was there already.
        scripts: Chinese dialogues that are left, by origin and script.
        cut: Dialogues cut at a turn, by the first rule that one broke.
        pieces: Dialogues more than were read, from these.
    """

    path: str
    read: dict[str, int]
    changed: dict[str, int]
    dropped: list[tuple[str, int, str, str]]
    digest: str = ""
    resumed: bool = False
    scripts: dict[str, dict[str, int]] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    pieces: int = 0

    def clean(self, raw: Any, segmented: bool, cleaner: Cleaner) -> list[Dialogue]:
        """Clean one raw dialogue and count it; a turn that cannot be used may cut it in several."""
        origin = str(raw.origin)
        self.read[origin] = self.read.get(origin, 0) + 1
        cleaned = cleaner.clean(raw.turns, segmented)
        pieces = tuple(cleaned.pieces(raw.roles))
        if not pieces:
            self.dropped.append((raw.file, raw.line, cleaned.rule, shorten(cleaned.found)))
        elif cleaned.rule:
            add_counts(self.cut, {cleaned.rule: 1})
            self.pieces += len(pieces) - 1
        return [self._dialogue(turns, roles, raw) for turns, roles in pieces]

    def _dialogue(self, turns: tuple[str, ...], roles: tuple[str, ...], raw: Any) -> Dialogue:
        lang = raw.lang or guess_language(turns)
        if lang == "zh":
            add_counts(self.scripts.setdefault(str(raw.origin), {}), {guess_script(turns): 1})
        return Dialogue(turns, roles, lang, raw.source)

    def add_to(self, report: BuildReport) -> None:
        """Add these counts to those of the whole build."""
        for origin, read in self.read.items():
            report.origins[int(origin)].read += read
        for origin, scripts in self.scripts.items():
            add_counts(report.origins[int(origin)].scripts, scripts)
        add_counts(report.changed, self.changed)
        for rule, number in self.cut.items():
            report.note(f"dialogues cut at a turn ({rule})", number)
        report.pieces += self.pieces
        for file, line, rule, text in self.dropped:
            report.drop_row(file, line, rule, text)
        if self.resumed:
            report.note("parts taken over from a build that was cut off")


def stage(
    read: Callable[[Progress], Iterable[Any]],
    folder: Path,
    config: Any,
    report: BuildReport,
    workers: int,
) -> list[Path]:
    """Clean a whole corpus into shards in a folder, and give these in the order of the corpus."""
    paths = []
    total = sum(path.stat().st_size for path in config.content_files())
    with bytes_bar(total, _("Reading and cleaning")) as progress:
        batches = _batches(with_segmentation(read(progress)), folder, config.cleaning)
        for counts in ordered_map(clean_batch, batches, workers):
            counts.add_to(report)
            paths.append(Path(counts.path))
    return paths


@contextmanager
def bytes_bar(total: int, title: str) -> Iterator[Progress]:
    """Show how far a reading is; lend the function to call with each number of bytes read."""
    with tqdm(
        total=total,
        desc=title,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        delay=1.0,  # sooner it would only flicker
        disable=None,
    ) as bar:
        yield bar.update


def with_segmentation(dialogues: Iterable[Any]) -> Iterator[tuple[Any, bool]]:
    """Say for each dialogue whether the Chinese of its file is cut by blanks.

    The verdict is on the first `PROBE_DIALOGUES` of a file.
    """
    iterator = iter(dialogues)
    waiting = list(islice(iterator, 1))
    while waiting:
        file, others = waiting[0].file, []
        for raw in iterator:
            if raw.file != file:
                others = [raw]
                break
            waiting.append(raw)
            if len(waiting) == PROBE_DIALOGUES:
                break
        segmented = looks_segmented([turn for raw in waiting for turn in raw.turns])
        yield from ((raw, segmented) for raw in waiting)
        if not others:
            for raw in iterator:
                if raw.file != file:
                    others = [raw]
                    break
                yield raw, segmented
        waiting = others


def _batches(
    dialogues: Iterable[tuple[Any, bool]], folder: Path, settings: CleaningSettings
) -> Iterator[Batch]:
    batch, flags, characters, number = [], [], 0, 0
    for raw, segmented in dialogues:
        batch.append(raw)
        flags.append(segmented)
        characters += sum(map(len, raw.turns))
        if characters >= SHARD_CHARACTERS or len(batch) >= SHARD_DIALOGUES:
            yield Batch(str(folder / f"{number:05d}.arrow"), batch, flags, settings)
            batch, flags, characters, number = [], [], 0, number + 1
    if batch:
        yield Batch(str(folder / f"{number:05d}.arrow"), batch, flags, settings)


def clean_batch(batch: Batch) -> BatchCounts:
    """Clean a batch and write its shard, unless that is there already."""
    path = Path(batch.path)
    counts_path = path.with_suffix(".json")
    digest = xxhash.xxh3_64_hexdigest(repr((batch.dialogues, batch.segmented)).encode())
    if path.exists() and (known := _counts_at(counts_path)) and known.digest == digest:
        # Its own path may be of another day: the cache may have been moved, or named otherwise.
        known.path, known.resumed = batch.path, True
        return known
    # Old counts must not vouch for the new shard if this is cut off between the two.
    counts_path.unlink(missing_ok=True)
    cleaner = cleaner_of(batch.settings)
    counts = BatchCounts(batch.path, {}, {}, [], digest)
    dialogues, origins, splits = [], [], []
    for raw, segmented in zip(batch.dialogues, batch.segmented, strict=True):
        for dialogue in counts.clean(raw, segmented, cleaner):
            dialogues.append(dialogue)
            origins.append(raw.origin)
            splits.append(raw.split)
    counts.changed = {step: number for step, number in cleaner.changed.items() if number}
    write_shard(path, dialogues, origins, splits)
    write_json(counts_path, vars(counts))
    return counts


def cleaner_of(settings: CleaningSettings) -> Cleaner:
    """Give the cleaner of these settings, with nothing counted."""
    cleaner = _cleaner(settings)
    cleaner.changed = dict.fromkeys(cleaner.changed, 0)
    return cleaner


def _counts_at(path: Path) -> BatchCounts | None:
    try:
        return BatchCounts(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


@lru_cache(maxsize=2)
def _cleaner(settings: CleaningSettings) -> Cleaner:
    return Cleaner(settings)
