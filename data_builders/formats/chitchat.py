# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The Chit-Chat Challenge of Brigham Young University, from the installed package.

Real chat between students, in the layout of the format `chitchat` (a turn is a list of short
messages). Conversations that nobody answered are rejected: they are 3,151 of 7,168.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import Guess
from data_builders.formats.rows import RowsConfig, RowsCorpus
from data_builders.reading import Reading, Sample
from data_builders.rows.description import known_descriptions

PACKAGE = "chitchat-dataset"


@dataclass
class ChitchatPackageConfig(RowsConfig):
    """Settings of the installed package; its file is found, so `files` stays empty."""

    def __post_init__(self) -> None:
        """Find the file, or say what is missing, before anything is read."""
        super().__post_init__()
        path = str(package_file())
        # Equal when a copy of these settings is made.
        if self.files not in ((), (path,)):
            raise UserError(
                "`files` of {package} must be empty (got {file!r}): the installed package is "
                "read. For a file of your own choose the format `chitchat`.",
                package=PACKAGE,
                file=self.files[0],
            )
        self.files = (path,)


class ChitchatPackageCorpus(RowsCorpus):
    """Reads the same conversations from the installed package `chitchat-dataset`.

    Nothing of the package is run: only its data file is opened.
    """

    FORMAT: ClassVar[str] = "chitchat-dataset"
    TITLE: ClassVar[str] = "the installed package chitchat-dataset: 7,168 English conversations"
    BUILDER_CONFIG_CLASS = ChitchatPackageConfig
    NAMED = known_descriptions()["chitchat"]

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Never guess a package from a file."""
        return None

    @classmethod
    def read_file(cls, file: Reading, config: Any) -> Iterator[RawDialogue]:
        """Yield the conversations of the package."""
        for raw in super().read_file(file, config):
            yield raw._replace(source=PACKAGE)


def package_file() -> Path:
    """Find the data file of the installed package without importing it."""
    spec = importlib.util.find_spec("chitchat_dataset")
    path = Path(spec.origin).parent / "dataset.json" if spec and spec.origin else None
    if path is None or not path.is_file():
        if path is None:
            raise UserError(
                "The package {package} is not installed. Run `pip install {package}`.",
                package=PACKAGE,
            )
        raise UserError(
            "The package {package} has no file {file}. Run `pip install {package}`.",
            package=PACKAGE,
            file=path.name,
        )
    return path
