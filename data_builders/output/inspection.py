# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the card of a dataset says, for the terminal, with a few of its dialogues."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import datasets

from data_builders.building.builder import DIALOGUE_FEATURES
from data_builders.errors import UserError
from data_builders.output.card import coarse_words, left_out
from data_builders.output.markdown import one_line
from data_builders.output.statistics import DatasetStatistics, SplitStatistics, describe
from data_builders.output.terminal import fit
from data_builders.report import REPORT_FILE, BuildReport, counted
from data_builders.widths import display_width

# Below this no bar is left beside its label.
MIN_WIDTH = 40
MAX_ROWS = 20
MAX_REPLIES = 10
_MAX_TURNS = 8
_EIGHTHS = " ▏▎▍▌▋▊▉"


def inspect_lines(path: str | Path, samples: int = 3) -> Iterator[str]:
    """Say what is in a dataset folder, line by line.

    Args:
        path: A folder with a `DatasetDict` of this package's columns.
        samples: How many dialogues of each split to show; always the same ones.

    Yields:
        Lines no wider than the terminal, with nothing in them that could control it.
    """
    if samples < 0:
        raise UserError(f"`samples` must be 0 or more (got {samples}). Use 0 to show none.")
    folder = Path(path)
    dataset = load_dialogues(folder)
    report, statistics = _report(folder), describe(dataset)
    width = max(MIN_WIDTH, shutil.get_terminal_size().columns)
    for line in _lines(folder, dataset, report, statistics, samples, width):
        yield fit(line, width).rstrip()


def load_dialogues(folder: Path) -> datasets.DatasetDict:
    """Load a folder and make sure that it is a `DatasetDict` of dialogues."""
    if not folder.is_dir():
        kind = "is a file" if folder.exists() else "does not exist"
        raise UserError(f"{folder} {kind}. Name a dataset folder that `data_builders` wrote.")
    if not (folder / "dataset_dict.json").is_file():
        raise UserError(
            f"{folder} has no dataset_dict.json, so it is not a dataset with splits saved by "
            "`save_to_disk`. Build one with `python -m data_builders`."
        )
    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:  # pyarrow and datasets have no common error for a broken file
        raise UserError(
            f"{folder} cannot be read ({one_line(str(error), 200)}). Build it again."
        ) from error
    for name, split in loaded.items():
        missing = [column for column in DIALOGUE_FEATURES if column not in split.column_names]
        if missing:
            raise UserError(
                f"The split {name} of {folder} has no column {', '.join(missing)} (it has "
                f"{', '.join(split.column_names)}), so it holds no dialogues of this package. "
                "Build it with `python -m data_builders`."
            )
    return loaded


def bar_chart(counts: Mapping[str, int], width: int) -> Iterator[str]:
    """Draw counts as bars `width` columns wide, in their order; beyond `MAX_ROWS` as one sum."""
    rows = [(one_line(label, width), count) for label, count in counts.items()]
    if len(rows) > MAX_ROWS:
        rest = rows[MAX_ROWS - 1 :]
        rows = rows[: MAX_ROWS - 1] + [(f"({len(rest):,} others)", sum(n for _, n in rest))]
    names = [fit(label, width // 3) for label, _ in rows]
    label_width = max(map(display_width, names), default=0)
    number_width = max((len(f"{count:,}") for _, count in rows), default=0)
    room = max(1, width - label_width - number_width - 4)
    most = max((count for _, count in rows), default=0)
    for name, (_, count) in zip(names, rows, strict=True):
        gap = " " * (label_width - display_width(name))
        yield f"  {name}{gap} {count:>{number_width},} {_bar(count, most, room)}"


def _lines(
    folder: Path,
    dataset: datasets.DatasetDict,
    report: BuildReport | None,
    statistics: DatasetStatistics,
    samples: int,
    width: int,
) -> Iterator[str]:
    name = one_line(folder.absolute().name, width)
    yield (
        f"{name}: {counted(statistics.dialogues, 'dialogue')}, {counted(statistics.pairs, 'pair')}"
    )
    for split, counts in statistics.splits.items():
        yield from _split_lines(split, counts)
    if statistics.coarse:
        yield f"  {coarse_words(statistics)}"
    yield from _report_lines(report, width)
    for title, bars in (
        ("languages (dialogues)", statistics.counts("languages")),
        ("sources (dialogues)", statistics.counts("sources")),
        ("turns per dialogue", dict(statistics.histogram("turns").bars())),
        ("characters of a question (pairs)", dict(statistics.histogram("question_lengths").bars())),
        ("characters of a reply (pairs)", dict(statistics.histogram("reply_lengths").bars())),
    ):
        yield from ("", title)
        yield from bar_chart(bars, width)
    for split, counts in statistics.splits.items():
        yield from _reply_lines(split, counts)
    for split, rows in dataset.items():
        yield from _sample_lines(str(split), rows, samples, width)


def _split_lines(name: str, split: SplitStatistics) -> Iterator[str]:
    yield (
        f"  {one_line(name, 30)}: {counted(split.dialogues, 'dialogue')}, "
        f"{counted(split.pairs, 'pair')}"
    )
    yield (
        f"    {split.distinct_questions:,} distinct questions "
        f"({split.multi_reply_questions:,} with several replies), "
        f"{split.distinct_replies:,} distinct replies"
    )
    yield (
        f"    {counted(split.characters, 'character')}, "
        f"{split.question_lengths.mean:.1f} a question, "
        f"{split.reply_lengths.mean:.1f} a reply"
    )


def _report_lines(report: BuildReport | None, width: int) -> Iterator[str]:
    if report is None:
        yield from ("", f"no {REPORT_FILE}: what was left out is not known")
        return
    yield from (
        "",
        f"{counted(report.rows_read, 'row')} read, {counted(report.kept, 'dialogue')} kept",
    )
    for origin in report.origins:
        told = f"{counted(origin.read, 'dialogue')} read, {counted(origin.kept, 'dialogue')} kept"
        yield f"  {one_line(origin.name, 60)} ({one_line(origin.format, 30)}): {told}"
    for head, unit, counts in left_out(report):
        if counts:
            yield from ("", f"{head} ({unit})")
            yield from bar_chart(dict(sorted(counts.items(), key=lambda item: -item[1])), width)


def _reply_lines(name: str, split: SplitStatistics) -> Iterator[str]:
    if not split.top_replies:
        return
    yield from ("", f"most frequent replies of {one_line(name, 30)}")
    digits = len(f"{split.top_replies[0].count:,}")
    for text, count, share in split.top_replies[:MAX_REPLIES]:
        yield f"  {count:>{digits},} {100 * share:5.2f} %  {one_line(text, 200)}"


def _sample_lines(name: str, rows: datasets.Dataset, samples: int, width: int) -> Iterator[str]:
    number = min(samples, len(rows))
    if not number:
        return
    yield from ("", f"from {one_line(name, 30)}")
    # The middle of each of `number` equal stretches: the same rows every time.
    for place in [(2 * i + 1) * len(rows) // (2 * number) for i in range(number)]:
        row = rows[place]
        source, lang = one_line(row["source"] or "", 60), one_line(row["lang"] or "", 10)
        yield f"  row {place:,} {lang} {source}"
        turns, roles = row["turns"] or [], row["roles"] or []
        for i, turn in enumerate(turns[:_MAX_TURNS]):
            role = f"{one_line(roles[i], 12)}: " if i < len(roles) else "- "
            yield f"    {role}{one_line(turn or '', width)}"
        if len(turns) > _MAX_TURNS:
            yield f"    … {len(turns) - _MAX_TURNS} more turns"


def _report(folder: Path) -> BuildReport | None:
    if not (folder / REPORT_FILE).is_file():
        return None
    try:
        return BuildReport.load(folder)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise UserError(
            f"{folder / REPORT_FILE} is not a report of this version "
            f"({one_line(str(error), 100)}). Delete it, or build the dataset again."
        ) from error


def _bar(count: int, most: int, room: int) -> str:
    """Draw to an eighth of a column; what is not 0 shows at least that."""
    eighths = max(1, round(8 * room * count / most)) if count and most else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
