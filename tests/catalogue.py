# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Bring the Chinese catalogue up to date with the texts in the code: `make translations`.

A text of the code is the first argument of `_` and the first two of `counted_text`, each `help`,
`description` and `epilog` of a command line, and the docstring of a module whose command shows it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]
PO = ROOT / "data_builders/translation/zh.po"
MO = PO.with_suffix(".mo")
# Who speaks Chinese. The commands that build data speak English.
SPEAKING = (
    ROOT / "data_builders/command_line.py",
    ROOT / "data_builders/writing.py",
    ROOT / "tfchat_hf",
)
LICENCE = "# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0"
# One day for ever: the file changes with its texts alone.
DAY = datetime(2026, 1, 1, tzinfo=UTC)
SHOWN = {"help", "description", "epilog"}
# What argparse itself says.
ARGPARSE = (
    *("usage: ", "arguments", "options"),
    *("expected one argument", "the following arguments are required: %s"),
    *("argument %(argument_name)s: %(message)s", "not allowed with argument %s"),
    *("invalid %(type)s value: %(value)r", "expected at least one argument"),
    "one of the arguments %s is required",
)
Message = str | tuple[str, str]


def messages(path: Path) -> Iterator[tuple[int, Message]]:
    """Find the texts of one module: (line, the text, or its singular and plural)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
        if name == "_" and texts:
            yield node.lineno, texts[0]
        elif name == "counted_text":
            yield node.lineno, (texts[0], texts[1])
        for keyword in node.keywords:
            if keyword.arg not in SHOWN:
                continue
            if isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str):
                yield node.lineno, keyword.value.value
            elif isinstance(keyword.value, ast.Name) and keyword.value.id == "__doc__":
                yield 1, ast.get_docstring(tree, clean=False) or ""


def texts_of_the_code() -> Catalog:
    """Collect all texts, each once, with the places where it stands."""
    catalog = Catalog(
        locale="zh",
        project="tfchat-hf",
        header_comment=LICENCE,
        creation_date=DAY,
        revision_date=DAY,
        fuzzy=False,
    )
    for text in ARGPARSE:
        catalog.add(text, auto_comments=["argparse"])
    for root in SPEAKING:
        for path in sorted([root] if root.is_file() else root.rglob("*.py")):
            for _line, text in messages(path):
                catalog.add(text, locations=[(path.relative_to(ROOT).as_posix(), 0)])
    return catalog


def read_catalogue() -> Catalog:
    """Read the Chinese texts."""
    with PO.open("rb") as file:
        return read_po(file, locale="zh")


def compiled(catalog: Catalog) -> bytes:
    """Return the binary file that `gettext` reads."""
    out = BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def main() -> None:
    """Add new texts without a translation, drop those that are gone, compile; name what lacks."""
    known, found = read_catalogue(), texts_of_the_code()
    for message in found:
        if message.id and (old := known.get(message.id)):
            message.string = old.string
    with PO.open("wb") as file:
        write_po(file, found, width=100, include_lineno=False, sort_output=False, omit_header=False)
    MO.write_bytes(compiled(found))
    missing = [message.id for message in found if message.id and not message.string]
    lines = [f"{len(found)} texts, {len(missing)} without Chinese", *map(str, missing)]
    sys.stdout.write("\n- ".join(lines) + "\n")


if __name__ == "__main__":
    main()
