# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The formats and the fields of settings as the source declares them, read without importing it.

The classes stand on `datasets`, which takes a second to load; help and a misspelt option need only
names, types, defaults and the first sentence on each field.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_PACKAGE = Path(__file__).parents[1]
_PLACES = ("formats/*.py", "building/builder.py", "cleaning/pipeline.py", "selecting/settings.py")
BUILD, FILES, ROWS = "DialogueConfig", "FilesConfig", "RowsConfig"
CLEANING, SELECTION = "CleaningSettings", "SelectionSettings"


class DeclaredField(NamedTuple):
    """A field of a class of settings.

    Attributes:
        name: Its name.
        hint: Its type, as it is written.
        default: Its default; None where that is no plain value.
        about: The first sentence on it, without the full stop.
    """

    name: str
    hint: str
    default: Any
    about: str


class DeclaredFormat(NamedTuple):
    """A family of formats.

    Attributes:
        title: A line on what it is.
        reads_files: Whether it is guessed for files; the others know their own places.
        fields: Its own settings.
    """

    title: str
    reads_files: bool
    fields: list[DeclaredField]


@functools.cache
def declared_fields(kind: str) -> dict[str, DeclaredField]:
    """Return the fields of a dataclass, those of its bases first."""
    node = _classes().get(kind)
    if node is None:
        return {}
    found: dict[str, DeclaredField] = {}
    for base in node.bases:
        found |= declared_fields(ast.unparse(base))
    about = _about_fields(ast.get_docstring(node, clean=False) or "")
    for part in node.body:
        if isinstance(part, ast.AnnAssign):
            name = ast.unparse(part.target)
            default = part.value.value if isinstance(part.value, ast.Constant) else None
            found[name] = DeclaredField(
                name, ast.unparse(part.annotation), default, about.get(name, "")
            )
    return found


@functools.cache
def declared_formats() -> dict[str, DeclaredFormat]:
    """Return the families of formats by their names, in the order of the registry."""
    shared = {*declared_fields(BUILD), "files"}
    found = {}
    for name, title in _known_rows():
        own = [field for key, field in declared_fields(ROWS).items() if key not in shared]
        found[name] = DeclaredFormat(title, True, own)
    for kind, reads_files in _registered():
        settings = declared_fields(_value_of(kind, "BUILDER_CONFIG_CLASS"))
        own = [field for name, field in settings.items() if name not in shared]
        found[_value_of(kind, "FORMAT")] = DeclaredFormat(
            _value_of(kind, "TITLE"), reads_files, own
        )
    return found


@functools.cache
def _classes() -> dict[str, ast.ClassDef]:
    paths = [path for place in _PLACES for path in sorted(_PACKAGE.glob(place))]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    nodes = [node for tree in trees for node in tree.body]
    return {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}


def _registered() -> Iterator[tuple[str, bool]]:
    """Yield the classes of the registry, and whether they read files."""
    source = (_PACKAGE / "formats" / "registry.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if not isinstance(node, ast.AnnAssign) or node.value is None:
            continue
        listed = ast.unparse(node.target)
        if listed in ("FILE_FAMILIES", "OTHER_FAMILIES"):
            for kind in re.findall(r"\b\w+Corpus\b", ast.unparse(node.value)):
                yield kind, listed == "FILE_FAMILIES"


def _known_rows() -> Iterator[tuple[str, str]]:
    """Yield names and titles of the kinds of rows that are only described."""
    # Loading YAML takes longer than all else that help needs, and two keys of it are wanted.
    text = (_PACKAGE / "formats" / "known.yaml").read_text(encoding="utf-8")
    for name, title in re.findall(r"^(\w+):\n  title: (.*)$", text, re.MULTILINE):
        quote = title[0]
        yield name, title[1:-1].replace(quote * 2, quote)


def _value_of(kind: str, name: str) -> Any:
    """Return what a class or the nearest of its bases assigns to a name."""
    node = _classes().get(kind)
    if node is None:
        return None
    for part in node.body:
        if not isinstance(part, ast.Assign | ast.AnnAssign):
            continue
        target = part.targets[0] if isinstance(part, ast.Assign) else part.target
        value = part.value
        if value is not None and ast.unparse(target) == name:
            return value.value if isinstance(value, ast.Constant) else ast.unparse(value)
    found = (_value_of(ast.unparse(base), name) for base in node.bases)
    return next((value for value in found if value is not None), None)


def _about_fields(docstring: str) -> dict[str, str]:
    """Read the first sentence on each field from a docstring."""
    _, _, section = docstring.partition("Attributes:\n")
    found = re.findall(r"^ {4,8}(\w+): (.*(?:\n {9,}.*)*)", section, re.MULTILINE)
    return {
        name: re.split(r"(?<=\.)\s", " ".join(text.split()))[0].rstrip(".") for name, text in found
    }
