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
    test_fraction: 0.1
    cleaning: {urls: true}
    selection: {maximum_reply_count: 200}
"""

from __future__ import annotations

import glob
import os
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import yaml

from data_builders.building.builder import DialogueBuilder, DialogueConfig
from data_builders.dialogue import RawDialogue, as_tuple
from data_builders.errors import UserError, shown
from data_builders.formats.registry import FAMILIES
from data_builders.language import check_languages
from data_builders.reading import Progress
from data_builders.reading.files import disk_files
from data_builders.report import BuildReport, RowError, SourceCount
from data_builders.selecting.settings import check_type
from data_builders.sources.sources import SourceSpec, find_sources
from data_builders.translation import _, listed

# Keys of a source that are not settings of its family.
_OWN_KEYS = ("format", "files", "name", "license", "weight")
# Paths among the settings of families: what is relative is so to the YAML file.
_PATH_KEYS = ("files", "questions", "replies", "lines", "conversations")
MAXIMUM_WEIGHT = 100
# Far more than anybody writes; aliases of aliases reach a billion in ten lines.
MAXIMUM_VALUES = 1_000_000


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
        if self.seed is not None and self.seed < 0:
            raise UserError(
                "`{name}` must not be negative (got {given}).", name="seed", given=self.seed
            )
        if not self.sources:
            raise UserError("`sources` is empty. Name at least one.")
        for spec in self.sources:
            _check_weight(spec.weight, spec.name or spec.format)
        check_languages(self.languages)
        self.source_configs = [spec.config(self.strict) for spec in self.sources]

    def only_questions(self) -> tuple[bool, ...]:
        """Say it for each source."""
        return tuple(any(config.only_questions()) for config in self.source_configs)

    def content_files(self) -> list[Path]:
        """List the files of all sources."""
        return [path for config in self.source_configs for path in config.content_files()]

    def content_marks(self) -> list[str]:
        """List what else decides the content, over all sources."""
        return [mark for config in self.source_configs for mark in config.content_marks()]


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
        """List the sources with their weights."""
        counts = []
        for spec, settings in zip(config.sources, config.source_configs, strict=True):
            known = FAMILIES[spec.format].origins(settings)[0]
            name, license = shown(spec.name or known.name), spec.license or known.license
            source = SourceCount(name, spec.format, license, spec.weight, hub_id=known.hub_id)
            counts.append(source)
        return counts

    @classmethod
    def read_sources(
        cls, config: MixtureConfig, report: BuildReport, progress: Progress | None = None
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of one source after the other, with its number."""
        for origin, (spec, settings) in enumerate(
            zip(config.sources, config.source_configs, strict=True)
        ):
            try:
                for raw in FAMILIES[spec.format].read_sources(settings, report, progress):
                    yield raw._replace(origin=origin, source=shown(spec.name or raw.source))
            except UserError as error:
                if not spec.lenient or report.strict:
                    raise
                report.reject(spec.shown_name(), 1, RowError("unreadable file", error))


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
    path: str | Path, say: Callable[[str], None] = lambda line: None, root: str | Path | None = None
) -> dict[str, Any]:
    """Read a mixture's YAML file, as keyword arguments of `MixtureConfig`.

    `say` takes a line for each guess of a format and for each source that is left out; files are
    looked for in `root`, if not where the YAML file says.
    """
    path = Path(path)
    content, lines = _read_yaml(path)
    if not isinstance(content, dict) or not isinstance(content.get("sources"), list):
        raise UserError(
            "{path} must have a list `sources`, each with `files` or a `format`, to be a "
            "mixture. If it holds dialogues itself, name what it is with --format.",
            path=path,
        )
    known = set(MixtureConfig.__dataclass_fields__) - {"version", "data_dir", "data_files"}
    known |= {"root", "skip_missing"}
    for key in content:
        if key not in known:
            raise UserError(
                "{path}: there is no setting `{key}`. Choose from {known}.",
                path=path,
                key=key,
                known=listed(sorted(known)),
            )
    cleaning = content.get("cleaning")
    if isinstance(cleaning, dict) and cleaning.get("block_list"):
        block_list = _beside(cleaning["block_list"], path.parent)
        content["cleaning"] = cleaning | {"block_list": block_list}
    reading = _reading_of(content, path, say, root)
    places = [
        _("{file}:{line}: source {number}", file=path, line=line, number=number)
        for number, line in enumerate(lines, start=1)
    ]
    found = [
        (place, _specs_of(entry, place, reading))
        for place, entry in zip(places, content["sources"], strict=True)
    ]
    _check_files_once(found)
    specs = [spec for _place, some in found for spec in some]
    if content["sources"] and not specs:
        raise UserError(
            "{path}: none of its sources is in {root}. Name the folder of your corpora with "
            "--root, and see the comments of the file for where they are from.",
            path=path,
            root=reading.root,
        )
    described = {**content, "sources": tuple(specs)}
    try:
        MixtureConfig(**described)
    except UserError as error:
        raise UserError("{file}: {reason}", file=path, reason=error) from None
    return described


def _read_yaml(path: Path) -> tuple[Any, list[int]]:
    """Give what a YAML file says, and the line of each of its sources."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        node = yaml.compose(text, yaml.SafeLoader)
        # Before it is made into objects: of two equal keys YAML takes the last, in silence.
        _check_nodes(node, path, {})
        content = yaml.safe_load(text)
    except FileNotFoundError:
        raise UserError("{path} does not exist. Check the path.", path=path) from None
    except UserError:
        raise
    except UnicodeDecodeError:
        raise UserError("{path} is not UTF-8 text. Save it as UTF-8.", path=path) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(
            "{path} is not YAML: {reason}.", path=path, reason=" ".join(str(error).split())
        ) from None
    keys = node.value if isinstance(node, yaml.MappingNode) else []
    sources = next((value for key, value in keys if key.value == "sources"), None)
    entries = sources.value if isinstance(sources, yaml.SequenceNode) else []
    return content, [one.start_mark.line + 1 for one in entries]


def _check_nodes(node: Any, path: Path, sizes: dict[int, int]) -> int:
    """Refuse a key given twice, and aliases of aliases; count the values that a node stands for."""
    if id(node) not in sizes:
        sizes[id(node)] = 1  # an alias may stand inside what it means
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        known: set[str] = set()
        for key in (key for key, _value in pairs if isinstance(key, yaml.ScalarNode)):
            if key.value in known:
                line = key.start_mark.line + 1
                raise UserError(
                    "{path}:{line}: `{key}` is given twice. Keep one of them.",
                    path=path,
                    line=line,
                    key=key.value,
                )
            known.add(key.value)
        below = [value for _key, value in pairs]
        below += node.value if isinstance(node, yaml.SequenceNode) else []
        sizes[id(node)] += sum(_check_nodes(one, path, sizes) for one in below)
        if sizes[id(node)] > MAXIMUM_VALUES:
            raise UserError(
                "{path} stands for more than {most:,} values. Write it out.",
                path=path,
                most=MAXIMUM_VALUES,
            )
    return sizes[id(node)]


def _check_files_once(found: list[tuple[str, list[SourceSpec]]]) -> None:
    """Refuse a file that two sources name: its dialogues would be weighed and counted twice."""
    known: dict[str, int] = {}
    for number, (place, specs) in enumerate(found, start=1):
        paths = {path for spec in specs for key in _PATH_KEYS for path in _files(spec, key)}
        for file in sorted(paths):
            if (other := known.setdefault(os.path.realpath(file), number)) != number:
                raise UserError(
                    "{place} names {file}, which source {number} names too. Name it once; `weight` "
                    "says how often its dialogues are written.",
                    place=place,
                    file=Path(file).name,
                    number=other,
                )


def _files(spec: SourceSpec, key: str) -> list[str]:
    return disk_files(as_tuple(spec.options.get(key, ())))


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
        raise UserError(
            "{where} must be a mapping with `files` or a `format` (got {given}).",
            where=where,
            given=reprlib.repr(entry),
        )
    weight = entry.get("weight", 1.0)
    _check_weight(weight, where)
    options = {key: value for key, value in entry.items() if key not in _OWN_KEYS}
    for key in _PATH_KEYS:
        if key in entry:
            if not as_tuple(entry[key]):
                raise UserError(
                    "{where}: `{key}` names no file (got {given!r}).",
                    where=where,
                    key=key,
                    given=entry[key],
                )
            options[key] = _beside(entry[key], reading.root)
    if isinstance(options.get("describe"), str):
        options["describe"] = _beside(options["describe"], reading.root)
    if reading.skip_missing and (missing := _missing(options)):
        reading.say(
            _(
                "{source}: left out, {path} is not there",
                source=entry.get("name") or where,
                path=missing,
            )
        )
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
        raise UserError("{where} has neither `files` nor a `format`. Give one.", where=where)
    found = find_sources(files, options=options, say=reading.say)
    given = {key: value for key, value in shared.items() if value is not None}
    return [replace(spec, **given) for spec in found]


def _check_weight(weight: Any, where: str) -> None:
    number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not number or not 0 < weight <= MAXIMUM_WEIGHT:
        raise UserError(
            "{where}: `weight` must be a number above 0 and at most {most} (got {given}). To "
            "leave a source out, delete it.",
            where=where,
            most=MAXIMUM_WEIGHT,
            given=reprlib.repr(weight),
        )


def _beside(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return tuple(str(folder / str(item)) for item in value)
    return str(folder / str(value))
