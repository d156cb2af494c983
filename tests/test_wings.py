# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Imports run one way: a wing stands on those named before it, and on nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up. A wing may import itself and whatever stands before it.
HOUSES = {
    "data_builders": (
        "translation widths errors interrupts writing command_line placeholders script report "
        "dialogue language reading rows cleaning selecting building formats sources output "
        "datatrove_steps commands __main__"
    ).split(),
    "tfchat_hf": (
        "model text settings examples fast engines convert memory measuring publishing training "
        "pretrained chat judging compare look serve"
    ).split(),
}


def imports(house: str) -> Iterator[tuple[str, str, str]]:
    """Every import of a module by another of its house: (file:line, wing, imported wing)."""
    for path in sorted((ROOT / house).rglob("*.py")):
        package = path.relative_to(ROOT).with_suffix("").parts[:-1]
        place = path.relative_to(ROOT / house).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            above = package[: len(package) + 1 - node.level] if node.level else ()
            parts = [*above, *(node.module or "").split(".")]
            names = [[*parts, alias.name] for alias in node.names] if len(parts) < 2 else [parts]
            for name in [[part for part in found if part] for found in names]:
                if name[0] == house and len(name) > 1 and name[1] != place:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", place, name[1]


@pytest.mark.parametrize("house", HOUSES)
def test_every_part_has_its_place(house):
    found = {path.stem for path in (ROOT / house).iterdir() if path.name[0] not in "_."}
    # `ladder` is the old name of a command, which says the new one.
    assert found - {"corpora", "py", "ladder"} == set(HOUSES[house]) - {"__main__"}


@pytest.mark.parametrize("house", HOUSES)
def test_imports_run_one_way(house):
    floors = HOUSES[house]
    wrong = [
        f"{place}: {wing} -> {other}"
        for place, wing, other in imports(house)
        if wing in floors and other in floors and floors.index(other) > floors.index(wing)
    ]
    assert wrong == []


def what_runs(node: ast.AST) -> Iterator[ast.AST]:
    """All below a node, without what only a type checker reads."""
    yield node
    if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
        for child in ast.iter_child_nodes(node):
            yield from what_runs(child)


def arrows_of(house: str) -> dict[str, set[str]]:
    """What each module of a house imports of it, at once or within a function."""
    paths = {path.relative_to(ROOT).with_suffix(""): path for path in (ROOT / house).rglob("*.py")}
    modules = {".".join(name.parts).removesuffix(".__init__"): path for name, path in paths.items()}
    arrows: dict[str, set[str]] = {}
    for module, path in modules.items():
        package = module.split(".")[: None if path.name == "__init__.py" else -1]
        arrows[module] = set()
        for node in what_runs(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *(node.module or "").split(".")]).rstrip(".")
            for alias in node.names:
                named = [name for name in (f"{base}.{alias.name}", base) if name in modules]
                arrows[module] |= set(named[:1]) - {module}
    return arrows


@pytest.mark.parametrize("house", HOUSES)
def test_no_module_imports_itself_by_way_of_others(house):
    arrows = arrows_of(house)
    assert sum(map(len, arrows.values())) > len(arrows)
    while leaves := [module for module, imported in arrows.items() if not imported & {*arrows}]:
        arrows = {module: imported for module, imported in arrows.items() if module not in leaves}
    assert not arrows, f"in a circle, or on the way to one: {sorted(arrows)}"
