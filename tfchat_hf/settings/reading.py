# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Reads a run's settings: a flat YAML file, then `--key value` from the command line on top."""

from __future__ import annotations

import difflib
import importlib.util
import json
import re
import types
import typing
from collections.abc import Hashable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from data_builders.writing import write_whole

from ..text.errors import UserError
from .places import find_settings

if TYPE_CHECKING:
    from .arguments import RunArguments

COMMAND_LINE = "command line"
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


class Setting(NamedTuple):
    """A raw value and where it was written."""

    value: Any
    origin: str


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, where a key written twice is an error and `no` is a word.

    YAML 1.1 reads `eval_strategy: no` as false, and the language code `no` too.
    """

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":bool")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Builds a mapping after looking for keys written twice."""
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.value in seen:
                line = key_node.start_mark.line + 1
                raise UserError(
                    f"{key_node.start_mark.name}:{line}: `{key_node.value}` is set twice. "
                    "Keep one of the two lines."
                )
            seen.add(str(key_node.value))
        return super().construct_mapping(node, deep)


_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def parse_arguments(argv: Sequence[str]) -> RunArguments:
    """Turns a command line into checked settings.

    Args:
        argv: an optional YAML file first, then `--key value`, `--key=value` or a bare `--flag`.

    Raises:
        UserError: for a file, key or value that cannot be used.
    """
    # Here: it loads torch.
    from .init_from import with_settings_of_origin

    raw, origin = with_settings_of_origin(read_settings(argv))
    run = build_arguments(raw)
    run.origin = origin
    return run


def read_settings(argv: Sequence[str]) -> dict[str, Setting]:
    """Read a command line and its settings file; refuse unknown keys, and load nothing heavy.

    Args:
        argv: as `parse_arguments` takes it.

    Raises:
        UserError: for a file or a key that cannot be used.
    """
    argv = list(argv)
    raw: dict[str, Setting] = {}
    if argv and not argv[0].startswith("--"):
        raw.update(read_yaml(str(find_settings(argv.pop(0)))))
    raw.update(_read_options(argv))
    known = _declared_keys()
    for key, setting in raw.items():
        if key not in known:
            raise UserError(_unknown_key(key, setting.origin, known))
    return raw


def _declared_keys() -> set[str]:
    """Read the names of all settings from the source: importing their classes loads torch."""
    spec = importlib.util.find_spec("transformers")
    files = [Path(__file__).with_name("arguments.py")]
    if spec is not None and spec.origin is not None:
        files += Path(spec.origin).parent.glob("training_args*.py")
    pattern = re.compile(r"^    (\w+): ", re.MULTILINE)
    return {name for file in files for name in pattern.findall(file.read_text(encoding="utf-8"))}


def read_yaml(path: str) -> dict[str, Setting]:
    """Reads a flat YAML file of settings."""
    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.load(file, _StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else path
        problem = getattr(error, "problem", None) or "cannot be read"
        raise UserError(f"{where}: not valid YAML: {problem}.") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"cannot read the settings file {path}: {reason}.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold `key: value` lines (got {type(content).__name__}).")
    return {str(key): Setting(value, path) for key, value in content.items()}


def _read_options(argv: Sequence[str]) -> dict[str, Setting]:
    """Reads `--key value ...`; several values make a list, none means true."""
    options: dict[str, Setting] = {}
    position = 0
    while position < len(argv):
        token = argv[position]
        position += 1
        if not token.startswith("--") or token == "--":
            raise UserError(
                f"command line: {token!r} belongs to no key. Write `--key value`, "
                "and the settings file first."
            )
        key, equals, value = token[2:].partition("=")
        values = [value] if equals else []
        while not equals and position < len(argv) and not argv[position].startswith("--"):
            values.append(argv[position])
            position += 1
        content: Any = values if len(values) > 1 else values[0] if values else True
        options[key.replace("-", "_")] = Setting(content, COMMAND_LINE)
    return options


def build_arguments(raw: dict[str, Setting]) -> RunArguments:
    """Sorts raw settings into the four groups, converts and checks them."""
    from .arguments import (
        DataArguments,
        GenerationArguments,
        ModelArguments,
        RunArguments,
        TFChatTrainingArguments,
        check_settings,
    )

    kinds = (ModelArguments, DataArguments, GenerationArguments, TFChatTrainingArguments)
    raw = _pairs_over_tokens(raw)
    hints = [typing.get_type_hints(group) for group in kinds]
    names = [{item.name for item in fields(group) if item.init} for group in kinds]
    known = set().union(*names)
    chosen: list[dict[str, Any]] = [{} for _ in kinds]
    for key, setting in raw.items():
        if key not in known:
            raise UserError(_unknown_key(key, setting.origin, known))
        index = next(i for i, group in enumerate(names) if key in group)
        chosen[index][key] = convert(key, setting, hints[index][key])
    try:
        groups = [group(**values) for group, values in zip(kinds, chosen, strict=True)]
        run = RunArguments(*groups, given=tuple(raw))
        check_settings(run)
    except UserError:
        raise
    except (ValueError, ImportError) as error:
        # transformers' own checks, some of them several lines long
        raise UserError(" ".join(str(error).split())) from error
    return run


def _pairs_over_tokens(raw: dict[str, Setting]) -> dict[str, Setting]:
    """Lets a number of pairs on the command line overrule a file's number of tokens."""
    pairs, tokens = raw.get("per_device_train_batch_size"), raw.get("tokens_per_update")
    if pairs is None or tokens is None or pairs.origin == tokens.origin:
        return raw
    if pairs.origin != COMMAND_LINE:
        return raw
    return {key: setting for key, setting in raw.items() if key != "tokens_per_update"}


def _unknown_key(key: str, origin: str, known: set[str]) -> str:
    """Words the error for a key that nobody knows."""
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    advice = f"Did you mean `{nearest[0]}`?" if nearest else "configs/reference.yaml lists them."
    return f"{origin}: unknown key `{key}`. {advice}"


def convert(key: str, setting: Setting, hint: Any) -> Any:
    """Converts a raw value to a field's type; `5e-4` is a string for YAML and a float here."""
    value, origin = setting
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    kinds = typing.get_args(hint) if union else (hint,)
    optional = types.NoneType in kinds
    if value is None or (isinstance(value, str) and value.lower() in ("null", "none") and optional):
        if not optional:
            raise UserError(f"{origin}: `{key}` has no value. Give one or delete the line.")
        return None
    for kind in kinds:
        base = typing.get_origin(kind) or kind
        convert = _CONVERTERS.get(base)
        if convert is not None:
            try:
                return convert(value)
            except (ValueError, TypeError):
                continue
        elif base not in (types.NoneType, str):
            return value
    if str in kinds and not isinstance(value, (list, dict)):
        return str(value)
    named = [typing.get_origin(kind) or kind for kind in kinds if kind is not types.NoneType]
    wanted = " or ".join(_KIND_NAMES.get(base, "text") for base in named)
    raise UserError(f"{origin}: `{key}` must be {wanted} (got {value!r}).")


def _to_bool(value: Any) -> bool:
    """Reads a truth value as YAML or a shell spells it."""
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in _TRUE + _FALSE:
        raise ValueError(value)
    return word in _TRUE


def _to_float(value: Any) -> float:
    """Reads a number."""
    if isinstance(value, bool):
        raise ValueError(value)
    return float(value)


def _to_int(value: Any) -> int:
    """Reads a whole number, `1e4` included."""
    number = _to_float(value)
    if not number.is_integer():
        raise ValueError(value)
    return int(number)


def _to_list(value: Any) -> list[str]:
    """Reads a list; a single word is a list of one, and commas part words."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list):
        raise ValueError(value)
    return [str(item) for item in value]


def _to_dict(value: Any) -> dict[str, Any]:
    """Reads a mapping, also one written as JSON."""
    content = json.loads(value) if isinstance(value, str) else value
    if not isinstance(content, dict):
        raise ValueError(value)
    return content


_CONVERTERS = {bool: _to_bool, int: _to_int, float: _to_float, list: _to_list, dict: _to_dict}
_KIND_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
}


def write_yaml(settings: dict[str, object], path: Path) -> None:
    """Writes resolved settings so that `train_hf.py` can read them again."""
    text = yaml.safe_dump(settings, allow_unicode=True, sort_keys=False)
    write_whole(path, text)
