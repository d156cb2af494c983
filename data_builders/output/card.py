# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The README.md of a dataset folder: what is in it, from where, and what was left out and why."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from data_builders.cleaning.coarse_words import HOW_TO_LEAVE_OUT
from data_builders.output.card_header import card_header
from data_builders.output.markdown import escape, one_line, table
from data_builders.output.pictures import CAPTIONS
from data_builders.output.privacy import without_paths
from data_builders.output.statistics import DatasetStatistics, SplitStatistics
from data_builders.report import (
    DROPPED_FILE,
    EXACT_DUPLICATE,
    REJECTS_FILE,
    BuildReport,
    SourceCount,
    said_note,
)
from data_builders.translation import _, counted_text, joined, listed, marked

CARD_FILE = "README.md"
PLACEHOLDER = "your-name/your-dataset"
NOT_STATED = marked("not stated")
REPLY_WIDTH = 40
MAX_ROWS = 50
_LANGUAGES = {
    "zh": marked("Chinese"),
    "en": marked("English"),
    "mixed": marked("Chinese and English mixed"),
}


def write_card(
    folder: str | Path,
    report: BuildReport,
    statistics: DatasetStatistics,
    settings: Mapping[str, Any],
    pictures: Sequence[Path] = (),
    show_replies: bool = True,
) -> Path:
    """Write the README.md of a dataset folder, ready for the Hub, and give its path.

    `name` among the settings titles it (else the folder does), and their `license` goes into its
    header; paths are cut to their last part, secrets left out. The most frequent replies are the
    user's data, nice or not: `show_replies` lists them.
    """
    folder = Path(folder)
    name = one_line(str(settings.get("name") or folder.absolute().name), 80) or "dialogues"
    parts = [
        card_header(folder, name, report, statistics, settings),
        f"# {escape(name)}",
        _introduction(statistics),
        _part(_("How to load"), _loading(name)),
        _part(_("Sources"), _sources(report, statistics)),
        _part(_("Splits"), _splits(report, statistics, settings)),
        _part(
            _("What was left out or changed"), _drops(report) + "\n\n" + coarse_words(statistics)
        ),
        _part(_("Left out as copies"), _copies(report) if show_replies else ""),
        _part(_("Settings"), _settings(settings)),
        _part(_("In pictures"), _pictures(folder, pictures)),
        _part(_("Most frequent replies"), _replies(statistics) if show_replies else ""),
    ]
    path = folder / CARD_FILE
    text = "\n\n".join(part for part in parts if part) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _part(title: str, text: str) -> str:
    return text and f"## {title}\n\n{text}"


def _introduction(statistics: DatasetStatistics) -> str:
    counts = statistics.counts("languages").items()
    names = {lang: _(_LANGUAGES.get(lang) or escape(one_line(lang, 20))) for lang, _n in counts}
    told = listed(_("{number:,} {language}", number=n, language=names[lang]) for lang, n in counts)
    return _(
        "{dialogues} with {pairs} of question and reply ({languages}), built with TFChat-HF. Each "
        "row has `id`, `turns` (what was said, in order), `roles` (one of system, user and "
        "assistant a turn, or empty), `lang` and `source`.",
        dialogues=counted_text("{number:,} dialogue", "{number:,} dialogues", statistics.dialogues),
        pairs=counted_text("{number:,} pair", "{number:,} pairs", statistics.pairs),
        languages=told or _("none"),
    )


def _loading(name: str) -> str:
    # The code block is the one place where nothing can be escaped.
    folder = re.sub(r"[^\w. -]", "_", name)
    return (
        _("From this folder:") + "\n\n```python\nimport datasets\n\n"
        f'dialogues = datasets.load_from_disk("{folder}")\n```\n\n'
        + _("From the Hub, once it is there:")
        + "\n\n```python\nimport datasets\n\n"
        f'dialogues = datasets.load_dataset("{PLACEHOLDER}")\n```'
    )


def _sources(report: BuildReport, statistics: DatasetStatistics) -> str:
    weighted = any(origin.weight != 1 for origin in report.origins)
    head = [_("source"), _("format"), _("licence"), *_numbers(_("rows read"), _("dialogues kept"))]
    rows = [_source_row(origin) for origin in report.origins]
    if weighted:
        head += _numbers(_("weight"))
        rows = [[*row, f"{o.weight:g}"] for row, o in zip(rows, report.origins, strict=True)]
    counts = statistics.counts("sources").items()
    labels = [[place, _label(name), n] for place, (name, n) in enumerate(counts, start=1)]
    parts = [
        _first_rows(head, rows),
        _("Whoever publishes this dataset must check the licence of each source."),
        _("What the column `source` holds (a picture may show the number for the name):"),
        _first_rows([*_numbers(_("number")), _("source"), *_numbers(_("dialogues"))], labels),
    ]
    return "\n\n".join(parts)


def _numbers(*names: str) -> list[str]:
    return [f">{name}" for name in names]


def _source_row(origin: SourceCount) -> list[object]:
    stated = one_line(origin.license or _(NOT_STATED), 100)
    return [_label(origin.name), one_line(origin.format, 40), stated, origin.read, origin.kept]


def _splits(report: BuildReport, statistics: DatasetStatistics, settings: Mapping[str, Any]) -> str:
    head = _numbers(
        *(_("dialogues"), _("pairs"), _("distinct questions"), _("distinct replies")),
        *(_("questions with several replies"), _("characters")),
        *(_("mean question"), _("mean reply"), _("most frequent reply")),
    )
    rows = [_split_row(name, split) for name, split in statistics.splits.items()]
    what = _(
        "Lengths are in characters. A pair is a reply and the turn before it; every turn after the "
        "first is a reply, or where roles are told those of the assistant."
    )
    small = [
        _("{sentence}.", sentence=f"{line[0].upper()}{line[1:]}")
        for line in report.held_out_lines()
    ]
    told = [table([_("split"), *head], rows), *small, what, _how_split(settings)]
    return "\n\n".join(told)


def _how_split(settings: Mapping[str, Any]) -> str:
    shares = [
        _(
            "{share:g} % of the questions for {split}",
            share=100 * settings[f"{name}_fraction"],
            split=_(name),
        )
        for name in ("validation", "test")
        if settings.get(f"{name}_fraction")
    ]
    how = _(
        "A dialogue goes to a split by a hash of its first question, whose case, width, "
        "punctuation and blanks are folded before{shares}. So all dialogues that begin with one "
        "question stand on one side, with all replies to it, also across sources, and data added "
        "later moves no row.",
        shares=_(" ({what})", what=listed(shares)) if shares else "",
    )
    if False in [value for name, value in _flat(settings).items() if name.endswith("leak_free")]:
        return how
    free = _(
        "Where a held-out question, or a near copy of it, is asked on another side too, that pair "
        "is left out there."
    )
    return joined(how, free)


def _split_row(name: str, split: SplitStatistics) -> list[object]:
    return [
        name,
        split.dialogues,
        split.pairs,
        split.distinct_questions,
        split.distinct_replies,
        split.multi_reply_questions,
        split.characters,
        f"{split.question_lengths.mean:.1f}",
        f"{split.reply_lengths.mean:.1f}",
        f"{100 * split.top_reply_share:.2f} %",
    ]


def _drops(report: BuildReport) -> str:
    parts = [
        _first_rows(
            [_(head), *_numbers(_(unit))],
            [
                [said_note(name), count]
                for name, count in sorted(counts.items(), key=itemgetter(1), reverse=True)
            ],
        )
        for head, unit, counts in left_out(report)
        if counts
    ]
    if report.rejected:
        parts.append(_("`{file}` of the build lists the rejected rows.", file=REJECTS_FILE))
    return "\n\n".join(parts) or _("Nothing.")


def coarse_words(statistics: DatasetStatistics) -> str:
    """Say how much abuse and obscenity there is, and what can be done about it."""
    count, total = statistics.coarse, statistics.dialogues
    if not count:
        return _("No dialogue holds a word of the short list of coarse words that is counted.")
    told = counted_text(
        "{number:,} dialogue of {total:,} ({share:.2g} %) hold a word of a short list of coarse "
        "words.",
        "{number:,} dialogues of {total:,} ({share:.2g} %) hold a word of a short list of coarse "
        "words.",
        count,
        total=total,
        share=100 * count / total,
    )
    return joined(told, _(HOW_TO_LEAVE_OUT))


def _copies(report: BuildReport) -> str:
    rows = [
        [
            *(one_line(" / ".join(row[side]), 80) for side in ("dropped", "kept")),
            f"{row['alike']:.2f}",
            _(row["rule"]),
        ]
        for row in report.dropped_samples[:20]
    ]
    if not rows:
        return ""
    told = _(
        "Some of them, each with what stands for it; `{file}` of the build has all.",
        file=DROPPED_FILE,
    )
    head = [_("left out"), _("stays"), *_numbers(_("alike")), _("rule")]
    return f"{told}\n\n{table(head, rows)}"


def left_out(report: BuildReport) -> list[tuple[str, str, dict[str, int]]]:
    """Gather what a build left out, changed and noted: kind, unit, and counts by rule."""
    copies = {
        EXACT_DUPLICATE: report.duplicates,
        marked("not in the languages asked for"): report.filtered,
    }
    more = {marked("rows more than dialogues, by cuts and weights"): report.extra_rows}
    found = [
        (marked("dropped by"), marked("dialogues"), {**copies, **report.dropped}),
        (marked("left out by"), marked("pairs"), report.pairs_dropped),
        (marked("rejected by"), marked("rows"), report.rejected),
        (marked("changed by"), marked("turns"), report.changed),
        (marked("noted"), marked("times"), {**more, **report.notes}),
    ]
    return [(what, unit, {rule: n for rule, n in of.items() if n}) for what, unit, of in found]


def _settings(settings: Mapping[str, Any]) -> str:
    plain = _flat(without_paths(settings))
    shown = {name: value for name, value in plain.items() if name != "name"}
    rows = [[one_line(name, 60), one_line(_value(value), 200)] for name, value in shown.items()]
    return table([_("setting"), _("value")], rows) if rows else _("The defaults.")


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Name the settings of a group `group.setting`."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        value = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        inside = _flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {}
        flat |= inside or {f"{before}{name}": value}
    return flat


def _value(value: Any) -> str:
    return (
        value
        if isinstance(value, str) and value.strip() == value
        else json.dumps(value, ensure_ascii=False)
    )


def _pictures(folder: Path, pictures: Sequence[Path]) -> str:
    lines = []
    for picture in map(Path, pictures):
        inside = picture.absolute().is_relative_to(folder.absolute())
        place = picture.absolute().relative_to(folder.absolute()) if inside else Path(picture.name)
        lines.append(
            f"![{_(CAPTIONS.get(picture.name, escape(picture.stem)))}]({quote(place.as_posix())})"
        )
    return "\n\n".join(lines)


def _replies(statistics: DatasetStatistics) -> str:
    name, split = max(statistics.splits.items(), key=lambda item: item[1].pairs)
    rows = [
        [one_line(reply.text, REPLY_WIDTH), reply.count, f"{100 * reply.share:.2f} %"]
        for reply in split.top_replies
    ]
    if not rows:
        return _("There are none.")
    said = counted_text(
        "Of the {number:,} pair in `{split}`:",
        "Of the {number:,} pairs in `{split}`:",
        split.pairs,
        split=escape(name),
    )
    return f"{said}\n\n{table([_('reply'), *_numbers(_('times'), _('share'))], rows)}"


def _label(name: str) -> str:
    """Keep the place of a file in its archive, but no place on a machine."""
    outside = re.match(r"[/\\~]|[A-Za-z]:|\.\.|file:", name)
    return one_line(without_paths(name) if outside else name, 100)


def _first_rows(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    shown = table(head, rows[:MAX_ROWS])
    if len(rows) <= MAX_ROWS:
        return shown
    return f"{shown}\n\n" + _("… and {number:,} more.", number=len(rows) - MAX_ROWS)
