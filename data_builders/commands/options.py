# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The options of the command line, made from the fields of the settings they set.

A setting that is added to a dataclass, with a line in its docstring, is an option at once.
"""

from __future__ import annotations

import argparse
import re
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import Field, fields
from typing import Any

from data_builders.building.builder import DialogueConfig
from data_builders.cleaning.pipeline import CleaningSettings
from data_builders.command_line import CommandParser
from data_builders.commands.overview import BUILDERS, DESCRIPTION, PROGRAM, add_readers
from data_builders.formats.base import FilesConfig
from data_builders.formats.registry import FAMILIES, FILE_FAMILIES
from data_builders.selecting.settings import SelectionSettings
from data_builders.sources.build import is_mixture

# Fields that have an option of their own, or none.
_BUILD_FIELDS = (
    "languages",
    "strict",
    "validation_fraction",
    "test_fraction",
    "workers",
    "license",
)
# Settings of files of any format.
_FILE_FIELDS = ("encoding", "language", "questions_only")
_NESTED = {"cleaning": CleaningSettings, "selection": SelectionSettings}
# A dataset to be worked with has all three parts; the library's default has no test part, which
# training does not need.
_TEST_FRACTION = 0.05
_DEFAULTS = {"test_fraction": _TEST_FRACTION}


def make_parser() -> argparse.ArgumentParser:
    """Describe the command line.

    Returns:
        The parser.
    """
    parser = CommandParser(prog=PROGRAM, description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = _shared_options()
    build = _build_command(commands, shared, "build", BUILDERS["build"])
    build.add_argument("--format", choices=sorted(FILE_FAMILIES), help="overrule the guess")
    _add_fields(build, FilesConfig, _FILE_FIELDS)
    build.add_argument("paths", nargs="+", metavar="PATH", help="file, folder, pattern or archive")
    mix = _build_command(commands, shared, "mix", BUILDERS["mix"])
    mix.add_argument("paths", nargs=1, metavar="FILE.yaml", help="the mixture")
    for command in (build, mix):
        command.add_argument("--root", help="folder in which a mixture's files are looked for")
    for name, family in FAMILIES.items():
        command = _build_command(commands, shared, name, family.TITLE)
        _add_family(command, name, family.BUILDER_CONFIG_CLASS)
    add_readers(commands)
    return parser


def family_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Collect the settings of the family that were given.

    Args:
        arguments: What the parser gave.

    Returns:
        Keyword arguments of its configuration.
    """
    if arguments.command in FAMILIES:
        names = [field.name for field in _family_fields(FAMILIES[arguments.command])]
    else:
        names = list(_FILE_FIELDS)
    return _given(arguments, names)


def build_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Collect the settings of the build that were given.

    Args:
        arguments: What the parser gave.

    Returns:
        Keyword arguments of `DialogueConfig`; what was not given is not among them.
    """
    settings = _given(arguments, _BUILD_FIELDS)
    for name, kind in _NESTED.items():
        given = _given(arguments, [field.name for field in fields(kind)])
        if given:
            settings[name] = given
    # What a mixture leaves out it leaves to the library; `build FILE.yaml` is a mixture too.
    if arguments.command != "mix" and not is_mixture(getattr(arguments, "paths", [])):
        settings.setdefault("test_fraction", _TEST_FRACTION)
    return settings


def _given(arguments: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    values = {name: getattr(arguments, name, None) for name in names}
    return {
        name: dict(value) if _is_mapping(value) else value
        for name, value in values.items()
        if value is not None
    }


def _is_mapping(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], tuple)


def _shared_options() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--output", required=True, help="folder to write")
    shared.add_argument("--overwrite", action="store_true", help="replace a dataset there")
    shared.add_argument("--cache-dir", help="cache of datasets (default: its own)")
    _add_fields(shared.add_argument_group("build"), DialogueConfig, _BUILD_FIELDS)
    for name, kind in _NESTED.items():
        _add_fields(shared.add_argument_group(name), kind, [field.name for field in fields(kind)])
    return shared


def _build_command(
    commands: Any, shared: argparse.ArgumentParser, name: str, title: str
) -> argparse.ArgumentParser:
    return commands.add_parser(name, parents=[shared], help=title.replace("%", "%%"))


def _add_family(command: argparse.ArgumentParser, name: str, kind: type[DialogueConfig]) -> None:
    _add_fields(
        command.add_argument_group(name), kind, [f.name for f in _family_fields(FAMILIES[name])]
    )
    if name in FILE_FAMILIES:
        command.add_argument("paths", nargs="*", metavar="PATH", help="files, folders or patterns")


def _family_fields(family: Any) -> list[Field[Any]]:
    known = {field.name for field in fields(DialogueConfig)} | {"files"}
    return [f for f in fields(family.BUILDER_CONFIG_CLASS) if f.name not in known]


def _add_fields(group: Any, kind: type, names: Sequence[str]) -> None:
    """Add an option for each field, with the type and the words of its dataclass."""
    hints, docs = typing.get_type_hints(kind), _field_docs(kind)
    for field in fields(kind):
        if field.name in names:
            option = f"--{field.name.replace('_', '-')}"
            group.add_argument(option, **_kind_of(hints[field.name]), help=_help(field, docs))


def _kind_of(hint: Any) -> dict[str, Any]:
    members = [h for h in typing.get_args(hint) if h is not types.NoneType]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = members[0]
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction, "default": None}
    if typing.get_origin(hint) is tuple:
        return {"nargs": "*"}
    if typing.get_origin(hint) is dict:
        return {"nargs": "+", "type": _key_value, "metavar": "KEY=VALUE"}
    if typing.get_origin(hint) is typing.Literal:
        return {"choices": typing.get_args(hint)}
    return {"type": hint if hint in (int, float) else str, "metavar": hint.__name__.upper()}


def _help(field: Field[Any], docs: dict[str, str]) -> str:
    text = docs.get(field.name, "")
    default = _DEFAULTS.get(field.name, field.default)
    simple = isinstance(default, (int, float, str)) and default != ""
    default = f" (default: {_shown(default)})" if simple else ""
    return (text + default).replace("%", "%%")


def _shown(default: Any) -> str:
    return {True: "yes", False: "no"}[default] if isinstance(default, bool) else str(default)


def _field_docs(kind: type) -> dict[str, str]:
    """Read the first sentence on each field from the docstrings of a dataclass and its bases."""
    docs: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        _, _, section = (base.__doc__ or "").partition("Attributes:\n")
        for name, text in re.findall(r"^ {4,8}(\w+): (.*(?:\n {9,}.*)*)", section, re.MULTILINE):
            sentence = re.split(r"(?<=\.)\s", " ".join(text.split()))[0]
            docs[name] = sentence.rstrip(".")
    return docs


def _key_value(text: str) -> tuple[str, str]:
    key, mark, value = text.partition("=")
    if not mark or not key or not value:
        raise argparse.ArgumentTypeError(f"must be KEY=VALUE (got {text!r})")
    return key, value
