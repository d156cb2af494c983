# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The folder of a finished dataset: Arrow files, report, card and pictures, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import datasets

from data_builders.errors import UserError
from data_builders.output.card import coarse_words, write_card
from data_builders.output.counting import is_whole
from data_builders.output.pictures import draw_pictures
from data_builders.output.statistics import describe
from data_builders.report import REPORT_FILE
from data_builders.sources.build import BuildResult
from data_builders.translation import _
from data_builders.writing import only_writer, sweep, whole_folder

BUILD_FILE = "build.json"
STATISTICS_FILE = "statistics.json"


def save_result(result: BuildResult, output: str | Path, overwrite: bool = False) -> list[str]:
    """Write dataset, report, card and pictures to a folder that appears whole or not at all.

    What else there is to say is given back, a line each: pictures that could not be drawn.
    """
    output = Path(output).absolute()
    with only_writer(output):
        check_output(output, overwrite)
        with whole_folder(output) as fresh:
            return _write(result, fresh, output.name)


def _write(result: BuildResult, folder: Path, name: str) -> list[str]:
    for split, rows in result.dataset.items():
        save_split(rows, folder / split)
    splits = {"splits": [str(split) for split in result.dataset]}
    (folder / "dataset_dict.json").write_text(json.dumps(splits), encoding="utf-8")
    result.report.save(folder)
    statistics = describe(result.dataset)
    counted = json.dumps(statistics.to_dict(), ensure_ascii=False)
    (folder / STATISTICS_FILE).write_text(counted, encoding="utf-8")
    pictures, notes = [], []
    try:
        pictures = draw_pictures(statistics, folder)
    except UserError as error:
        notes.append(_("the card has no pictures: {error}", error=error))
    if statistics.coarse:
        notes.append(coarse_words(statistics))
    write_card(folder, result.report, statistics, {"name": name, **result.settings}, pictures)
    (folder / BUILD_FILE).write_text(json.dumps({"build_id": result.build_id}), encoding="utf-8")
    return notes


def save_split(split: datasets.Dataset, folder: Path) -> None:
    """Do what `Dataset.save_to_disk` does; files that hold just this split are copied."""
    if not is_whole(split):
        # One shard for an empty split too: datasets 5.2 writes none and then cannot load it.
        split.save_to_disk(folder, num_shards=None if len(split) else 1)
        return
    split.select([]).save_to_disk(folder, num_shards=1)
    state_file = folder / "state.json"
    state = json.loads(state_file.read_text(encoding="utf-8"))
    for data_file in state["_data_files"]:
        (folder / data_file["filename"]).unlink()
    count = len(split.cache_files)
    names = [f"data-{number:05d}-of-{count:05d}.arrow" for number in range(count)]
    for name, file in zip(names, split.cache_files, strict=True):
        shutil.copyfile(file["filename"], folder / name)
    state["_data_files"] = [{"filename": name} for name in names]
    state_file.write_text(json.dumps(state, indent=2, sort_keys=True), encoding="utf-8")


def is_up_to_date(output: str | Path, build_id: str) -> bool:
    """Say whether a folder holds, whole, the result of the build of this name."""
    try:
        known = json.loads(Path(output, BUILD_FILE).read_text(encoding="utf-8"))
        same = bool(build_id) and known.get("build_id") == build_id
        return same and all(path.is_file() for path in _data_files(Path(output)))
    except (OSError, ValueError, KeyError):
        return False


def _data_files(folder: Path) -> Iterator[Path]:
    splits = json.loads((folder / "dataset_dict.json").read_text(encoding="utf-8"))["splits"]
    for split in splits:
        state = json.loads((folder / split / "state.json").read_text(encoding="utf-8"))
        yield from (folder / split / file["filename"] for file in state["_data_files"])


def check_output(output: str | Path, overwrite: bool = False) -> None:
    """Refuse to write over what must not be lost; to be called before the work.

    What is there may be replaced with `overwrite`, if this package made it.
    """
    output = Path(output)
    sweep(output)
    if not output.exists() and not output.is_symlink():
        _check_place(output.absolute())
        return
    if not overwrite:
        raise UserError(
            "{output} already exists. Choose another --output, or add --overwrite.", output=output
        )
    if not output.is_dir() or (any(output.iterdir()) and not (output / REPORT_FILE).is_file()):
        raise UserError(
            "{output} was not made by this command (no {file} in it), so --overwrite leaves it "
            "alone. Choose another --output.",
            output=output,
            file=REPORT_FILE,
        )


def _check_place(output: Path) -> None:
    """Refuse a place where nothing can be written, before the work instead of after it."""
    place = next(parent for parent in output.parents if parent.exists())
    if not place.is_dir():
        raise UserError(
            "{place} is a file, so {output} cannot be made. Choose another --output.",
            place=place,
            output=output,
        )
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError("{place} may not be written to. Choose another --output.", place=place)
