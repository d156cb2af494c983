# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The command line: its options are made from the fields of the settings they set.

A setting that is added to a dataclass, with a line in its docstring, is an option at once.
"""

from __future__ import annotations

import argparse
import ast
import glob
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from data_builders.command_line import CommandParser
from data_builders.commands.declared import (
    BUILD,
    CLEANING,
    ROWS,
    SELECTION,
    DeclaredField,
    declared_fields,
    declared_formats,
)
from data_builders.errors import UserError
from data_builders.translation import _, marked

BUILDERS = {
    "build": marked("any files: the format is guessed, and said"),
    "mix": marked("several sources described in a YAML file"),
}
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
# Settings of rows of named fields, in any container.
_ROW_FIELDS = ("columns", "describe", "minimum")
_NESTED = {"cleaning": CLEANING, "selection": SELECTION}


def make_parser() -> CommandParser:
    """Describe the command line."""
    parser = CommandParser(
        prog="python -m data_builders",
        description="Build datasets of dialogues from corpora of any format.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared, formats = _shared_options(), declared_formats()
    build = _build_command(commands, shared, "build", BUILDERS["build"])
    with_files = sorted(name for name, family in formats.items() if family.reads_files)
    build.add_argument("--format", choices=with_files, help="overrule the guess")
    _add_fields(build, declared_fields(ROWS), (*_FILE_FIELDS, *_ROW_FIELDS))
    build.add_argument("paths", nargs="+", metavar="PATH", help="file, folder, pattern or archive")
    mix = _build_command(commands, shared, "mix", BUILDERS["mix"])
    mix.add_argument("paths", nargs=1, metavar="FILE.yaml", help="the mixture")
    for command in (build, mix):
        command.add_argument("--root", help="folder in which a mixture's files are looked for")
    for name, family in formats.items():
        command = _build_command(commands, shared, name, family.title)
        own = {field.name: field for field in family.fields}
        _add_fields(command.add_argument_group(name), own, own)
        if family.reads_files:
            command.add_argument(
                "paths", nargs="*", metavar="PATH", help="files, folders or patterns"
            )
    _add_readers(commands)
    return parser


def check_early(arguments: argparse.Namespace) -> None:
    """Refuse a source that is not there, and an output that this command did not write."""
    given = getattr(arguments, "path", None)
    for path in getattr(arguments, "paths", None) or ([given] if given else []):
        place = Path(os.path.expanduser(path))
        in_archive = any(parent.is_file() for parent in place.parents)
        if not glob.has_magic(path) and not os.path.lexists(place) and not in_archive:
            raise UserError("{path} does not exist. Check the path.", path=path)
    if hasattr(arguments, "overwrite") and not arguments.overwrite:
        output = Path(arguments.output)
        # Of its own the build decides.
        if output.exists() and not (output / "build.json").is_file():
            raise UserError(
                "{output} already exists. Choose another --output, or add --overwrite.",
                output=output,
            )


def family_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Collect the settings of the family that were given."""
    family = declared_formats().get(arguments.command)
    names = [field.name for field in family.fields] if family else (*_FILE_FIELDS, *_ROW_FIELDS)
    return _given(arguments, names)


def build_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Collect the settings of the build that were given."""
    settings = _given(arguments, _BUILD_FIELDS)
    for name, kind in _NESTED.items():
        given = _given(arguments, declared_fields(kind))
        if given:
            settings[name] = given
    return settings


def _given(arguments: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    given = {name: getattr(arguments, name, None) for name in names}
    for name, value in given.items():
        if isinstance(value, list) and value and isinstance(value[0], tuple):
            given[name] = dict(value)
    return {name: value for name, value in given.items() if value is not None}


def _shared_options() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--output", required=True, help="folder to write")
    shared.add_argument("--overwrite", action="store_true", help="replace a dataset there")
    shared.add_argument("--cache-dir", help="cache of datasets (default: its own)")
    _add_fields(shared.add_argument_group("build"), declared_fields(BUILD), _BUILD_FIELDS)
    for name, kind in _NESTED.items():
        fields = declared_fields(kind)
        _add_fields(shared.add_argument_group(name), fields, fields)
    return shared


def _build_command(
    commands: Any, shared: argparse.ArgumentParser, name: str, title: str
) -> argparse.ArgumentParser:
    return commands.add_parser(name, parents=[shared], help=_(title).replace("%", "%%"))


def _add_fields(group: Any, declared: Mapping[str, DeclaredField], names: Iterable[str]) -> None:
    """Add an option for each of these fields, in the order of their class."""
    wanted = set(names)
    for name, field in declared.items():
        if name in wanted:
            option = f"--{name.replace('_', '-')}"
            group.add_argument(option, **_kind_of(field.hint), help=_help(field))


def _kind_of(hint: str) -> dict[str, Any]:
    hint = hint.removesuffix(" | None")
    if hint == "bool":
        return {"action": argparse.BooleanOptionalAction, "default": None}
    if hint.startswith("tuple["):
        return {"nargs": "*"}
    if hint.startswith("dict["):
        return {"nargs": "+", "type": _key_value, "metavar": "KEY=VALUE"}
    if hint.startswith("Literal["):
        return {"choices": ast.literal_eval(hint.removeprefix("Literal"))}
    return {"type": {"int": int, "float": float}.get(hint, str), "metavar": hint.upper()}


def _help(field: DeclaredField) -> str:
    about = _(field.about)
    if field.default not in (None, ""):
        about += _(" (default: {value})", value=_shown(field.default))
    return about.replace("%", "%%")


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return _("yes") if default else _("no")
    return str(default)


def _key_value(text: str) -> tuple[str, str]:
    key, mark, value = text.partition("=")
    if not mark or not key or not value:
        raise argparse.ArgumentTypeError(_("must be KEY=VALUE (got {found!r})", found=text))
    return key, value


def _add_readers(commands: Any) -> None:
    """Describe the commands that build nothing."""
    commands.add_parser("formats", help="list the formats")
    inspect = commands.add_parser("inspect", help="show a built dataset in the terminal")
    inspect.add_argument("path", help="folder written by this command")
    inspect.add_argument("--samples", type=int, default=3, help="dialogues to show (default: 3)")
    references = commands.add_parser(
        "references", help="write a held-out split as questions with all their replies"
    )
    add = references.add_argument
    add("path", help="folder written by this command")
    add("--split", default="test", help="the split (default: test)")
    add("--output", required=True, help="JSON lines file to write")
    add("--max-context-turns", type=int, default=1, help="turns of a context (default: 1)")
    weigh = commands.add_parser("weigh", help="measure with a model which source teaches something")
    add = weigh.add_argument
    add("path", metavar="PATH", help="built folder, or FILE.yaml of a mixture")
    add("--model", required=True, metavar="RUN", help="folder of a finished run")
    add("--questions", type=int, default=300, help="the most of each source, 0 for all (300)")
    add("--split", choices=("test", "validation"), help="default: test where there is one")
    add("--json", action="store_true", help="print JSON")
    add("--device", default="auto", help="auto (the GPU if there is one), cpu ...")
    push = commands.add_parser("push", help="push a built dataset to the Hub")
    push.add_argument("path", help="folder written by this command")
    push.add_argument("repo_id", metavar="USER/NAME", help="dataset repository on the Hub")
    push.add_argument("--public", action="store_true", help="everybody may see it")
