# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Several sources as one corpus: split, deduplicated and counted together.

A mixture is one YAML file; `files` are looked for beside it, or in its `root`:

    root: ../corpora                  # left out: the folder of the YAML file
    skip_missing: true                # sources whose files are not there are left out, and named
    sources:
      - files: chat.tsv               # a file, a folder, a pattern, or a list of these
        weight: 2                     # training dialogues are written twice (0.5: half of them)
        license: MIT
      - files: [lines.txt.gz, conversations.txt.gz]
        format: cornell               # guessed where it is left out
        language: en
        license: "for research"
      - format: small_talk
        languages: [zh]
    seed: 42                          # order of the training split; without it, that of the sources
    test_fraction: 0.05
    cleaning: {urls: true}
    selection: {maximum_reply_count: 200}
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import yaml

from data_builders.building.builder import DialogueBuilder, DialogueConfig
from data_builders.dialogue import RawDialogue, as_tuple
from data_builders.errors import UserError
from data_builders.formats.registry import FAMILIES
from data_builders.language import LANGUAGES
from data_builders.report import BuildReport, SourceCount
from data_builders.selecting.settings import check_type
from data_builders.sources.sources import SourceSpec, find_sources

# Keys of a source that are not settings of its family.
_OWN_KEYS = ("format", "files", "name", "license", "weight")
# Paths among the settings of families: what is relative is so to the YAML file.
_PATH_KEYS = ("files", "questions", "replies", "lines", "conversations")
MAXIMUM_WEIGHT = 100


@dataclass
class MixtureConfig(DialogueConfig):
    """Settings of a mixture.

    Attributes:
        sources: What is mixed, each a `SourceSpec` or a mapping of its fields.
        seed: Shuffles the training split, and draws the dialogues that a fractional weight
            takes; None keeps the order of the sources.
        languages: Keep only dialogues whose language ("zh", "en", "mixed", "other") is among
            these; empty keeps all.
    """

    sources: tuple[SourceSpec, ...] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        self.sources = tuple(
            spec if isinstance(spec, SourceSpec) else SourceSpec(**spec) for spec in self.sources
        )
        check_type("seed", self.seed or 0, 42)
        if self.seed is not None and self.seed < 0:
            raise UserError(f"`seed` must not be negative (got {self.seed}).")
        if not self.sources:
            raise UserError("`sources` is empty. Name at least one.")
        for spec in self.sources:
            if not 0 < spec.weight <= MAXIMUM_WEIGHT:
                raise UserError(
                    f"`weight` must be above 0 and at most {MAXIMUM_WEIGHT} (got {spec.weight} for "
                    f"{spec.shown_name()}). To leave a source out, delete it."
                )
        for language in self.languages:
            if language not in LANGUAGES:
                known = ", ".join(LANGUAGES)
                raise UserError(f"`languages` must be of {known} (got {language!r}).")
        self._configs = [spec.config(self.strict) for spec in self.sources]

    def only_questions(self) -> tuple[bool, ...]:
        """Say it for each source."""
        return tuple(any(config.only_questions()) for config in self._configs)

    def content_files(self) -> list[Path]:
        """List the files of all sources."""
        return [path for config in self._configs for path in config.content_files()]

    def content_marks(self) -> list[str]:
        """List what else decides the content, over all sources."""
        return [mark for config in self._configs for mark in config.content_marks()]


class MixtureCorpus(DialogueBuilder):
    """Builder of several sources together.

    Example:
        builder = MixtureCorpus(sources=find_sources(["chat.tsv", "film.conv"]))
        builder.download_and_prepare()
        dataset = builder.as_dataset()
    """

    FORMAT: ClassVar[str] = "mixture"
    TITLE: ClassVar[str] = "several sources, described in a YAML file"
    BUILDER_CONFIG_CLASS = MixtureConfig
    config: MixtureConfig

    @classmethod
    def origins(cls, config: MixtureConfig) -> list[SourceCount]:
        """List the sources with their weights.

        Args:
            config: The settings.

        Returns:
            One entry per source.
        """
        counts = []
        for spec, settings in zip(config.sources, config._configs, strict=True):
            known = FAMILIES[spec.format].origins(settings)[0]
            name, license = spec.name or known.name, spec.license or known.license
            source = SourceCount(name, spec.format, license, spec.weight, hub_id=known.hub_id)
            counts.append(source)
        return counts

    @classmethod
    def read_sources(
        cls,
        config: MixtureConfig,
        report: BuildReport,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of all sources, one source after the other.

        Args:
            config: The settings.
            report: Takes the rejected rows.
            progress: Called with the number of bytes of the files on disk that were read.

        Yields:
            Raw dialogues with the number of their source.
        """
        for origin, (spec, settings) in enumerate(
            zip(config.sources, config._configs, strict=True)
        ):
            for raw in FAMILIES[spec.format].read_sources(settings, report, progress):
                yield raw._replace(origin=origin, source=spec.name or raw.source)


class _Reading(NamedTuple):
    """Where the files of a mixture are, and what becomes of those that are not.

    Attributes:
        root: The folder in which `files` are looked for.
        skip_missing: Leave out sources whose files are not there.
        say: Takes a line for each guess of a format, and for each source left out.
    """

    root: Path
    skip_missing: bool
    say: Callable[[str], None]


def read_mixture(
    path: str | Path,
    say: Callable[[str], None] = lambda line: None,
    root: str | Path | None = None,
) -> dict[str, Any]:
    """Read a mixture's YAML file.

    Args:
        path: The file.
        say: Takes a line for each guess of a format, and for each source that is left out.
        root: The folder in which the files of the sources are looked for; None takes what the
            YAML file says.

    Returns:
        Keyword arguments of `MixtureConfig`.

    Raises:
        UserError: If the file is not there or not of that shape.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist. Check the path.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict) or not isinstance(content.get("sources"), list):
        raise UserError(f"{path} must have a list `sources`, each with `files` or a `format`.")
    known = set(MixtureConfig.__dataclass_fields__) - {"version", "data_dir", "data_files"}
    known |= {"root", "skip_missing"}
    for key in content:
        if key not in known:
            raise UserError(f"{path}: there is no setting `{key}`. Choose from {_listed(known)}.")
    cleaning = content.get("cleaning")
    if isinstance(cleaning, dict) and cleaning.get("block_list"):
        block_list = _beside(cleaning["block_list"], path.parent)
        content["cleaning"] = cleaning | {"block_list": block_list}
    reading = _reading_of(content, path, say, root)
    specs = [
        spec
        for number, entry in enumerate(content["sources"], start=1)
        for spec in _specs_of(entry, f"{path}: source {number}", reading)
    ]
    if content["sources"] and not specs:
        raise UserError(
            f"{path}: none of its sources is in {reading.root}. Name the folder of your corpora "
            "with --root, and see the comments of the file for where they are from."
        )
    return {**content, "sources": tuple(specs)}


def _reading_of(
    content: dict[str, Any], path: Path, say: Callable[[str], None], root: str | Path | None
) -> _Reading:
    """Take the keys out of a mixture that only say where to look."""
    given, skip = content.pop("root", None), content.pop("skip_missing", False)
    check_type("root", given or "", "corpora")
    check_type("skip_missing", skip, False)
    folder = path.parent / Path(given or "").expanduser()
    return _Reading(folder if root is None else Path(root).expanduser(), skip, say)


def _missing(options: Mapping[str, Any]) -> str:
    """Give the first path of a source at which nothing is, or ""."""
    named = [path for key in _PATH_KEYS for path in as_tuple(options.get(key, ()))]
    return next((path for path in named if not glob.glob(path, recursive=True)), "")


def _specs_of(entry: Any, where: str, reading: _Reading) -> list[SourceSpec]:
    if not isinstance(entry, Mapping):
        raise UserError(f"{where} must be a mapping with `files` or a `format` (got {entry!r}).")
    weight = entry.get("weight", 1.0)
    if not isinstance(weight, (int, float)) or isinstance(weight, bool):
        raise UserError(f"{where}: `weight` must be a number (got {weight!r}).")
    options = {key: value for key, value in entry.items() if key not in _OWN_KEYS}
    for key in _PATH_KEYS:
        if key in entry:
            options[key] = _beside(entry[key], reading.root)
    if isinstance(options.get("describe"), str):
        options["describe"] = _beside(options["describe"], reading.root)
    if reading.skip_missing and (missing := _missing(options)):
        reading.say(f"{entry.get('name') or where}: left out, {missing} is not there")
        return []
    files = as_tuple(options.pop("files", ()))
    shared: dict[str, Any] = {key: entry.get(key) for key in ("name", "license")} | {
        "weight": float(weight)
    }
    if entry.get("format") is not None:
        if files:
            options["files"] = files
        return [SourceSpec(entry["format"], options, **shared)]
    if not files:
        raise UserError(f"{where} has neither `files` nor a `format`. Give one.")
    found = find_sources(files, options=options, say=reading.say)
    given = {key: value for key, value in shared.items() if value is not None}
    return [replace(spec, **given) for spec in found]


def _beside(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return tuple(str(folder / str(item)) for item in value)
    return str(folder / str(value))


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))
