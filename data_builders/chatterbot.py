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
from typing import Any

import datasets
import yaml

from data_builders.base import (
    Dialogue,
    DialogueBuilder,
    DialogueConfig,
    as_tuple,
    clean_turn,
)
from data_builders.report import BuildReport, DataError, RowError

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
        for language in self.languages:
            if language not in FOLDERS:
                raise DataError(
                    f"`languages` of chatterbot must be of {', '.join(FOLDERS)} (got {language!r})."
                )
        if not self.languages:
            raise DataError("`languages` of chatterbot is empty. Try zh en.")
        known = {path.stem for folder in FOLDERS.values() for path in _category_files(folder)}
        for category in self.exclude_categories:
            if category not in known | set(DEFAULT_EXCLUDED):
                raise DataError(
                    f"`exclude_categories` has no such category (got {category!r}). "
                    f"Choose from {', '.join(sorted(known))}."
                )

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

    VERSION = datasets.Version("1.1.0")
    BUILDER_CONFIG_CLASS = ChatterbotConfig
    config: ChatterbotConfig

    def read(self, report: BuildReport) -> Iterator[Dialogue]:
        """Yield the dialogues of each entry.

        Args:
            report: Takes the rejected entries.

        Yields:
            Dialogues with the source "chatterbot/<folder>/<category>".
        """
        report.sources = [f"chatterbot ({', '.join(self.config.languages)})"]
        for path in self.config.content_files():
            folder = path.parent.name
            source = f"chatterbot/{folder}/{path.stem}"
            lang = "en" if folder == "english" else "zh"
            for number, entry in enumerate(_conversations(path), start=1):
                try:
                    for turns in self._dialogues_of(entry, f"{folder}/{path.stem}"):
                        yield Dialogue(turns, (), lang, source)
                except RowError as error:
                    report.reject(f"{folder}/{path.name}", number, error, self.config.strict)

    @staticmethod
    def _dialogues_of(entry: Any, category: str) -> list[tuple[str, ...]]:
        """Read one entry as one dialogue, or as a question with its possible replies."""
        turns = turns_of(entry)
        if category not in ALTERNATIVES:
            return [turns]
        return [(turns[0], reply) for reply in turns[1:]]

    def _wanted(self, dialogue: Dialogue) -> bool:
        return True  # `languages` has already chosen the folders.


def turns_of(entry: Any) -> tuple[str, ...]:
    """Check one entry of `conversations`.

    Args:
        entry: What YAML made of it; an unquoted year is an integer, and becomes text again.

    Returns:
        At least two turns.

    Raises:
        RowError: If it is no list, is too short, or holds a value whose spelling YAML has lost
            (yes, 1.10, a date).
    """
    if not isinstance(entry, list):
        raise RowError("not a list", entry)
    if len(entry) < 2:
        raise RowError("fewer than two turns", entry)
    # type(), not isinstance(): True is an int, and "yes" cannot be had back from it.
    return tuple(clean_turn(str(item) if type(item) is int else item) for item in entry)


def corpus_folder() -> Path:
    """Find the data of the installed package.

    Returns:
        Its `data` folder.

    Raises:
        DataError: If the package is not installed.
    """
    spec = importlib.util.find_spec("chatterbot_corpus")
    if spec is None or spec.origin is None:
        raise DataError(
            "The package of the ChatterBot corpus is not installed. "
            "Run `pip install chatterbot-corpus`."
        )
    return Path(spec.origin).parent / "data"


def _category_files(folder: str) -> list[Path]:
    return sorted((corpus_folder() / folder).glob("*.yml"))


def _conversations(path: Path) -> list[Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return list(content["conversations"])
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not a file of the ChatterBot corpus: {str(error).splitlines()[0]}. "
            "Run `pip install --force-reinstall chatterbot-corpus`."
        ) from None
