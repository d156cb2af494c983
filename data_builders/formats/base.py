# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the families of file formats share: one file in, raw dialogues out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from data_builders.building.builder import DialogueBuilder, DialogueConfig
from data_builders.dialogue import RawDialogue, as_tuple
from data_builders.errors import UserError, shown
from data_builders.language import check_languages
from data_builders.reading import Progress, Reading, Sample, source_files
from data_builders.reading.files import disk_files
from data_builders.report import BuildReport, FileReport, RowError, SourceCount

# The name of a file that is shown or played there; no HTML has it between such marks.
_SHOWN = re.compile(r"<(img|image|audio|video)>[^<>\s]{1,300}</\1>")


class Guess(NamedTuple):
    r"""How well a family fits a sample.

    Attributes:
        score: From 0 to 1; 0.9 and above for a mark that no other family has (`+++$+++`,
            `__eou__`), about 0.5 for "could well be", nothing below 0.2.
        options: Settings found on the way, such as {"separator": "\t"}.
        why: What was seen, to be shown to the user: "lines begin with E and M".
        alone: Whether the file only might be one: it is taken when it is named by itself, and
            passed over in a folder or an archive.
    """

    score: float
    options: Mapping[str, Any] = {}
    why: str = ""
    alone: bool = False


@dataclass
class FilesConfig(DialogueConfig):
    """Settings of every family that reads files.

    Attributes:
        files: Files, folders, glob patterns or archives, read as one dataset.
        encoding: Encoding of the text; None finds it out for each file.
        language: Tag every dialogue with this language instead of looking at its text.
        questions_only: Keep only pairs that look like a question and its answer, as for subtitles.
    """

    files: tuple[str, ...] = ()
    encoding: str | None = None
    language: str | None = None
    questions_only: bool = False
    # No setting: set for files that were found in a folder, where one must not stop the others.
    lenient = False

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        self.files = as_tuple(self.files)
        check_languages(() if self.language is None else (self.language,), setting="`language`")
        check_languages(self.languages)

    def only_questions(self) -> tuple[bool, ...]:
        """Say whether only questions with their answers are wanted."""
        return (self.questions_only,)

    def paths(self) -> tuple[str, ...]:
        """Give what was named: files, folders, patterns or archives."""
        if not self.files:
            raise UserError("`files` is empty. Name at least one file, folder or pattern.")
        return self.files

    def content_files(self) -> list[Path]:
        """List the files on disk, those of folders and patterns one by one."""
        return [Path(file) for file in disk_files(self.paths())]


class FileCorpus(DialogueBuilder):
    """Base of the families that read files: a subclass says how one file is read.

    Attributes:
        FORMAT: The name of the family on the command line.
        TITLE: One line that says what such a file looks like.
        TOGETHER: Whether the files of one folder are one source: an answer stands in another one.
    """

    FORMAT: ClassVar[str]
    TITLE: ClassVar[str]
    TOGETHER: ClassVar[bool] = False
    BUILDER_CONFIG_CLASS = FilesConfig

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family; None if it cannot."""
        raise NotImplementedError

    @classmethod
    def read_file(cls, file: Reading, config: Any) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file, and reject rows that break a rule.

        Dialogues have `turns`, `roles`, `line` and perhaps `lang`; the rest is filled in.
        """
        raise NotImplementedError

    @classmethod
    def origins(cls, config: Any) -> list[SourceCount]:
        """Name the source: the only one, however many files it has."""
        names = [shown(Path(file).name) for file in config.paths()]
        last = names[1:2] if len(names) < 3 else [f"{len(names) - 1} more"]
        return [SourceCount(" and ".join([names[0], *last]), cls.FORMAT, config.license)]

    @classmethod
    def read_sources(
        cls, config: Any, report: BuildReport, progress: Progress | None = None
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of all files named by the settings, in order."""
        read, errors = 0, []

        def failed(name: str, error: UserError) -> None:
            if report.strict or not config.lenient and name in map(shown, config.files):
                raise error
            report.reject(name, 1, RowError("unreadable file", error))
            errors.append(error)

        for file in source_files(config.files, progress, failed):
            try:
                one = Reading(file, report, config.encoding)
                for raw in without_images(cls.read_file(one, config), one):
                    read += 1
                    yield raw._replace(
                        file=file.name,
                        lang=raw.lang or config.language,
                        source=raw.source or file.source,
                    )
            except UserError as error:
                failed(file.name, error)
        if errors and not read and not config.lenient:
            raise errors[0]


def without_images(dialogues: Iterable[RawDialogue], report: FileReport) -> Iterator[RawDialogue]:
    """Reject the dialogues in which an image, a sound or a film is shown or played."""
    for raw in dialogues:
        if any("</" in turn and _SHOWN.search(turn) for turn in raw.turns):
            report.reject(raw.line, "image", raw.turns[0])
        else:
            yield raw
