# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The code that a model folder carries, held against the package's own."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

from ..model import layers_tfchat, modeling_tfchat

# What the network computes stands in these.
NETWORK_FILES = tuple(Path(str(module.__file__)) for module in (layers_tfchat, modeling_tfchat))


def differing_code(folder: Path) -> list[str]:
    """Name the files of the network that a folder carries in another form than this package.

    Where the package is installed, its own network answers, whatever the folder carries. A folder
    of version 0.1, whose files were others, has nothing to compare.
    """
    if not (folder / NETWORK_FILES[0].name).is_file():
        return []
    carried = {own: folder / own.name for own in NETWORK_FILES}
    return [
        own.name
        for own, copy in carried.items()
        if copy.is_file() and code_sum(copy) != code_sum(own)
    ]


def code_sum(path: Path) -> str:
    """Digest what a file does: comments, layout and docstrings may change."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            del body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(node: ast.AST) -> bool:
    """Tell a docstring."""
    is_constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_constant and isinstance(node.value.value, str)
