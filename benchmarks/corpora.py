# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What becomes of each file of a folder of corpora: dialogues, pairs, drops, time, memory.

    python benchmarks/corpora.py                       # ../shared/data beside the checkout
    python benchmarks/corpora.py my/corpora --only files

Three tables in Markdown: each file in a process of its own with the format that is guessed (files
that belong together in one command), then all files of one format in one command, then whole
folders. No text of the corpora is shown, only counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measured import Measured, measure

from data_builders.errors import UserError
from data_builders.formats.registry import FAMILIES, guess_format
from data_builders.reading import sample_of, source_files
from data_builders.sources.sources import SourceSpec, find_sources

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"
TABLES = ("files", "families", "folders")
# Settings that name files, and the options of the command line that set them.
_PATH_KEYS = ("files", "questions", "replies", "lines", "conversations")
_HEADER = (
    "| {} | format | read | dialogues | pairs | dropped by rule | s | peak MB |\n"
    "| --- | --- | ---: | ---: | ---: | --- | ---: | ---: |"
)


@dataclass
class Row:
    """One command and what it gave.

    Attributes:
        title: What is built, without any path.
        arguments: The command line after `python -m data_builders`.
        format: What is to be shown as the format.
    """

    title: str
    arguments: list[str]
    format: str


@dataclass
class Outcome:
    """What a command cost and made.

    Attributes:
        cost: Time and memory.
        report: The report of the dataset; empty after an error.
        pairs: Pairs in all splits.
    """

    cost: Measured
    report: dict[str, Any]
    pairs: int = 0


def paths_of(spec: SourceSpec) -> list[str]:
    """List the files of a source.

    Args:
        spec: The source.

    Returns:
        Their paths; those of a pair in the order of the pair.
    """
    found: list[str] = []
    for key in _PATH_KEYS:
        value = spec.options.get(key, ())
        found += [value] if isinstance(value, str) else list(value)
    return found


def file_rows(specs: Sequence[SourceSpec], folder: Path) -> Iterator[Row]:
    """Make a command for each source that was found, and for each file that is in none.

    Args:
        specs: The sources.
        folder: The folder of the corpora.

    Yields:
        The commands in the order of the files.
    """
    first = {paths_of(spec)[0]: spec for spec in specs}
    used = {path for spec in specs for path in paths_of(spec)}
    for path in all_files(folder):
        if path in first:
            paths = paths_of(first[path])
            yield Row(_names(paths, folder), ["build", *paths], first[path].format)
        elif path not in used:
            lines = other_half(path, specs)
            yield lines or Row(_names([path], folder), ["build", path], "-")


def all_files(folder: Path) -> list[str]:
    """List the files of a folder, those too that a build of the folder leaves out.

    Args:
        folder: The folder of the corpora.

    Returns:
        Their paths, hidden ones not among them.
    """
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [
        str(path)
        for path in paths
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def other_half(path: str, specs: Sequence[SourceSpec]) -> Row | None:
    """Join a second file of Cornell lines with the conversations of its folder.

    Args:
        path: A file that no source has.
        specs: The sources.

    Returns:
        The command, or None if it is no such file.
    """
    guess = guess_format(sample_of(next(source_files([path]))))
    if guess is None or guess.format != "cornell" or "lines" not in guess.guess.options:
        return None
    for spec in specs:
        other = spec.options.get("conversations")
        if other and Path(other).parent == Path(path).parent:
            title = f"`{Path(path).name}` + `{Path(other).name}`"
            return Row(title, ["cornell", "--lines", path, "--conversations", other], "cornell")
    return None


def family_rows(specs: Sequence[SourceSpec]) -> Iterator[Row]:
    """Make one command for all files of each format.

    Args:
        specs: The sources.

    Yields:
        The commands; formats of two files go through `build`, which joins them.
    """
    kinds: dict[str, list[str]] = {}
    for spec in specs:
        kinds.setdefault(spec.format, []).extend(paths_of(spec))
    for name in [known for known in FAMILIES if known in kinds]:
        paired = any("files" not in spec.options for spec in specs if spec.format == name)
        command = "build" if paired else name
        count = len(kinds[name])
        title = f"`{command}` with {count} file{'s' if count > 1 else ''}"
        yield Row(title, [command, *kinds[name]], name)


def folder_rows(folder: Path) -> Iterator[Row]:
    """Make one command for each folder in the folder of corpora, and one for all of it.

    Args:
        folder: The folder of the corpora.

    Yields:
        The commands.
    """
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield Row(f"`{inner.name}/`", ["build", str(inner)], "guessed")
    yield Row("all of it", ["build", str(folder)], "guessed")


def run(row: Row) -> Outcome:
    """Build in a process of its own, into a folder that is deleted at once.

    Args:
        row: The command.

    Returns:
        What it gave.
    """
    with tempfile.TemporaryDirectory() as work:
        output = Path(work, "output")
        shared = ["--output", str(output), "--cache-dir", str(Path(work, "cache"))]
        command = [sys.executable, "-m", "data_builders", *row.arguments, *shared]
        cost = measure(command, {"HF_HUB_OFFLINE": "1"})
        if cost.code:
            return Outcome(cost, {})
        report = json.loads((output / "report.json").read_text(encoding="utf-8"))
        statistics = json.loads((output / "statistics.json").read_text(encoding="utf-8"))
        pairs = sum(split["pairs"] for split in statistics["splits"].values())
        return Outcome(cost, report, pairs)


def drops(report: dict[str, Any]) -> str:
    """Say in a few words what was left out.

    Args:
        report: The counts of a build.

    Returns:
        Rules with the dialogues or rows they took, most first; where a rule also cut pairs out of
        dialogues that stay, all its pairs behind that.
    """
    rows = Counter({"exact duplicate": report["duplicates"]})
    rows.update(report["dropped"])
    rows.update(report["rejected"])
    pairs = {rule: n for rule, n in report["pairs_dropped"].items() if n > rows[rule]}
    rows.update(dict.fromkeys(pairs, 0))
    shown = [
        f"{rule} {count:,}" + (f" ({pairs[rule]:,} pairs)" if rule in pairs else "")
        for rule, count in rows.most_common()
        if count or rule in pairs
    ]
    shown += [f"_{note} {count:,}_" for note, count in Counter(report["notes"]).most_common()]
    return ", ".join(shown) or "-"


def line(row: Row, outcome: Outcome, folder: Path) -> str:
    """Write one line of a table.

    Args:
        row: The command.
        outcome: What it gave.
        folder: The folder of the corpora; does not appear in the line.

    Returns:
        The line in Markdown.
    """
    if not outcome.report:
        said = outcome.cost.output.strip().splitlines()[-1].replace(f"{folder}/", "")
        return f"| {row.title} | - | | | | {said.replace('|', chr(92) + '|')} | | |"
    report, cost = outcome.report, outcome.cost
    formats = sorted({origin["format"] for origin in report["origins"]})
    name = row.format if row.format != "guessed" else f"{len(formats)} formats"
    return (
        f"| {row.title} | {name} | {report['rows_read']:,} | {report['kept']:,} "
        f"| {outcome.pairs:,} | {drops(report)} | {cost.seconds:.1f} | {cost.peak_megabytes:,.0f} |"
    )


def main() -> None:
    """Read the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--only", default=",".join(TABLES), help=f"of {', '.join(TABLES)}")
    arguments = parser.parse_args()
    folder, tables = arguments.folder, arguments.only.split(",")
    if not set(tables) <= set(TABLES):
        parser.error(f"--only takes {', '.join(TABLES)} (got {arguments.only})")
    if not folder.is_dir():
        print(f"no folder of corpora in {folder}: nothing to measure")
        return
    try:
        specs = find_sources([str(folder)])
    except UserError as error:
        sys.exit(f"error: {error}")
    rows = {
        "files": file_rows(specs, folder),
        "families": family_rows(specs),
        "folders": folder_rows(folder),
    }
    for table in tables:
        print(_HEADER.format({"files": "file", "families": "command", "folders": "folder"}[table]))
        for row in rows[table]:
            print(line(row, run(row), folder), flush=True)
        print()


def _names(paths: Sequence[str], folder: Path) -> str:
    return " + ".join(f"`{Path(path).relative_to(folder).as_posix()}`" for path in paths)


if __name__ == "__main__":
    main()
