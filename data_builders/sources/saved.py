# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Datasets of dialogues that are saved already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import datasets

from data_builders.building.builder import DIALOGUE_FEATURES, check_not_empty
from data_builders.dialogue import as_tuple
from data_builders.errors import UserError
from data_builders.language import check_languages
from data_builders.report import BuildReport, SourceCount, shorten
from data_builders.selecting.splits import check_fractions, first_question, split_of
from data_builders.translation import listed


def read_saved(
    folder: Path,
    languages: Sequence[str] = (),
    validation_fraction: float = 0.05,
    test_fraction: float = 0.05,
) -> tuple[datasets.DatasetDict, BuildReport]:
    """Open a folder written by `save_to_disk`, and split it if it has no validation split."""
    check_fractions(validation_fraction, test_fraction)
    check_languages(as_tuple(languages))
    loaded = open_saved(folder)
    if "train" not in loaded:
        raise UserError(
            "{folder} has no split `train` (it has {splits}). Rename one.",
            folder=folder,
            splits=listed(loaded),
        )
    splits = {name: _checked(split, folder) for name, split in loaded.items()}
    if "validation" not in splits:
        train = splits.pop("train")
        fresh = _split(train, validation_fraction, 0.0 if "test" in splits else test_fraction)
        splits = {**fresh, **splits}
    report = BuildReport(origins=[SourceCount(folder.name, "saved dataset")])
    for name, split in splits.items():
        langs = split["lang"][:]
        rows = [i for i, lang in enumerate(langs) if not languages or lang in as_tuple(languages)]
        report.filtered += len(langs) - len(rows)
        for row in rows:
            report.keep(name, langs[row])
        # `select` hashes its list: a second at a million rows, for nothing where all stay.
        splits[name] = split if len(rows) == len(split) else split.select(rows)
    check_not_empty(report, validation_fraction)
    report.origins[0].read, report.origins[0].kept = report.rows_read, report.kept
    return datasets.DatasetDict(splits), report


def is_saved(path: Path) -> bool:
    """Say whether a path is a folder written by `save_to_disk`: one of its marks is in it."""
    return any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))


def open_saved(folder: Path) -> dict[str, datasets.Dataset]:
    """Open what `save_to_disk` has written; what has no splits is all "train"."""
    if not folder.is_dir():
        if folder.exists():
            raise UserError(
                "{path} is a file. Name a dataset folder that `data_builders` wrote.", path=folder
            )
        raise UserError(
            "{path} does not exist. Name a dataset folder that `data_builders` wrote.", path=folder
        )
    if not is_saved(folder):
        raise UserError(
            "{folder} is not a dataset saved by `save_to_disk`. Build one with `python -m "
            "data_builders`, or name a file instead.",
            folder=folder,
        )
    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:  # pyarrow and datasets have no common error for a broken file
        raise UserError(
            "{folder} cannot be read ({reason}). Build it again.",
            folder=folder,
            reason=shorten(error),
        ) from error
    return {"train": loaded} if isinstance(loaded, datasets.Dataset) else dict(loaded)


def check_columns(split: datasets.Dataset, folder: Path) -> None:
    """Refuse what holds no dialogues of this package."""
    missing = [name for name in DIALOGUE_FEATURES if name not in split.features]
    if missing:
        raise UserError(
            "{folder} has no column {names} (it has {columns}). Add it, or rename the column that "
            "holds it.",
            folder=folder,
            names=listed(f"`{name}`" for name in missing),
            columns=listed(split.column_names),
        )


def _checked(split: datasets.Dataset, folder: Path) -> datasets.Dataset:
    check_columns(split, folder)
    split = split.select_columns(list(DIALOGUE_FEATURES))
    if split.features == DIALOGUE_FEATURES:
        return split
    for name, feature in DIALOGUE_FEATURES.items():
        if not _same_kind(split.features[name], feature):
            raise UserError(
                "{folder}: the column `{name}` must be {feature} (got {found}). Convert it and "
                "save the dataset again.",
                folder=folder,
                name=name,
                feature=feature,
                found=split.features[name],
            )
    # In memory: `datasets` would otherwise write its copy into the user's folder.
    return split.cast(DIALOGUE_FEATURES, keep_in_memory=True)


def _same_kind(found: object, feature: object) -> bool:
    lists = (datasets.List, datasets.LargeList)
    if isinstance(found, lists) and isinstance(feature, lists):
        return _same_kind(found.feature, feature.feature)
    strings = ("string", "large_string", "string_view")
    if isinstance(found, datasets.Value) and isinstance(feature, datasets.Value):
        return found.dtype in strings
    return False


def _split(
    dataset: datasets.Dataset, validation_fraction: float, test_fraction: float
) -> dict[str, datasets.Dataset]:
    rows: dict[str, list[int]] = {"train": [], "validation": []}
    # By columns, a thousand rows at a time: a row at a time is several times slower.
    batches = dataset.select_columns(["turns", "roles"]).iter(1000)
    pairs = (pair for batch in batches for pair in zip(batch["turns"], batch["roles"], strict=True))
    for row, (turns, roles) in enumerate(pairs):
        question = first_question(turns, roles)
        rows.setdefault(split_of(question, validation_fraction, test_fraction), []).append(row)
    return {name: dataset.select(numbers) for name, numbers in rows.items()}
