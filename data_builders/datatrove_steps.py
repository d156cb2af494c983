# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A build as steps of a `datatrove` pipeline, for corpora that one machine should not read alone.

Many tasks read and clean, each its own files, and write shards; one task then decides on all
shards what stays, as an ordinary build does, and writes the same dataset:

    corpus = Corpus("chats/*.jsonl.gz")
    first = LocalPipelineExecutor(
        [ReadDialogues(corpus), CleanDialogues(corpus), WriteShards(corpus, "work/shards")],
        tasks=64,
        workers=8,
        logging_dir="work/logs/read",
    )
    last = SelectDialogues(corpus, "work/shards", "data/large")
    LocalPipelineExecutor([last], depends=first, logging_dir="work/logs/select").run()

`SlurmPipelineExecutor` and `RayPipelineExecutor` take the same steps. A document between the
first steps has the turns as lines of its `text`; those of `datatrove` may stand in between.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from data_builders.building.staging import (
    SHARD_CHARACTERS,
    SHARD_DIALOGUES,
    BatchCounts,
    cleaner_of,
    with_segmentation,
)
from data_builders.dialogue import RawDialogue, as_tuple
from data_builders.errors import UserError
from data_builders.formats.registry import FAMILIES
from data_builders.output.folder import save_result
from data_builders.reading.files import disk_files
from data_builders.report import BuildReport
from data_builders.selecting.shards import Dialogue, write_shard
from data_builders.sources.build import built, is_mixture
from data_builders.sources.mixture import MixtureConfig, MixtureCorpus, read_mixture
from data_builders.sources.sources import find_sources
from data_builders.translation import _
from data_builders.writing import whole_folder

try:
    from datatrove.data import Document
    from datatrove.pipeline.base import PipelineStep
except ImportError:
    raise UserError(
        "Pipelines need datatrove, which is not installed. "
        'Run `pip install "tfchat-hf[datatrove]"`.'
    ) from None

logger = logging.getLogger(__name__)


class Corpus:
    """What the steps of one pipeline share: the sources, guessed once, and the counts of a task."""

    def __init__(
        self,
        source: str | Path | Sequence[str | Path],
        format: str | None = None,
        options: Mapping[str, Any] | None = None,
        say: Callable[[str], None] = logger.info,
        **settings: Any,
    ) -> None:
        """Find the sources as `build_dialogues` does; only the beginning of each file is read.

        `settings` are fields of `MixtureConfig`.
        """
        sources = as_tuple(source)
        if is_mixture(sources):
            settings = {**read_mixture(sources[0], say), **settings}
        else:
            settings["sources"] = tuple(find_sources(sources, format, options, say))
        self.settings = settings
        self.config = MixtureConfig(**settings)
        self.begin()

    def begin(self) -> None:
        """Begin to count: a task has counts of its own."""
        origins = MixtureCorpus.origins(self.config)
        self.report = BuildReport(origins=origins, strict=self.config.strict)
        self.counts = BatchCounts("", {}, {}, [])

    def parts(self, rank: int, world_size: int) -> list[tuple[int, str]]:
        """Give a task its files, as number of the source and path; "" is a source as a whole.

        They stand in the order of the corpus, so that the first of several copies is the first
        here too; each task gets about as many bytes.
        """
        parts, sizes = [], []
        for origin, config in enumerate(self.config.source_configs):
            for file in getattr(config, "files", ()) or ("",):
                paths = disk_files([file]) if file else config.content_files()
                parts.append((origin, file))
                sizes.append(1 + sum(Path(path).stat().st_size for path in paths))
        before = accumulate(sizes, initial=0)
        places = [begin * world_size // sum(sizes) for begin, _ in zip(before, sizes, strict=False)]
        return [part for part, place in zip(parts, places, strict=True) if place == rank]


class _CorpusStep(PipelineStep):
    def __init__(self, corpus: Corpus) -> None:
        """Take the corpus that all steps share."""
        super().__init__()
        self.corpus = corpus


class ReadDialogues(_CorpusStep):
    """Read the dialogues of a task's files, of any format."""

    type = "📖 - READER"
    name = "dialogues of any format"

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield a document for each raw dialogue."""
        yield from data or ()
        self.corpus.begin()
        for raw, segmented in with_segmentation(self._read(rank, world_size)):
            fields = {**raw._asdict(), "turns": list(raw.turns), "roles": list(raw.roles)}
            document = Document(
                text="\n".join(raw.turns),
                id=f"{raw.file}:{raw.line}",
                metadata={**fields, "segmented": segmented},
            )
            self.update_doc_stats(document)
            yield document
        for rule, count in self.corpus.report.rejected.items():
            self.stat_update(f"rejected: {rule}", value=count)

    def _read(self, rank: int, world_size: int) -> Iterator[RawDialogue]:
        config = self.corpus.config
        for origin, file in self.corpus.parts(rank, world_size):
            spec, settings = config.sources[origin], config.source_configs[origin]
            settings = replace(settings, files=(file,)) if file else settings  # type: ignore[call-arg]
            read = FAMILIES[spec.format].read_sources(settings, self.corpus.report, None)
            for raw in read:
                yield raw._replace(origin=origin, source=spec.name or raw.source)


class CleanDialogues(_CorpusStep):
    """Clean each dialogue, and leave out what is none any more."""

    type = "🔻 - FILTER"
    name = "cleaning of dialogues"

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield the documents that are left, with turns and language."""
        cleaner, counts = cleaner_of(self.corpus.config.cleaning), None
        for document in data:
            counts = self.corpus.counts
            fields = dict(document.metadata)
            segmented = fields.pop("segmented")
            with self.track_time():
                raw = RawDialogue(**{k: v for k, v in fields.items() if k in RawDialogue._fields})
                dialogues = counts.clean(raw, segmented, cleaner)
            if not dialogues:
                self.stat_update(f"dropped: {counts.dropped[-1][2]}")
            for piece in dialogues:
                found = {"turns": list(piece.turns), "roles": list(piece.roles), "lang": piece.lang}
                text = "\n".join(piece.turns)
                yield replace(document, text=text, metadata={**document.metadata, **found})
        if counts is not None:
            counts.changed = {step: number for step, number in cleaner.changed.items() if number}


class WriteShards(_CorpusStep):
    """Write the dialogues of a task into shards that can be compared with all others."""

    type = "💽 - WRITER"
    name = "shards of dialogues"

    def __init__(self, corpus: Corpus, folder: str | Path) -> None:
        """Take the corpus that all steps share, and a folder that all tasks see."""
        super().__init__(corpus)
        self.folder = str(folder)

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield the documents again; the shards of the task appear when all are written."""
        name = f"{rank:05d}-of-{world_size:05d}"
        with whole_folder(Path(self.folder, name), shared=True) as fresh:
            waiting: list[Document] = []
            characters = number = 0
            for document in data:
                waiting.append(document)
                characters += len(document.text)
                if characters >= SHARD_CHARACTERS or len(waiting) >= SHARD_DIALOGUES:
                    _write(fresh / f"{number:05d}.arrow", waiting)
                    waiting, characters, number = [], 0, number + 1
                yield document
            if waiting:
                _write(fresh / f"{number:05d}.arrow", waiting)
            self.corpus.counts.add_to(self.corpus.report)
            self.corpus.report.save(fresh)


def _write(path: Path, documents: Iterable[Document]) -> None:
    rows = [document.metadata for document in documents]
    dialogues = [
        Dialogue(tuple(row["turns"]), tuple(row["roles"]), row["lang"], row["source"])
        for row in rows
    ]
    write_shard(path, dialogues, [r["origin"] for r in rows], [r["split"] for r in rows])


class SelectDialogues(_CorpusStep):
    """Decide on all shards what stays and where, and write the dataset with its card.

    With one task that is just what an ordinary build does. Each of several tasks decides on its
    own part of the shards and writes `OUTPUT-00000-of-00004`: copies across parts are not found.
    """

    type = "🫂 - DEDUP"
    name = "selection of dialogues"

    def __init__(
        self,
        corpus: Corpus,
        shards: str | Path,
        output: str | Path,
        overwrite: bool = False,
        cache_dir: str | None = None,
    ) -> None:
        """Take the folder of `WriteShards`, and the one to write, as for `build_dialogues`."""
        super().__init__(corpus)
        self.shards, self.output = str(shards), str(output)
        self.overwrite, self.cache_dir = overwrite, cache_dir

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Write the dataset; no document comes out."""
        yield from data or ()
        folders = _finished(Path(self.shards))
        begin, end = (len(folders) * place // world_size for place in (rank, rank + 1))
        settings = dict(self.corpus.settings)
        if world_size > 1:
            settings["workers"] = 1
        chosen = tuple(str(folder) for folder in folders[begin:end])
        builder = _ShardsCorpus(cache_dir=self.cache_dir, **settings, shards=chosen)
        part = f"-{rank:05d}-of-{world_size:05d}" if world_size > 1 else ""
        result = built(builder)
        save_result(result, f"{self.output}{part}", self.overwrite)
        for split, rows in result.dataset.items():
            self.stat_update(f"rows: {split}", value=len(rows))


def _finished(folder: Path) -> list[Path]:
    """Give the folders of all tasks that wrote shards, of one run and none missing."""
    folders = sorted(folder.glob("[0-9]*-of-[0-9]*"))
    tasks = sorted({int(path.name.rpartition("-")[2]) for path in folders})
    if len(tasks) > 1:
        told = _(" and ").join(map(str, tasks))
        raise UserError(
            "{folder} holds shards of runs of {told} tasks. Delete the older ones.",
            folder=folder,
            told=told,
        )
    if not folders:
        raise UserError(
            "{folder} holds the shards of 0 of no tasks. Run the pipeline that writes them to its "
            "end.",
            folder=folder,
        )
    if len(folders) < tasks[0]:
        raise UserError(
            "{folder} holds the shards of {number} of {tasks} tasks. Run the pipeline that writes "
            "them to its end.",
            folder=folder,
            number=len(folders),
            tasks=tasks[0],
        )
    return folders


@dataclass
class _ShardsConfig(MixtureConfig):
    """Settings of a build whose first half is done: it is named after its shards."""

    shards: tuple[str, ...] = ()

    def content_files(self) -> list[Path]:
        """List the shards."""
        return [path for folder in self.shards for path in sorted(Path(folder).glob("*.arrow"))]

    def content_marks(self) -> list[str]:
        """Nothing else decides the content: what the sources are was decided in the first half."""
        return []


class _ShardsCorpus(MixtureCorpus):
    """The second half of a build."""

    BUILDER_CONFIG_CLASS = _ShardsConfig
    config: _ShardsConfig

    def _stage(self, folder: Path) -> list[Path]:
        for part in self.config.shards:
            self.report.add(BuildReport.load(part))
        return _linked(self.config.content_files(), folder)


def _linked(shards: Sequence[Path], folder: Path) -> list[Path]:
    """Give the shards names in the folder of the build, which writes beside them."""
    links = []
    for number, shard in enumerate(shards):
        links.append(folder / f"{number:05d}.arrow")
        links[-1].unlink(missing_ok=True)
        links[-1].symlink_to(shard.absolute())
    return links
