# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What all builders share: the schema, the settings, and the way from raw dialogues to Arrow.

A build reads the corpus once (`raw_dialogues`), cleans it in worker processes into shards
(`staging`), decides on the keys of all of them what stays and where (`selection`), and then
writes the splits. Nothing in it grows with the corpus but eight bytes or so a dialogue and pair.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from hashlib import blake2b
from os import PathLike
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import xxhash
from datasets.exceptions import DatasetGenerationError
from filelock import FileLock, Timeout

from data_builders.building.staging import stage
from data_builders.cleaning.pipeline import CleaningSettings
from data_builders.dialogue import RawDialogue, as_tuple
from data_builders.errors import UserError
from data_builders.reading import Progress
from data_builders.report import REPORT_FILE, RULES, BuildReport, SourceCount
from data_builders.selecting.selection import SelectedShard, select, selected_table
from data_builders.selecting.settings import SelectionSettings, as_plain, check_type, settings_of
from data_builders.selecting.shards import Shards, open_shard
from data_builders.selecting.shuffling import shuffled
from data_builders.selecting.splits import check_fractions
from data_builders.selecting.workers import default_workers
from data_builders.translation import _, listed

logger = logging.getLogger(__name__)

DIALOGUE_FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "turns": datasets.List(datasets.Value("string")),
        "roles": datasets.List(datasets.Value("string")),
        "lang": datasets.Value("string"),
        "source": datasets.Value("string"),
    }
)
STAGING_FOLDER = "tfchat-unfinished"
# What a build that was cut off has left behind is of use to nobody after this time.
_STAGING_DAYS = 7
# Raise this when the same file would give other dialogues: it renews the caches.
RESULT_VERSION = "3.0.0"
Stamps = dict[str, tuple[int, int]]

# Of each type that a setting may have, a value for the message about another one.
_EXAMPLES = {"bool": True, "int": 2, "float": 0.05, "str": "text"}


@dataclass
class DialogueConfig(datasets.BuilderConfig):
    """Settings of every builder.

    Attributes:
        languages: Which languages to keep; what is allowed is up to the builder.
        strict: Stop at the first broken row instead of leaving it out.
        validation_fraction: Share of distinct first questions kept for validation.
        test_fraction: Share of distinct first questions kept for the test split; 0 makes none.
        cleaning: What is done to the text; a `CleaningSettings` or a dict of its fields.
        selection: What is left out; a `SelectionSettings` or a dict of its fields.
        workers: Processes to use; None takes one per core. Does not change the result.
        license: Licence of the data, for the card.
    """

    languages: tuple[str, ...] = ()
    strict: bool = False
    validation_fraction: float = 0.05
    test_fraction: float = 0.05
    cleaning: CleaningSettings = field(default_factory=CleaningSettings)
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    workers: int | None = None
    license: str | None = None

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        for known in fields(self):
            kind, _, optional = str(known.type).partition(" | ")
            value = getattr(self, known.name)
            is_there = value is not None or not optional
            if is_there and kind in _EXAMPLES and not isinstance(value, PathLike):
                check_type(known.name, value, known.default or _EXAMPLES[kind])
        self.languages = as_tuple(self.languages)
        self.cleaning = settings_of(CleaningSettings, self.cleaning)
        self.selection = settings_of(SelectionSettings, self.selection)
        check_fractions(self.validation_fraction, self.test_fraction)
        block_list = self.cleaning.block_list
        if block_list is not None and not Path(str(block_list)).is_file():
            raise UserError(
                "`block_list`: {block_list} is no file. Give one with a term a line.",
                block_list=block_list,
            )
        if self.workers is not None and self.workers < 1:
            raise UserError(
                "`{option}` must be at least {least} (got {value}).",
                option="workers",
                least=1,
                value=self.workers,
            )

    def languages_to_keep(self) -> tuple[str, ...]:
        """Say which languages dialogues must have; empty keeps all."""
        return self.languages

    def only_questions(self) -> tuple[bool, ...]:
        """Say for each source whether only its questions with their answers are wanted."""
        return (False,)

    def shown(self) -> dict[str, Any]:
        """Give the settings a reader of the card should know, without any path."""
        names = ["validation_fraction", "test_fraction", "languages", "seed"]
        names += ["license"] if self.license else []
        known = {name: as_plain(getattr(self, name)) for name in names if hasattr(self, name)}
        cleaning = as_plain(self.cleaning)
        if cleaning.get("block_list"):
            cleaning["block_list"] = Path(cleaning["block_list"]).name
        return {**known, "cleaning": cleaning, "selection": as_plain(self.selection)}

    def stamps(self) -> Stamps:
        """Note size and time of the files whose content names the build."""
        block_list = [Path(self.cleaning.block_list)] if self.cleaning.block_list else []
        return file_stamps([*self.content_files(), *block_list])

    def content_files(self) -> list[Path]:
        """List the files whose content decides whether the cache is still good."""
        raise NotImplementedError

    def content_marks(self) -> list[str]:
        """List what else decides that, such as the commit of a dataset of the Hub."""
        return []

    def create_config_id(
        self, config_kwargs: dict[str, Any], custom_features: datasets.Features | None = None
    ) -> str:
        """Name the cache folder after the settings and the content of the files read.

        `config_kwargs` is not used: defaults count too, so the settings are read from `self`.
        """
        if custom_features is not None:
            raise UserError(
                "`features` cannot be set: all builders share one schema. Leave it out."
            )
        shared = {f.name for f in fields(datasets.BuilderConfig)} | {"workers"}
        settings = {
            f.name: as_plain(getattr(self, f.name)) for f in fields(self) if f.name not in shared
        }
        # Before the digests: what changes from here on is noticed after the reading.
        self.stamps_before = self.stamps()
        contents = [file_digest(Path(path)) for path in self.stamps_before]
        marks = self.content_marks()
        named_by = [RESULT_VERSION, settings, contents, marks]
        text = json.dumps(named_by, ensure_ascii=False, sort_keys=True)
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8)
        return f"{self.name}-{digest.hexdigest()}"


class DialogueBuilder(datasets.GeneratorBasedBuilder):
    """Base of the builders: a subclass only says how its rows are read.

    After `download_and_prepare()` the report is in `self.report`, also when the dataset came
    from the cache of `datasets`: it is written beside the Arrow files.
    """

    VERSION = datasets.Version(RESULT_VERSION)
    BUILDER_CONFIG_CLASS = DialogueConfig
    report: BuildReport

    @classmethod
    def read_sources(
        cls, config: Any, report: BuildReport, progress: Progress | None = None
    ) -> Iterator[RawDialogue]:
        """Yield the usable dialogues, duplicates too, and tell `report` of the rest.

        `progress` is called with the number of bytes of the files on disk that were read.
        """
        raise NotImplementedError

    @classmethod
    def origins(cls, config: Any) -> list[SourceCount]:
        """List the sources that `RawDialogue.origin` counts; nothing is counted yet."""
        raise NotImplementedError

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Build into the cache of `datasets`, or find it there."""
        self._say_if_waiting()
        try:
            super().download_and_prepare(*args, **kwargs)
        except DatasetGenerationError as error:
            # datasets wraps what a reader raises; our own sentence is the one to show.
            if isinstance(error.__cause__, (UserError, OSError)):
                raise error.__cause__ from None
            raise
        if not Path(self._output_dir, REPORT_FILE).exists():
            raise UserError(
                "{folder} has no {file}: the cache is damaged. Delete that folder and build again.",
                folder=self._output_dir,
                file=REPORT_FILE,
            )
        self.report = BuildReport.load(self._output_dir)

    def _say_if_waiting(self) -> None:
        """Say it where another process builds the same: `datasets` waits for that in silence."""
        lock = FileLock(f"{self._cache_dir}_builder.lock", timeout=0)
        try:
            with lock:
                return
        except Timeout:
            logger.warning(_("Another process is building the same dataset: waiting for it."))
        except OSError:  # the build itself will say what is wrong there
            return

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=DIALOGUE_FEATURES)

    @property
    def build_id(self) -> str:
        """Name format, settings and content: equal for builds with equal results."""
        return f"{self.dataset_name}-{self.config_id}"

    @property
    def _staging(self) -> Path:
        return Path(self._cache_dir_root, STAGING_FOLDER, self.build_id)

    @property
    def _workers(self) -> int:
        return self.config.workers or default_workers()

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        config = self.config
        self.report = BuildReport(origins=self.origins(config), strict=config.strict)
        folder = self._staging
        folder.mkdir(parents=True, exist_ok=True)
        _sweep_staging(folder)
        self.report.keep_rejects_in(folder)
        paths = self._stage(folder)
        check_unchanged(config.stamps_before, config.stamps())
        selected = select(Shards(paths), config, self.report, folder, self._workers)
        check_not_empty(self.report, config.validation_fraction)
        # A corpus with sides of its own has a test side, whatever is asked for.
        tested = config.test_fraction > 0 or "test" in self.report.splits
        names = ["train", "validation"] + ["test"] * tested
        return [
            datasets.SplitGenerator(name, {"split": name, "shards": list(selected)})
            for name in names
        ]

    def _stage(self, folder: Path) -> list[Path]:
        """Read and clean the corpus; give its shards in order."""
        config, report = self.config, self.report
        return stage(
            lambda progress: self.read_sources(config, report, progress),
            folder,
            config,
            report,
            self._workers,
        )

    def _generate_examples(
        self, split: str, shards: list[SelectedShard]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, table in self._generate_tables(split, shards):
            for number, row in enumerate(table.to_pylist()):
                yield f"{name}-{number}", row

    # The rows lie in Arrow already: written as tables they cost a tenth of what it takes to make
    # Python objects of them and to encode these again (2 against 20 microseconds a row).
    _prepare_split = datasets.ArrowBasedBuilder._prepare_split
    _prepare_split_single = datasets.ArrowBasedBuilder._prepare_split_single

    def _generate_tables(
        self, split: str, shards: list[SelectedShard]
    ) -> Iterator[tuple[int, pa.Table]]:
        tables: Iterator[pa.Table] = (selected_table(shard, split) for shard in shards)
        seed = getattr(self.config, "seed", None)
        if split == "train" and seed is not None:
            size = sum(Path(shard.path).stat().st_size for shard in shards)
            tables = shuffled(tables, size, seed, self._staging / "shuffled")
        yield from enumerate(table for table in tables if table.num_rows)

    def _as_dataset(self, split: Any, in_memory: bool = False) -> datasets.Dataset:
        # datasets 5.2 refuses to read a split without rows, which few rows or a
        # validation_fraction of 0 give.
        known = self.info.splits.get(str(split))
        if known is None or known.num_examples:
            return super()._as_dataset(split, in_memory)
        columns: dict[str, list[Any]] = {name: [] for name in DIALOGUE_FEATURES}
        return datasets.Dataset.from_dict(columns, features=DIALOGUE_FEATURES, split=str(split))

    def _download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        # Here the output folder is still the temporary one: report and data appear together.
        # What a killed build left in it does not belong to this one.
        for left in Path(self._output_dir).iterdir():
            left.unlink()
        super()._download_and_prepare(*args, **kwargs)
        self.report.save(self._output_dir)
        # Another build of the same name would find the old files still mapped.
        open_shard.cache_clear()
        shutil.rmtree(self._staging, ignore_errors=True)


def _sweep_staging(folder: Path) -> None:
    """Remove what builds that nobody has taken up again have left beside this one."""
    for other in folder.parent.iterdir():
        # Another build may end, and take its folder away, in this very moment.
        with suppress(FileNotFoundError):
            if other != folder and other.stat().st_mtime < time.time() - _STAGING_DAYS * 86_400:
                shutil.rmtree(other, ignore_errors=True)


def check_not_empty(report: BuildReport, validation_fraction: float) -> None:
    """Refuse a dataset without rows to train on."""
    if not report.kept:
        found = listed(list(report.lines())[2:-1], are_long=True) or _("no rows in it")
        raise UserError(
            "No usable dialogue in {sources}: {found}. {advice}",
            sources=listed(report.sources),
            found=found,
            advice=_next_step(report),
        )
    if not report.splits.get("train"):
        raise UserError(
            "All {number} dialogues fell outside the train split (`validation_fraction` is "
            "{validation_fraction}). Add data or lower it.",
            number=report.kept,
            validation_fraction=validation_fraction,
        )


def _next_step(report: BuildReport) -> str:
    """Say what to do about a dataset without rows, by what took most of them."""
    taken = {**report.rejected, **report.dropped, "": report.filtered}
    worst = max(taken, key=lambda rule: taken[rule])
    if not taken[worst]:
        return _("Check that it is the right file.")
    if not worst:
        return _("Leave `languages` out, or name the languages that are in it.")
    if worst in RULES:
        return _(RULES[worst])
    return _("Change the setting of cleaning or selection that does this: {rule}.", rule=_(worst))


def file_digest(path: Path) -> str:
    """Give a fingerprint of a file's content, 32 hex digits."""
    # Not a cryptographic hash: it tells changes, at 10 GB/s where blake2b reads 1 GB/s.
    digest = xxhash.xxh3_128()
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def file_stamps(paths: Iterable[Path]) -> Stamps:
    """Note size and time of the last change (ns) of files, by path."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def check_unchanged(before: Mapping[str, tuple[int, int]], after: Stamps) -> None:
    """Refuse what was read if a file was changed, added or taken away since `file_stamps`."""
    for path in {**before, **after}:
        if path in before and path not in after:
            raise UserError(
                "{file} is not there any more. Put it back and run the same command again.",
                file=path,
            )
        if before.get(path) != after[path]:
            raise UserError(
                "{path} was changed while it was being read, so nothing is kept of it. Run the "
                "same command again when it is complete.",
                path=path,
            )
