# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From paths to sources: which files are of which format, and which belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from data_builders.building.builder import DialogueConfig
from data_builders.errors import UserError
from data_builders.formats.base import FilesConfig
from data_builders.formats.cornell_parts import find_companion
from data_builders.formats.partners import find_pairs
from data_builders.formats.registry import FAMILIES, GuessedFormat, guess_format
from data_builders.formats.rows import JSON_SUFFIXES, row_names
from data_builders.reading import sample_of, source_files, text_lines
from data_builders.reading.files import disk_files
from data_builders.report import BuildReport
from data_builders.rows.columns import unknown_sentence
from data_builders.selecting.settings import check_type
from data_builders.sources.saved import is_saved

# So many files of one kind in a folder are one corpus (SmileChat: 55,165 of one dialogue each).
MANY_FILES = 50
# What a single file of two parallel ones is taken for when it is looked at alone.
_PLAIN = ("parallel", "alternating", "blocks")
# Formats of two files, and the settings that name them.
_PAIRED = {"parallel": ("questions", "replies"), "cornell": ("lines", "conversations")}
_MEMBERS_TO_SEE = 5


@dataclass(frozen=True)
class SourceSpec:
    """One source of a mixture.

    Attributes:
        format: Name of the family.
        options: Settings of the family: `files`, `encoding`, `language` and its own.
        name: Short name for the report; the name of the file if None.
        license: Its licence, for the card.
        weight: How often its training dialogues are written; 0.5 takes half of them.
    """

    format: str
    options: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    license: str | None = None
    weight: float = 1.0

    def config(self, strict: bool = False) -> DialogueConfig:
        """Make the settings of the family.

        Args:
            strict: Stop at the first broken row.

        Returns:
            The checked settings.

        Raises:
            UserError: If the family, or one of its settings, is not known.
        """
        if str(self.format) not in FAMILIES:
            known = ", ".join(FAMILIES)
            raise UserError(f"There is no format {self.format!r}. Choose from {known}.")
        check_type("name", self.name or "", "my chat")
        check_options(self.format, self.options)
        kind = FAMILIES[self.format].BUILDER_CONFIG_CLASS
        for key in self.options:
            # Of one source they would be taken and do nothing; `languages` of chatterbot does.
            own = key == "languages" and not issubclass(kind, FilesConfig)
            if key in DialogueConfig.__dataclass_fields__ and not own:
                raise UserError(
                    f"`{key}` is a setting of the whole build and not of one source. "
                    "Put it beside `sources`."
                )
        return kind(strict=strict, license=self.license, **self.options)

    def shown_name(self) -> str:
        """Give the name, never with a folder of this machine."""
        if self.name:
            return self.name
        return FAMILIES[self.format].origins(self.config())[0].name


def check_options(format: str, options: Iterable[str]) -> None:
    """Refuse settings that a family does not have.

    Args:
        format: The name of the family.
        options: The names of the settings.

    Raises:
        UserError: If one is not known.
    """
    for key in options:
        if key not in FAMILIES[format].BUILDER_CONFIG_CLASS.__dataclass_fields__:
            raise UserError(f"The format {format} has no setting `{key}`.")


def find_sources(
    paths: Sequence[str],
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[SourceSpec]:
    """Say of which format each file is, guessing where nobody tells.

    Args:
        paths: Files, folders, patterns or archives.
        format: The family of all of them; None guesses each.
        options: Settings for all of them, such as an encoding.
        say: Takes a line for each guess, and for each file that is passed over.

    Returns:
        The sources in order.

    Raises:
        UserError: If a file named by itself is of no known format, or nothing is left.
    """
    options = dict(options or {})
    if format is not None:
        return [SourceSpec(format, {"files": tuple(paths), **options})]
    found = _Finder(options, say).find(paths)
    if not found:
        raise UserError(f"{', '.join(paths)}: no file of a known format. {_ADVICE}")
    return found


_ADVICE = "See `python -m data_builders formats`, and name the format with --format."


def _refusal(name: str, guess: GuessedFormat | None) -> str:
    if not Path(name).stat().st_size:
        return f"{name} is empty. Check where it is from."
    if guess is not None and guess.format in _PAIRED:
        two = " and ".join(_PAIRED[guess.format])
        return f"{name}: {guess.format} is two files, {two}, and this is one. Name both."
    sample = sample_of(next(source_files([name])))
    if names := row_names(sample):
        return unknown_sentence(name, names)
    if sample.layout is None and sample.suffix in JSON_SUFFIXES:
        return (
            f"{name}: most of its beginning is no JSON. Write one whole object a line, or one "
            "array; with --format json what can be read is read, and the rest is listed."
        )
    return f"{name}: no known format of dialogues. {_ADVICE}"


class _Finder:
    """One search: the settings for all files, and who listens."""

    def __init__(self, options: dict[str, Any], say: Callable[[str], None]) -> None:
        self.options = options
        self.say = say

    def find(self, paths: Sequence[str]) -> list[SourceSpec]:
        for path in paths:
            if is_saved(Path(path)):
                raise UserError(
                    f"{path} is a dataset that was built already: train on it as it is. To mix it "
                    "with others, name the corpora it was built from."
                )
        groups = list(_groups(disk_files(paths)))
        guesses = {group[0]: self.guess(group[0]) for group in groups}
        joined = {**self.parallel(guesses), **self.cornell(guesses)}
        found = []
        for group in groups:
            spec = joined.get(group[0]) or self.single(group, guesses[group[0]])
            if spec is None:
                if group[0] in paths:
                    raise UserError(_refusal(group[0], guesses[group[0]]))
                self.say(f"{Path(group[0]).name}: passed over, no known format of dialogues")
            elif spec not in found:
                self.tell(spec, group, guesses[group[0]])
                found.append(spec)
        return found

    def guess(self, name: str) -> GuessedFormat | None:
        # Of an archive the first member that is of any format speaks for all.
        for file in islice(source_files([name]), _MEMBERS_TO_SEE):
            guessed = guess_format(sample_of(file, self.options.get("encoding")), self.options)
            if guessed is not None:
                return guessed
        return None

    def single(self, group: list[str], guess: GuessedFormat | None) -> SourceSpec | None:
        # Half of a pair alone, or a file of metadata: it has the marks, but no dialogues.
        if guess is None or guess.format in _PAIRED:
            return None
        options = {"files": tuple(group), **guess.guess.options, **self.options}
        name = Path(group[0]).resolve().parent.name if len(group) > 1 else None
        return SourceSpec(guess.format, options, name)

    def parallel(self, guesses: Mapping[str, GuessedFormat | None]) -> dict[str, SourceSpec]:
        """Join files named like questions and replies that have equally many lines."""
        plain = [n for n, g in guesses.items() if g is None or g.format in _PLAIN]
        joined = {}
        for questions, replies in find_pairs(plain):
            if self.count_lines(questions) == self.count_lines(replies):
                options = {"questions": questions, "replies": replies, **self.options}
                joined[questions] = joined[replies] = SourceSpec("parallel", options)
        return joined

    def cornell(self, guesses: Mapping[str, GuessedFormat | None]) -> dict[str, SourceSpec]:
        """Join lines and conversations of one folder, the ones named most alike."""
        parts: dict[str, list[str]] = {"lines": [], "conversations": []}
        for name, guess in guesses.items():
            for role in parts:
                if guess and guess.format == "cornell" and role in guess.guess.options:
                    parts[role].append(name)
        joined = {}
        for name in parts["conversations"]:
            near = [n for n in parts["lines"] if Path(n).parent == Path(name).parent]
            if near:
                best = find_companion(name, near) or near[0]
                options = {"lines": best, "conversations": name, **self.options}
                joined[name] = joined[best] = SourceSpec("cornell", options)
        return joined

    def count_lines(self, name: str) -> int:
        lines = text_lines(next(source_files([name])), BuildReport(), self.options.get("encoding"))
        return sum(1 for _ in lines)

    def tell(self, spec: SourceSpec, group: list[str], guess: GuessedFormat | None) -> None:
        if guess is not None and spec.format == guess.format and spec.format not in _PAIRED:
            more = f" and {len(group) - 1} more" if len(group) > 1 else ""
            self.say(guess.sentence(f"{Path(group[0]).name}{more}"))
            return
        names = [Path(str(spec.options[key])).name for key in _PAIRED[spec.format]]
        self.say(f"{' + '.join(names)}: format {spec.format}")


def _groups(files: Sequence[str]) -> Iterator[list[str]]:
    """Put the many like files of one folder together, and leave the others alone."""
    kinds: dict[tuple[Path, str], list[str]] = {}
    for file in files:
        kinds.setdefault((Path(file).parent, Path(file).suffix), []).append(file)
    for group in kinds.values():
        if len(group) > MANY_FILES:
            yield group
        else:
            yield from ([file] for file in group)
