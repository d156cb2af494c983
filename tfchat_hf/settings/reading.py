# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Read a run's settings: a flat YAML file, then `--key value` from the command line on top."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from data_builders.errors import UserError
from data_builders.translation import _, marked, reason_of
from data_builders.writing import write_whole

from .keys import convert, key_problem
from .places import find_settings
from .ranges import range_problem

COMMAND_LINE = marked("command line")


class Setting(NamedTuple):
    """A value and where it was written, `file:line` or the command line."""

    value: Any
    origin: str

    def problem(self, what: str) -> UserError:
        """Return an error that says where it stands and what is wrong with it."""
        return _at(_(self.origin), what)


def _at(place: str, problem: str) -> UserError:
    return UserError("{place}: {problem}", place=place, problem=problem)


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, where a key written twice is an error and `no` is a word.

    YAML 1.1 reads `eval_strategy: no` as false, and the language code `no` too.
    """

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":bool")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping after looking for keys written twice."""
        seen: set[str] = set()
        for key, _value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # `{{ name }}` of a template that nobody filled in: refused below
            if key.value in seen:
                where = f"{key.start_mark.name}:{key.start_mark.line + 1}"
                twice = _("`{key}` is set twice. Keep one of the two lines.", key=key.value)
                raise _at(where, twice)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def read_settings(argv: Sequence[str]) -> dict[str, Setting]:
    """Read a command line and its settings file; check keys, types, ranges; load nothing heavy.

    Args:
        argv: an optional settings file first, then `--key value`, `--key=value` or a bare `--flag`.

    Raises:
        UserError: for a file, key or type that cannot be used.
    """
    if not argv or argv[0].startswith("--"):
        return checked(_read_options(argv))
    return checked(read_yaml(str(find_settings(argv[0]))) | _read_options(argv[1:]))


def read_yaml(path: str) -> dict[str, Setting]:
    """Read a flat YAML file of settings, as they are written."""
    try:
        with open(path, encoding="utf-8") as file:
            loader = _StrictLoader(file)
            node = loader.get_single_node()
            content = loader.construct_document(node) if node else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else path
        reason = getattr(error, "problem", None) or type(error).__name__
        raise _at(where, _("not valid YAML: {reason}.", reason=reason)) from error
    except (OSError, UnicodeDecodeError) as error:
        unread = _("it is not UTF-8 text")
        reason = reason_of(error) if isinstance(error, OSError) else unread
        raise UserError(
            "cannot read the settings file {path}: {reason}.", path=path, reason=reason
        ) from error
    if node is None or not isinstance(content, dict):
        kind = type(content).__name__
        raise _at(path, _("must hold `key: value` lines (got {kind}).", kind=kind))
    lines = [f"{path}:{key.start_mark.line + 1}" for key, _value in node.value]
    values = zip(content.items(), lines, strict=True)
    return {str(key): Setting(value, line) for (key, value), line in values}


def _read_options(argv: Sequence[str]) -> dict[str, Setting]:
    """Read `--key value ...`; several values make a list, none means true."""
    options: dict[str, list[str]] = {}
    for word in argv:
        if word.startswith("--") and word != "--":
            key, equals, value = word[2:].partition("=")
            values = options[key.replace("-", "_")] = [value] if equals else []
            closed = bool(equals)
        elif not options or closed or word == "--":
            lone = _(
                "{word!r} belongs to no key. Write `--key value`, and the settings file first.",
                word=word,
            )
            raise _at(_(COMMAND_LINE), lone)
        else:
            values.append(word)
    return {
        key: Setting(values if len(values) > 1 else values[0] if values else True, COMMAND_LINE)
        for key, values in options.items()
    }


# In a file no shell has put the home folder in the place of "~".
_PATHS = ("output_dir", "init_from", "dataset", "tokenizer", "dataset_cache_dir")


def checked(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """Refuse unknown keys and numbers out of range, and convert the values of the others."""
    converted = {}
    for key, setting in settings.items():
        if problem := key_problem(key):
            raise setting.problem(problem)
        try:
            value = convert(key, setting.value)
            if key in _PATHS and isinstance(value, str):
                value = str(Path(value).expanduser()) if value.startswith("~") else value
            converted[key] = Setting(value, setting.origin)
        except ValueError as error:
            raise setting.problem(str(error)) from error
        if problem := range_problem(key, converted[key].value):
            raise setting.problem(problem)
    return converted


def write_yaml(settings: dict[str, object], path: Path) -> None:
    """Write resolved settings so that `train_hf.py` can read them again."""
    write_whole(path, yaml.safe_dump(settings, allow_unicode=True, sort_keys=False))
