# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Everyday small talk in Chinese and in English, written for this project (CC0).

It lies in the package: `data_builders/corpora/small_talk/<zh|en>/<topic>.jsonl`, with a card that
says how it was written. A row is a question with its reply, or a dialogue that the user begins and
the assistant ends; `intent` names what is asked, so rows that differ only in wording share it:

    {"intent": "have-you-eaten", "question": "...", "reply": "..."}
    {"intent": "my-name", "dialogue": ["...", "...", "...", "..."]}

The corpus has sides of its own: `validation.jsonl` and `test.jsonl` hold new wordings of intents
that are trained (`"known": true`) and intents that are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, ClassVar

from data_builders.building.builder import DialogueBuilder, DialogueConfig
from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.language import check_languages
from data_builders.reading import Progress, json_rows, source_files
from data_builders.report import BuildReport, RowError, SourceCount
from data_builders.rows.description import Description
from data_builders.rows.reader import JsonReaders
from data_builders.selecting.splits import SPLITS
from data_builders.translation import _

FOLDER = Path(__file__).parents[1] / "corpora" / "small_talk"
SMALL_TALK_LANGUAGES = ("zh", "en")


@dataclass
class SmallTalkConfig(DialogueConfig):
    """Settings of the small talk.

    Attributes:
        languages: Of "zh" and "en".
    """

    languages: tuple[str, ...] = SMALL_TALK_LANGUAGES

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        self.languages = self.languages or SMALL_TALK_LANGUAGES
        check_languages(
            self.languages, SMALL_TALK_LANGUAGES, _("`languages` of {format}", format="small_talk")
        )

    def content_files(self) -> list[Path]:
        """List the files to read, in a stable order."""
        found = [path for lang in self.languages for path in sorted(FOLDER.glob(f"{lang}/*.jsonl"))]
        if not found:
            raise UserError(
                "The small talk is not in this installation: data_builders/corpora is missing. "
                "Install the package once more."
            )
        return found


class SmallTalkCorpus(DialogueBuilder):
    """Builder of the corpus that comes with this package.

    Example:
        builder = SmallTalkCorpus(languages=("zh",), test_fraction=0.05)
        builder.download_and_prepare()
        dataset = builder.as_dataset()
    """

    FORMAT: ClassVar[str] = "small_talk"
    TITLE: ClassVar[str] = "everyday small talk, Chinese and English, which comes with this package"
    BUILDER_CONFIG_CLASS = SmallTalkConfig
    config: SmallTalkConfig

    @classmethod
    def origins(cls, config: SmallTalkConfig) -> list[SourceCount]:
        """Name the source and its languages."""
        name = f"{cls.FORMAT} ({', '.join(config.languages)})"
        return [SourceCount(name, cls.FORMAT, config.license or "CC0-1.0")]

    @classmethod
    def read_sources(
        cls, config: SmallTalkConfig, report: BuildReport, progress: Progress | None = None
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of each topic."""
        paths = [str(path) for path in config.content_files()]
        readers = JsonReaders({}, Description())
        for path, file in zip(paths, source_files(paths, progress=progress), strict=True):
            language, name = Path(path).parent.name, Path(path).stem
            split = name if name in SPLITS else "train"
            for row in json_rows(file, report):
                try:
                    ((turns, _, _),) = readers.of(row.value).read(row.value)
                except RowError as error:
                    report.reject(file.name, row.line, error)
                    continue
                source = f"{cls.FORMAT}/{language}/{row.value.get('topic', name)}"
                roles = tuple(islice(cycle(("user", "assistant")), len(turns)))
                yield RawDialogue(turns, roles, file.name, row.line, language, source, split=split)


def small_talk_rows(language: str, split: str) -> Iterator[dict[str, Any]]:
    """Read one side as it stands in the files, with topic and intent."""
    for path in SmallTalkConfig(languages=(language,)).content_files():
        if (path.stem if path.stem in SPLITS else "train") == split:
            for row in json_rows(next(source_files([str(path)])), BuildReport(strict=True)):
                yield {"topic": path.stem, **row.value}
