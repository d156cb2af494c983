# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What all builders share: the schema, the settings, deduplication and the report in the cache."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import datasets
from datasets.exceptions import DatasetGenerationError

from data_builders.report import REPORT_FILE, BuildReport, DataError, RowError
from data_builders.splits import check_fractions, first_question, split_of

DIALOGUE_FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "turns": datasets.List(datasets.Value("string")),
        "roles": datasets.List(datasets.Value("string")),
        "lang": datasets.Value("string"),
        "source": datasets.Value("string"),
    }
)


class Dialogue(NamedTuple):
    """One dialogue as a builder reads it.

    Attributes:
        turns: What was said, in order; at least two, none empty.
        roles: One of system, user, assistant per turn; empty when the source does not tell.
        lang: "zh", "en", "mixed" or "other".
        source: Where it is from, such as "chatterbot/english/ai".
    """

    turns: tuple[str, ...]
    roles: tuple[str, ...]
    lang: str
    source: str

    @property
    def id(self) -> str:
        """A stable name: 16 hex digits of source and content, independent of the order."""
        return _digest([self.source, self.turns, self.roles])[:16]

    @property
    def content_key(self) -> str:
        """Equal for equal dialogues, wherever they are from."""
        return _digest([self.turns, self.roles])


@dataclass
class DialogueConfig(datasets.BuilderConfig):
    """Settings of every builder.

    Attributes:
        languages: Which languages to keep; what is allowed is up to the builder.
        strict: Stop at the first broken row instead of leaving it out.
        validation_fraction: Share of distinct first turns kept for validation.
        test_fraction: Share of distinct first turns kept for a test split.
    """

    languages: tuple[str, ...] = ()
    strict: bool = False
    validation_fraction: float = 0.05
    test_fraction: float = 0.0

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        self.languages = as_tuple(self.languages)
        check_fractions(self.validation_fraction, self.test_fraction)

    def content_files(self) -> list[Path]:
        """List the files whose content decides whether the cache is still good."""
        raise NotImplementedError

    def create_config_id(
        self, config_kwargs: dict[str, Any], custom_features: datasets.Features | None = None
    ) -> str:
        """Name the cache folder after the settings and the content of the files read.

        Args:
            config_kwargs: Unused: defaults count too, so the settings are read from `self`.
            custom_features: Not supported.

        Returns:
            The name and a hash; a changed byte in a file gives another one.
        """
        if custom_features is not None:
            raise DataError(
                "`features` cannot be set: all builders share one schema. Leave it out."
            )
        shared = {field.name for field in fields(datasets.BuilderConfig)}
        settings = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in shared}
        contents = [_file_digest(path) for path in self.content_files()]
        return f"{self.name}-{_digest([settings, contents])[:16]}"


class DialogueBuilder(datasets.GeneratorBasedBuilder):
    """Base of the builders: a subclass only says how its rows are read.

    After `download_and_prepare()` the report is in `self.report`, also when the dataset came
    from the cache of `datasets`: it is written beside the Arrow files.
    """

    # Raise this when the same file would give other dialogues: it renews the caches.
    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = DialogueConfig
    report: BuildReport | None = None

    def read(self, report: BuildReport) -> Iterator[Dialogue]:
        """Yield the usable dialogues and tell `report` of the rest.

        Args:
            report: Takes the rejected rows.

        Yields:
            Dialogues; duplicates may be among them.
        """
        raise NotImplementedError

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Build into the cache of `datasets`, or find it there.

        Args:
            *args: As for `datasets.DatasetBuilder`.
            **kwargs: As for `datasets.DatasetBuilder`.

        Raises:
            DataError: If nothing usable was read, or at the first broken row if `strict`.
        """
        try:
            super().download_and_prepare(*args, **kwargs)
        except DatasetGenerationError as error:
            # datasets wraps what a reader raises; our own sentence is the one to show.
            if isinstance(error.__cause__, (DataError, OSError)):
                raise error.__cause__ from None
            raise
        if not Path(self._output_dir, REPORT_FILE).exists():
            raise DataError(
                f"{self._output_dir} has no {REPORT_FILE}: the cache is damaged. "
                "Delete that folder and build again."
            )
        self.report = BuildReport.load(self._output_dir)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=DIALOGUE_FEATURES)

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        names = ["train", "validation"] + ["test"] * (self.config.test_fraction > 0)
        return [datasets.SplitGenerator(name, {"split": name}) for name in names]

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        # Each split reads the source again: twice the parsing, but never the corpus in memory.
        config, report, seen = self.config, BuildReport(), set()
        for dialogue in self.read(report):
            if dialogue.content_key in seen:
                report.duplicates += 1
                continue
            seen.add(dialogue.content_key)
            if not self._wanted(dialogue):
                report.filtered += 1
                continue
            target = split_of(
                first_question(dialogue.turns, dialogue.roles),
                config.validation_fraction,
                config.test_fraction,
            )
            report.keep(target, dialogue.lang)
            if target == split:
                yield dialogue.id, {"id": dialogue.id, **dialogue._asdict()}
        self.report = report

    def _as_dataset(self, split: Any, in_memory: bool = False) -> datasets.Dataset:
        # datasets 5.2 refuses to read a split without rows, which few rows or a
        # validation_fraction of 0 give.
        known = self.info.splits.get(str(split))
        if known is None or known.num_examples:
            return super()._as_dataset(split, in_memory)
        columns = {name: [] for name in DIALOGUE_FEATURES}
        return datasets.Dataset.from_dict(columns, features=DIALOGUE_FEATURES, split=str(split))

    def _wanted(self, dialogue: Dialogue) -> bool:
        return not self.config.languages or dialogue.lang in self.config.languages

    def _download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        super()._download_and_prepare(*args, **kwargs)
        check_not_empty(self.report, self.config.validation_fraction)
        # Here the output folder is still the temporary one: report and data appear together.
        self.report.save(self._output_dir)


def check_not_empty(report: BuildReport, validation_fraction: float) -> None:
    """Refuse a dataset nothing can be trained on.

    Args:
        report: The finished report.
        validation_fraction: The setting, for the message.

    Raises:
        DataError: If no dialogue was kept, or none of them is in the train split.
    """
    if not report.kept:
        found = "; ".join(list(report.lines())[2:-1]) or "no rows in it"
        raise DataError(
            f"No usable dialogue in {', '.join(report.sources)}: {found}. "
            "Look at the format: one question and one reply a row, UTF-8."
        )
    if not report.splits.get("train"):
        raise DataError(
            f"All {report.kept} dialogues fell outside the train split "
            f"(`validation_fraction` is {validation_fraction}). Add data or lower it."
        )


def as_tuple(value: Any) -> tuple[str, ...]:
    """Make a tuple of one name or of many.

    Args:
        value: A string, a path, or a sequence of these.

    Returns:
        The same as a tuple of strings.
    """
    return (str(value),) if isinstance(value, (str, Path)) else tuple(str(v) for v in value or ())


def clean_turn(value: Any) -> str:
    """Check one turn and strip the blanks around it.

    Args:
        value: What stands in the row.

    Returns:
        The text.

    Raises:
        RowError: If it is no string, is empty, or cannot be written as UTF-8.
    """
    if not isinstance(value, str):
        raise RowError("not a string", repr(value))
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise RowError("not valid Unicode", value) from None
    text = value.strip()
    if not text:
        raise RowError("empty text", value)
    return text


def _digest(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return blake2b(text.encode("utf-8"), digest_size=16).hexdigest()


def _file_digest(path: Path) -> str:
    digest = blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
