# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Any dataset of the Hugging Face Hub, by its id.

    HubCorpus(dataset_id="someone/chats", columns={"messages": "conversations"})
    HubCorpus(dataset_id="someone/chats", subset="zh", hub_split="train", revision="main")

Rows are streamed: nothing is kept but what is built of them. The columns are found by their
names (`data_builders/rows`). A folder of files that `datasets.load_dataset`
understands does as well.
Code that comes with a dataset is never run.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import datasets
import pyarrow as pa
from datasets.exceptions import DatasetsError
from datasets.packaged_modules.parquet.parquet import ParquetConfig
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from pyarrow.dataset import ParquetFragmentScanOptions

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, Guess
from data_builders.formats.rows import Line, RowsConfig, read_rows, table_reader
from data_builders.reading import Progress, Sample
from data_builders.report import BuildReport, FileReport, SourceCount
from data_builders.rows.arrow_rows import BATCH, kind_of, rows_of
from data_builders.rows.reader import RowReader
from data_builders.translation import _

logger = logging.getLogger(__name__)

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB = "https://huggingface.co"
# Of a column at a time: as small as flat memory wants, as large as one request should be.
_BUFFER = 8 << 20


@dataclass
class HubConfig(RowsConfig):
    """Settings of a dataset of the Hub.

    Attributes:
        dataset_id: Its id, "owner/name"; or a local folder that `datasets` can load.
        subset: Which of its configurations; None takes the default one.
        hub_split: Which of its splits; None takes all of them, to be split anew.
        revision: Branch, tag or commit; None takes what is newest.
    """

    dataset_id: str = ""
    subset: str | None = None
    hub_split: str | None = None
    revision: str | None = None

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        if not self.dataset_id:
            raise UserError('`dataset_id` is empty. Give the id of a dataset: "owner/name".')
        if self.files or self.encoding:
            raise UserError("`files` and `encoding` are for files. Leave them out with a Hub id.")

    @property
    def is_folder(self) -> bool:
        """Whether the id is a folder of this machine."""
        return Path(self.dataset_id).is_dir()

    @property
    def label(self) -> str:
        """The dataset as the report and the dataset name it, never a path."""
        name = Path(self.dataset_id).resolve().name if self.is_folder else self.dataset_id
        return f"{name}/{self.subset}" if self.subset else name

    def content_files(self) -> list[Path]:
        """List the files of a local folder; of the Hub the commit stands for them."""
        if not self.is_folder:
            return []
        return sorted(path for path in Path(self.dataset_id).rglob("*") if path.is_file())

    def content_marks(self) -> list[str]:
        """Give the commit that the rows are read from."""
        return [] if self.is_folder else [self.commit()]

    def commit(self) -> str:
        """Find the commit that the revision stands for, and stay with it."""
        # A commit needs no asking: a build that is in the cache is found without a network.
        if self.revision and _COMMIT.fullmatch(self.revision):
            return self.revision
        with hub_errors(self.dataset_id, self.revision):
            found = HfApi().dataset_info(self.dataset_id, revision=self.revision).sha
        if found is None:
            raise UserError(
                "The Hub names no commit of {dataset_id}. Set `revision` to one.",
                dataset_id=self.dataset_id,
            )
        self.revision = found
        return found


class HubCorpus(FileCorpus):
    """Builder of datasets of the Hub.

    Example:
        builder = HubCorpus(dataset_id="someone/chats", columns={"messages": "conversations"})
    """

    FORMAT = "hub"
    TITLE = "a dataset of the Hugging Face Hub, by its id"
    BUILDER_CONFIG_CLASS = HubConfig

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say that no file is of this family."""
        return None

    @classmethod
    def origins(cls, config: HubConfig) -> list[SourceCount]:
        """Name the dataset."""
        hub_id = None if config.is_folder else config.dataset_id
        return [SourceCount(config.label, cls.FORMAT, config.license, hub_id=hub_id)]

    @classmethod
    def read_sources(
        cls, config: HubConfig, report: BuildReport, progress: Progress | None = None
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of the splits asked for, in order."""
        source = config.label
        commit = None if config.is_folder else config.commit()
        with hub_errors(config.dataset_id, config.revision):
            splits = _splits(config, commit, report)
        for split, rows in splits.items():
            where = FileReport(f"{source}/{split}", report)
            for raw in read_rows(_lines(rows, config, where), where):
                yield raw._replace(file=where.name, lang=config.language, source=source)


@contextmanager
def hub_errors(dataset_id: str, revision: str | None = None) -> Iterator[None]:
    """Put what goes wrong on the way to the Hub into one sentence with the next step."""
    try:
        yield
    except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise UserError(_not_found(dataset_id, revision, error)) from None
    except HFValidationError:
        raise UserError(
            '{dataset_id!r} is neither a folder nor the id of a dataset. An id is "owner/name"; '
            "check `dataset_id`.",
            dataset_id=dataset_id,
        ) from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else _("an error")
        raise UserError(
            "The Hub answers {status} when asked for {dataset_id}. Try again later; for a private "
            "dataset run `hf auth login` first.",
            status=status,
            dataset_id=dataset_id,
        ) from None
    except (OfflineModeIsEnabled, HTTPError, ConnectionError, TimeoutError):
        raise UserError(
            "The Hub cannot be reached for {dataset_id}. Check the network and that "
            "HF_HUB_OFFLINE is not set, or give a local folder of its files as `dataset_id`.",
            dataset_id=dataset_id,
        ) from None
    except (DatasetsError, ValueError, RuntimeError, OSError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(_not_loaded(dataset_id, str(error))) from None


def _not_found(dataset_id: str, revision: str | None, error: Exception) -> str:
    if isinstance(error, GatedRepoError):
        return _(
            "{dataset_id} is gated: its owners let in whom they know. Ask on "
            "{hub}/datasets/{dataset_id}, run `hf auth login`, and build again.",
            dataset_id=dataset_id,
            hub=_HUB,
        )
    if isinstance(error, RevisionNotFoundError):
        return _(
            "{dataset_id} has no revision {revision!r}. Check `revision`, or leave it out.",
            dataset_id=dataset_id,
            revision=revision,
        )
    return _(
        "There is no dataset {dataset_id} on the Hub, or it is private. Check `dataset_id`; "
        "for a private one run `hf auth login` first.",
        dataset_id=dataset_id,
    )


def _not_loaded(dataset_id: str, said: str) -> str:
    if "gated" in said:
        return _not_found(dataset_id, None, GatedRepoError.__new__(GatedRepoError))
    if "scripts are no longer" in said:
        return _(
            "{dataset_id} comes as a program, which is never run. Try `revision` "
            '"refs/convert/parquet", or another copy of it.',
            dataset_id=dataset_id,
        )
    step = _("Check `dataset_id`.")
    if "onfig" in said:
        step = _("Set `subset` to one of its configurations.")
    elif "split" in said:
        step = _("Set `hub_split` to one of its splits, or leave it out.")
    first = " ".join(said.split())
    return _(
        "{dataset_id} cannot be read: {reason}. {step}",
        dataset_id=dataset_id,
        reason=first[:300].rstrip(". "),
        step=step,
    )


def _splits(
    config: HubConfig, commit: str | None, report: BuildReport
) -> dict[str, datasets.IterableDataset]:
    builder = datasets.load_dataset_builder(
        str(Path(config.dataset_id).resolve()) if config.is_folder else config.dataset_id,
        config.subset,
        revision=commit,
    )
    if isinstance(builder.config, ParquetConfig):
        # By default a whole row group stands in memory, which can be the whole file.
        builder.config.batch_size = BATCH
        builder.config.fragment_scan_options = ParquetFragmentScanOptions(
            use_buffered_stream=True, buffer_size=_BUFFER, pre_buffer=False
        )
    streams = _streams(builder, config)
    features = next(iter(streams.values())).features if streams else None
    if isinstance(builder.config, ParquetConfig) and features:
        # Only the columns that are used are fetched.
        reader = _reader(features.arrow_schema, config, FileReport(config.label, report))
        builder.config.columns = list(reader.names)
        streams = _streams(builder, config)
    return streams


def _streams(
    builder: datasets.DatasetBuilder, config: HubConfig
) -> dict[str, datasets.IterableDataset]:
    loaded = builder.as_streaming_dataset(split=config.hub_split)
    if isinstance(loaded, datasets.IterableDataset):
        return {str(config.hub_split): loaded}
    return dict(loaded)


def _lines(rows: datasets.IterableDataset, config: HubConfig, report: FileReport) -> Iterator[Line]:
    reader, line = None, 0
    tables = rows.with_format("arrow").iter(BATCH)
    while True:
        with hub_errors(config.dataset_id, config.revision):
            table = next(tables, None)
        if table is None:
            return
        reader = reader or _reader(table.schema, config, report)
        for values in rows_of(table, reader.names):
            line += 1
            yield line, reader, dict(zip(reader.names, values, strict=True))


def _reader(schema: pa.Schema, config: HubConfig, report: FileReport) -> RowReader:
    kinds = {column.name: kind_of(column.type) for column in schema}
    return table_reader(schema.names, kinds, config, report)
