# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From the name of a source to a checked DatasetDict with its report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import datasets

from data_builders.building.builder import DialogueBuilder
from data_builders.dialogue import as_tuple
from data_builders.errors import UserError
from data_builders.formats.chatterbot import DEFAULT_EXCLUDED
from data_builders.formats.registry import FAMILIES, OTHER_FAMILIES, OWN_LANGUAGES
from data_builders.formats.yaml_corpus import YAML_SUFFIXES, is_corpus
from data_builders.report import BuildReport
from data_builders.sources.mixture import MixtureCorpus, read_mixture
from data_builders.sources.saved import is_saved, read_saved
from data_builders.sources.sources import check_options, find_sources
from data_builders.translation import listed

logger = logging.getLogger(__name__)

_SAVED_SETTINGS = ("languages", "validation_fraction", "test_fraction")


class BuildResult(NamedTuple):
    """A dataset and what became of every row.

    Attributes:
        dataset: Always "train" and "validation" (may be empty), "test" if asked for.
        report: The counts and the rejected rows.
        build_id: Names settings and content: equal for builds with equal results.
        settings: The settings of the build, for its card.
    """

    dataset: datasets.DatasetDict
    report: BuildReport
    build_id: str = ""
    settings: Mapping[str, Any] = {}


def build_dialogues(
    source: str | Path | Sequence[str | Path],
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    cache_dir: str | None = None,
    exclude_categories: Sequence[str] = DEFAULT_EXCLUDED,
    say: Callable[[str], None] = logger.info,
    **settings: Any,
) -> BuildResult:
    """Make a dataset of dialogues from any source this package can read.

    Args:
        source: The name of a corpus ("small_talk", "chatterbot", "chitchat-dataset"); files,
            folders, patterns or archives; the YAML file of a mixture; or a folder saved by
            `save_to_disk` in the same schema.
        format: The family of the files; None guesses it for each.
        options: Settings of the family.
        cache_dir: Where `datasets` keeps what it builds; its own default if None.
        exclude_categories: Categories of chatterbot to leave out.
        say: Takes a line for each guess of a format.
        **settings: Fields of `DialogueConfig`: languages, strict, validation_fraction,
            test_fraction, cleaning, selection, workers, license; and the `root` of a mixture. A
            saved folder that has a validation split keeps it.

    Returns:
        The dataset and the report.

    Raises:
        UserError: If the source is not there, is broken, or has nothing usable.
    """
    sources = as_tuple(source)
    if format is None and len(sources) == 1 and is_saved(Path(sources[0])):
        known = {key: settings[key] for key in _SAVED_SETTINGS if settings.get(key) is not None}
        return BuildResult(*read_saved(Path(sources[0]), **known))
    if sources == ("chatterbot",):
        options = {"exclude_categories": as_tuple(exclude_categories), **(options or {})}
    builder = make_builder(sources, format, options, cache_dir, say, **settings)
    return built(builder)


def make_builder(
    sources: Sequence[str],
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    cache_dir: str | None = None,
    say: Callable[[str], None] = logger.info,
    root: str | Path | None = None,
    **settings: Any,
) -> DialogueBuilder:
    """Choose the builder for a source and give it its settings; nothing is built yet.

    The arguments are those of `build_dialogues`, but for saved folders; `root` is the folder in
    which a mixture's files are looked for.
    """
    settings = {key: value for key, value in settings.items() if value is not None}
    # "messages" alone is a folder of that name: what reads files is no corpus by itself.
    name = format or (sources[0] if list(sources) in ([n] for n in OTHER_FAMILIES) else "")
    if name in OWN_LANGUAGES and not settings.get("languages", True):
        del settings["languages"]
    if name in FAMILIES:
        check_options(name, options or {})
        files = {"files": tuple(sources)} if format is not None and sources else {}
        return FAMILIES[name](cache_dir=cache_dir, **files, **(options or {}), **settings)
    if format is not None:
        raise UserError(
            "There is no format {format!r}. Choose from {known}.",
            format=format,
            known=listed(FAMILIES),
        )
    if is_mixture(sources):
        if options:
            given = ", ".join(f"`{key}`" for key in options)
            raise UserError(
                "{given} cannot be set for a whole mixture. Set it for each source.", given=given
            )
        described = read_mixture(sources[0], say, root)
        return MixtureCorpus(cache_dir=cache_dir, **_outweighed(described, settings))
    if root is not None:
        raise UserError(
            "`root` is for the YAML file of a mixture. Name other files by their paths."
        )
    found = find_sources(sources, options=options, say=say)
    found = [replace(spec, license=settings.get("license")) for spec in found]
    return MixtureCorpus(cache_dir=cache_dir, sources=tuple(found), **settings)


def is_mixture(sources: Sequence[str]) -> bool:
    """Say whether sources are the YAML file of a mixture."""
    return (
        len(sources) == 1
        and Path(sources[0]).suffix.lower() in YAML_SUFFIXES
        and not any(parent.is_file() for parent in Path(sources[0]).parents)
        and not is_corpus(Path(sources[0]))
    )


def _outweighed(described: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Put what the command line says over what a mixture says, setting by setting."""
    both = {**described, **settings}
    for name in ("cleaning", "selection"):
        parts = [part[name] for part in (described, settings) if part.get(name) is not None]
        if len(parts) == 2 and all(isinstance(part, Mapping) for part in parts):
            both[name] = {**parts[0], **parts[1]}
    return both


def built(builder: DialogueBuilder) -> BuildResult:
    """Build, or take from the cache."""
    builder.download_and_prepare()
    dataset = builder.as_dataset()
    return BuildResult(dataset, builder.report, builder.build_id, builder.config.shown())
