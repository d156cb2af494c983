# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The ChatterBot corpus: small talk and trivia, read from the installed package.

The package holds one YAML file per category. A list under `conversations` is one dialogue: its
entries are taken as alternating turns; in the files of `ALTERNATIVES` it is one question with
several possible replies, and becomes one dialogue for each of them.
Of the 1,050 entries of `english/tech_support` 10 differ: exact duplicates are dropped.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from data_builders.building.builder import DialogueBuilder, DialogueConfig
from data_builders.dialogue import RawDialogue, as_tuple
from data_builders.errors import UserError
from data_builders.formats.yaml_corpus import conversations_of, parsed_yaml, turns_of
from data_builders.language import check_languages
from data_builders.reading import Progress
from data_builders.report import BuildReport, RowError, SourceCount
from data_builders.translation import _, listed

FOLDERS = {"zh": "chinese", "en": "english", "zh-Hant": "traditionalchinese"}
# Replies in `coding` are whole program listings of up to 1,088 characters.
DEFAULT_EXCLUDED = ("coding",)
# Read as turns, their lists would teach to answer one reply with another.
ALTERNATIVES = ("english/emotion", "english/computers")


@dataclass
class ChatterbotConfig(DialogueConfig):
    """Settings of the ChatterBot corpus.

    Attributes:
        languages: Of "zh", "en" and "zh-Hant" (traditional characters; its dialogues get the
            language "zh"). Off by default: it is the simplified text converted.
        exclude_categories: File names to leave out, without `.yml`.
    """

    languages: tuple[str, ...] = ("zh", "en")
    exclude_categories: tuple[str, ...] = DEFAULT_EXCLUDED

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        self.exclude_categories = as_tuple(self.exclude_categories)
        check_languages(self.languages, FOLDERS, _("`languages` of {format}", format="chatterbot"))
        if not self.languages:
            raise UserError("`languages` of chatterbot is empty. Try zh en.")
        known = {path.stem for folder in FOLDERS.values() for path in _category_files(folder)}
        for category in self.exclude_categories:
            if category not in known | set(DEFAULT_EXCLUDED):
                raise UserError(
                    "`exclude_categories` has no such category (got {category!r}). Choose from "
                    "{known}.",
                    category=category,
                    known=listed(sorted(known)),
                )

    def languages_to_keep(self) -> tuple[str, ...]:
        """Keep all: `languages` has already chosen the folders."""
        return ()

    def content_files(self) -> list[Path]:
        """List the YAML files to read, in a stable order."""
        folders = [FOLDERS[language] for language in self.languages]
        found = [path for folder in folders for path in _category_files(folder)]
        return [path for path in found if path.stem not in self.exclude_categories]


class ChatterbotCorpus(DialogueBuilder):
    """Builder of the ChatterBot corpus; needs the package `chatterbot-corpus`.

    Example:
        builder = ChatterbotCorpus(languages=("zh",))
        builder.download_and_prepare()
        dataset = builder.as_dataset()
    """

    FORMAT: ClassVar[str] = "chatterbot"
    TITLE: ClassVar[str] = "the corpus of the installed package chatterbot-corpus"
    BUILDER_CONFIG_CLASS = ChatterbotConfig
    config: ChatterbotConfig

    @classmethod
    def origins(cls, config: ChatterbotConfig) -> list[SourceCount]:
        """Name the source and its languages."""
        name = f"chatterbot ({', '.join(config.languages)})"
        return [SourceCount(name, cls.FORMAT, config.license or "BSD-3-Clause")]

    @classmethod
    def read_sources(
        cls, config: ChatterbotConfig, report: BuildReport, progress: Progress | None = None
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of each entry."""
        for path in config.content_files():
            folder = path.parent.name
            file, source = f"{folder}/{path.name}", f"chatterbot/{folder}/{path.stem}"
            lang = "en" if folder == "english" else "zh"
            alternatives = f"{folder}/{path.stem}" in ALTERNATIVES
            content = parsed_yaml(path.read_bytes(), str(path))
            for number, entry in conversations_of(content, str(path)):
                try:
                    turns = turns_of(entry)
                    both = [(turns[0], reply) for reply in turns[1:]] if alternatives else [turns]
                    for one in both:
                        yield RawDialogue(one, (), file, number, lang, source)
                except RowError as error:
                    report.reject(file, number, error)
            if progress is not None:
                progress(path.stat().st_size)


def corpus_folder() -> Path:
    """Find the data of the installed package."""
    spec = importlib.util.find_spec("chatterbot_corpus")
    if spec is None or spec.origin is None:
        raise UserError(
            "The package of the ChatterBot corpus is not installed. "
            "Run `pip install chatterbot-corpus`, or take `small_talk`, which needs nothing."
        )
    return Path(spec.origin).parent / "data"


def _category_files(folder: str) -> list[Path]:
    return sorted((corpus_folder() / folder).glob("*.yml"))
