# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From the name of a source to a checked DatasetDict, and from there to a folder."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import datasets

from data_builders.base import DIALOGUE_FEATURES, DialogueBuilder, as_tuple, check_not_empty
from data_builders.chatterbot import DEFAULT_EXCLUDED, ChatterbotCorpus
from data_builders.language import LANGUAGES
from data_builders.pairs import PairsCorpus
from data_builders.report import REPORT_FILE, BuildReport, DataError
from data_builders.splits import check_fractions, first_question, split_of

logger = logging.getLogger(__name__)


class BuildResult(NamedTuple):
    """A dataset and what became of every row.

    Attributes:
        dataset: Always "train" and "validation" (may be empty), "test" if asked for.
        report: The counts and the rejected rows.
    """

    dataset: datasets.DatasetDict
    report: BuildReport


def build_dialogues(
    source: str | Path | Sequence[str | Path],
    languages: Sequence[str] = (),
    strict: bool = False,
    cache_dir: str | None = None,
    validation_fraction: float = 0.05,
    test_fraction: float = 0.0,
    exclude_categories: Sequence[str] = DEFAULT_EXCLUDED,
) -> BuildResult:
    """Make a dataset of dialogues from any source this package can read.

    Args:
        source: "chatterbot"; a .jsonl, .json, .tsv or .txt file, or several; or a folder saved
            by `save_to_disk` in the same schema.
        languages: Languages to keep; empty means zh and en of chatterbot, all of a file.
        strict: Stop at the first broken row.
        cache_dir: Where `datasets` keeps what it builds; its own default if None.
        validation_fraction: Share of distinct first turns for validation. A saved folder that
            has a validation split keeps it.
        test_fraction: The same for a test split.
        exclude_categories: Categories of chatterbot to leave out.

    Returns:
        The dataset and the report.

    Raises:
        DataError: If the source is not there, is broken, or has nothing usable.
    """
    shared = {
        "strict": strict,
        "cache_dir": cache_dir,
        "validation_fraction": validation_fraction,
        "test_fraction": test_fraction,
    }
    if source == "chatterbot":
        chosen = {"languages": as_tuple(languages)} if languages else {}
        excluded = as_tuple(exclude_categories)
        return _built(ChatterbotCorpus(**chosen, exclude_categories=excluded, **shared))
    sources = as_tuple(source)
    if len(sources) == 1 and Path(sources[0]).is_dir():
        check_fractions(validation_fraction, test_fraction)
        return _from_folder(Path(sources[0]), languages, validation_fraction, test_fraction)
    return _built(PairsCorpus(files=sources, languages=as_tuple(languages), **shared))


def save_result(result: BuildResult, output: str | Path, overwrite: bool = False) -> None:
    """Write dataset and report to a folder that appears whole or not at all.

    Args:
        result: What `build_dialogues` gave.
        output: The folder to write.
        overwrite: Replace a dataset that is already there.

    Raises:
        DataError: If `check_output` refuses the folder.
    """
    output = Path(output).absolute()
    check_output(output, overwrite)
    output.parent.mkdir(parents=True, exist_ok=True)
    fresh = output.with_name(f".{output.name}.new-{os.getpid()}")
    stale = output.with_name(f".{output.name}.old-{os.getpid()}")
    try:
        # One shard for an empty split too: datasets 5.2 writes none and then cannot load it.
        shards = {name: 1 for name, split in result.dataset.items() if not len(split)}
        all_shards = {name: shards.get(name) for name in result.dataset}
        result.dataset.save_to_disk(fresh, num_shards=all_shards)
        result.report.save(fresh)
        if output.exists():
            output.rename(stale)
        fresh.rename(output)
    finally:
        if stale.exists() and not output.exists():
            stale.rename(output)
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(stale, ignore_errors=True)


def check_output(output: str | Path, overwrite: bool = False) -> None:
    """Refuse to write over what must not be lost; to be called before the work.

    Args:
        output: The folder to write.
        overwrite: Allow it to hold a dataset.

    Raises:
        DataError: If it is there, unless `overwrite` and made by this package.
    """
    output = Path(output)
    if not output.exists() and not output.is_symlink():
        return
    if not overwrite:
        raise DataError(f"{output} already exists. Choose another --output, or add --overwrite.")
    if not output.is_dir() or (any(output.iterdir()) and not (output / REPORT_FILE).is_file()):
        raise DataError(
            f"{output} was not made by this command (no {REPORT_FILE} in it), so --overwrite "
            "leaves it alone. Choose another --output."
        )


def _built(builder: DialogueBuilder) -> BuildResult:
    builder.download_and_prepare()
    report = builder.report
    if report.rejected:
        logger.info("%s", next(line for line in report.lines() if "rejected" in line))
    return BuildResult(builder.as_dataset(), report)


def _from_folder(
    folder: Path, languages: Sequence[str], validation_fraction: float, test_fraction: float
) -> BuildResult:
    for language in as_tuple(languages):
        if language not in LANGUAGES:
            raise DataError(f"`languages` must be of {', '.join(LANGUAGES)} (got {language!r}).")
    splits = {name: _checked(split, folder) for name, split in _loaded(folder).items()}
    if "validation" not in splits:
        train = splits.pop("train")
        splits = {**_split(train, validation_fraction, test_fraction), **splits}
    report = BuildReport(sources=[str(folder)])
    for name, split in splits.items():
        langs = split["lang"][:]
        rows = [i for i, lang in enumerate(langs) if not languages or lang in as_tuple(languages)]
        report.filtered += len(langs) - len(rows)
        for row in rows:
            report.keep(name, langs[row])
        splits[name] = split.select(rows)
    check_not_empty(report, validation_fraction)
    return BuildResult(datasets.DatasetDict(splits), report)


def _loaded(folder: Path) -> dict[str, datasets.Dataset]:
    try:
        loaded = datasets.load_from_disk(str(folder))
    except FileNotFoundError:
        raise DataError(
            f"{folder} is not a dataset saved by `save_to_disk`. Make one with "
            "`python -m data_builders`, or name a file instead."
        ) from None
    if isinstance(loaded, datasets.Dataset):
        return {"train": loaded}
    if "train" not in loaded:
        raise DataError(f"{folder} has no split `train` (it has {', '.join(loaded)}). Rename one.")
    return dict(loaded)


def _checked(split: datasets.Dataset, folder: Path) -> datasets.Dataset:
    missing = [name for name in DIALOGUE_FEATURES if name not in split.features]
    if missing:
        raise DataError(
            f"{folder} has no column {', '.join(f'`{name}`' for name in missing)} "
            f"(it has {', '.join(split.column_names)}). Add it, or rename the column that holds it."
        )
    split = split.select_columns(list(DIALOGUE_FEATURES))
    if split.features == DIALOGUE_FEATURES:
        return split
    for name, wanted in DIALOGUE_FEATURES.items():
        if not _same_kind(split.features[name], wanted):
            raise DataError(
                f"{folder}: the column `{name}` must be {wanted} (got {split.features[name]}). "
                "Convert it and save the dataset again."
            )
    # In memory: `datasets` would otherwise write its copy into the user's folder.
    return split.cast(DIALOGUE_FEATURES, keep_in_memory=True)


def _same_kind(found: object, wanted: object) -> bool:
    lists = (datasets.List, datasets.LargeList)
    if isinstance(found, lists) and isinstance(wanted, lists):
        return _same_kind(found.feature, wanted.feature)
    strings = ("string", "large_string", "string_view")
    both_flat = isinstance(found, datasets.Value) and isinstance(wanted, datasets.Value)
    return both_flat and found.dtype in strings


def _split(
    dataset: datasets.Dataset, validation_fraction: float, test_fraction: float
) -> dict[str, datasets.Dataset]:
    rows: dict[str, list[int]] = {"train": [], "validation": []}
    for row, example in enumerate(dataset):
        question = first_question(example["turns"], example["roles"])
        rows.setdefault(split_of(question, validation_fraction, test_fraction), []).append(row)
    return {name: dataset.select(numbers) for name, numbers in rows.items()}
