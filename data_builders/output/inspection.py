# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the card of a dataset says, for the terminal, with a few of its dialogues."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import datasets

from data_builders.errors import UserError
from data_builders.output.card import coarse_words, left_out
from data_builders.output.markdown import one_line
from data_builders.output.statistics import DatasetStatistics, SplitStatistics, describe
from data_builders.output.terminal import fit
from data_builders.report import REPORT_FILE, BuildReport, said_note
from data_builders.sources.saved import check_columns, open_saved
from data_builders.translation import _, counted_text, listed
from data_builders.widths import display_width

# Below this no bar is left beside its label.
MIN_WIDTH = 40
MAX_ROWS = 20
MAX_REPLIES = 10
_MAX_TURNS = 8
_EIGHTHS = " ▏▎▍▌▋▊▉"


def inspect_lines(path: str | Path, samples: int = 3) -> Iterator[str]:
    """Say what is in a dataset folder, with so many dialogues of each split, always the same ones.

    The lines are no wider than the terminal, with nothing in them that could control it.
    """
    if samples < 0:
        raise UserError(
            "`samples` must be 0 or more (got {samples}). Use 0 to show none.", samples=samples
        )
    folder = Path(path)
    dataset = load_dialogues(folder)
    report, statistics = _report(folder), describe(dataset)
    width = max(MIN_WIDTH, shutil.get_terminal_size().columns)
    for line in _lines(folder, dataset, report, statistics, samples, width):
        yield fit(line, width).rstrip()


def load_dialogues(folder: Path) -> datasets.DatasetDict:
    """Load a folder of dialogues."""
    loaded = open_saved(folder)
    for split in loaded.values():
        check_columns(split, folder)
    return datasets.DatasetDict(loaded)


def bar_chart(counts: Mapping[str, int], width: int) -> Iterator[str]:
    """Draw counts as bars `width` columns wide, in their order; beyond `MAX_ROWS` as one sum."""
    rows = [(one_line(label, width), count) for label, count in counts.items()]
    if len(rows) > MAX_ROWS:
        rest = rows[MAX_ROWS - 1 :]
        others = _("({number:,} others)", number=len(rest))
        rows = rows[: MAX_ROWS - 1] + [(others, sum(count for _name, count in rest))]
    names = [fit(label, width // 3) for label, _count in rows]
    label_width = max(map(display_width, names), default=0)
    number_width = max((len(f"{count:,}") for _name, count in rows), default=0)
    room = max(1, width - label_width - number_width - 4)
    most = max((count for _name, count in rows), default=0)
    for name, (_label, count) in zip(names, rows, strict=True):
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
    yield _named(name, _dialogues(statistics.dialogues), _pairs(statistics.pairs))
    for split, counts in statistics.splits.items():
        yield from _split_lines(split, counts)
    if statistics.coarse:
        yield f"  {coarse_words(statistics)}"
    yield from _report_lines(report, width)
    for title, bars in (
        (_("languages (dialogues)"), statistics.counts("languages")),
        (_("sources (dialogues)"), statistics.counts("sources")),
        (_("turns per dialogue"), dict(statistics.histogram("turns").bars())),
        (
            _("characters of a question (pairs)"),
            dict(statistics.histogram("question_lengths").bars()),
        ),
        (_("characters of a reply (pairs)"), dict(statistics.histogram("reply_lengths").bars())),
    ):
        yield from ("", title)
        yield from bar_chart(bars, width)
    for split, counts in statistics.splits.items():
        yield from _reply_lines(split, counts)
    for split, rows in dataset.items():
        yield from _sample_lines(str(split), rows, samples, width)


def _split_lines(name: str, split: SplitStatistics) -> Iterator[str]:
    yield "  " + _named(one_line(name, 30), _dialogues(split.dialogues), _pairs(split.pairs))
    yield "    " + _(
        "{questions:,} distinct questions ({several:,} with several replies), {replies:,} distinct "
        "replies",
        questions=split.distinct_questions,
        several=split.multi_reply_questions,
        replies=split.distinct_replies,
    )
    characters = counted_text("{number:,} character", "{number:,} characters", split.characters)
    yield "    " + _(
        "{characters}, {question:.1f} a question, {reply:.1f} a reply",
        characters=characters,
        question=split.question_lengths.mean,
        reply=split.reply_lengths.mean,
    )


def _named(name: str, *counts: str) -> str:
    return _("{name}: {counts}", name=name, counts=listed(counts))


def _dialogues(number: int) -> str:
    return counted_text("{number:,} dialogue", "{number:,} dialogues", number)


def _pairs(number: int) -> str:
    return counted_text("{number:,} pair", "{number:,} pairs", number)


def _report_lines(report: BuildReport | None, width: int) -> Iterator[str]:
    if report is None:
        yield from ("", _("no {file}: what was left out is not known", file=REPORT_FILE))
        return
    rows = counted_text("{number:,} row", "{number:,} rows", report.rows_read)
    yield from ("", _("{read} read, {kept} kept", read=rows, kept=_dialogues(report.kept)))
    for origin in report.origins:
        name = one_line(origin.name, 60) + _(" ({what})", what=one_line(origin.format, 30))
        read, kept = _dialogues(origin.read), _dialogues(origin.kept)
        yield "  " + _named(name, _("{read} read, {kept} kept", read=read, kept=kept))
    for head, unit, counts in left_out(report):
        if counts:
            yield from ("", _(head) + _(" ({what})", what=_(unit)))
            ranked = sorted(counts.items(), key=lambda item: -item[1])
            yield from bar_chart({said_note(what): count for what, count in ranked}, width)


def _reply_lines(name: str, split: SplitStatistics) -> Iterator[str]:
    if not split.top_replies:
        return
    yield from ("", _("most frequent replies of {split}", split=one_line(name, 30)))
    digits = len(f"{split.top_replies[0].count:,}")
    for text, count, share in split.top_replies[:MAX_REPLIES]:
        yield f"  {count:>{digits},} {100 * share:5.2f} %  {one_line(text, 200)}"


def _sample_lines(name: str, rows: datasets.Dataset, samples: int, width: int) -> Iterator[str]:
    number = min(samples, len(rows))
    if not number:
        return
    yield from ("", _("from {split}", split=one_line(name, 30)))
    # The middle of each of `number` equal stretches: the same rows every time.
    for place in [(2 * i + 1) * len(rows) // (2 * number) for i in range(number)]:
        row = rows[place]
        source, lang = one_line(row["source"] or "", 60), one_line(row["lang"] or "", 10)
        yield "  " + _("row {place:,} {lang} {source}", place=place, lang=lang, source=source)
        turns, roles = row["turns"] or [], row["roles"] or []
        for i, turn in enumerate(turns[:_MAX_TURNS]):
            role = f"{one_line(roles[i], 12)}: " if i < len(roles) else "- "
            yield f"    {role}{one_line(turn or '', width)}"
        if len(turns) > _MAX_TURNS:
            yield "    " + _("… {number} more turns", number=len(turns) - _MAX_TURNS)


def _report(folder: Path) -> BuildReport | None:
    if not (folder / REPORT_FILE).is_file():
        return None
    try:
        return BuildReport.load(folder)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise UserError(
            "{file} is not a report of this version ({reason}). Delete it, or build the dataset "
            "again.",
            file=folder / REPORT_FILE,
            reason=one_line(str(error), 100),
        ) from error


def _bar(count: int, most: int, room: int) -> str:
    """Draw to an eighth of a column; what is not 0 shows at least that."""
    eighths = max(1, round(8 * room * count / most)) if count and most else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
