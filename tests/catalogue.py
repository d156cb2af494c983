# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Bring the Chinese catalogue up to date with the texts in the code: `make translations`.

A text of the code is the first one given to `_`, `marked`, `require` and `UserError`, both of
`counted_text`, each `help`, `description` and `epilog` of a command line, `about` of a setting and
what a command says when it is `stopped`, and the docstring of a module whose command shows it. The
commands that build data show the titles of their formats and what their settings are about. The
report of a build has names for what it counts too: `RULES`, the rules of selection, and what `note`
is told, until a bracket.
"""

from __future__ import annotations

import ast
import errno
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from data_builders.commands import declared
from data_builders.report import EXACT_DUPLICATE
from data_builders.script import MIXED, SCRIPTS
from data_builders.selecting import pair_texts, selection
from data_builders.selecting.splits import SPLITS

ROOT = Path(__file__).parents[1]
PO = ROOT / "data_builders/translation/zh.po"
MO = PO.with_suffix(".mo")
SPEAKING = (ROOT / "data_builders", ROOT / "tfchat_hf")
LICENCE = "# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0"
# One day for ever: the file changes with its texts alone.
DAY = datetime(2026, 1, 1, tzinfo=UTC)
SHOWN = {"help", "description", "epilog", "about", "stopped"}
TAKING = {"_", "marked", "require", "UserError", "OutputError"}
# What argparse itself says.
ARGPARSE = (
    *("usage: ", "arguments", "options"),
    *("expected one argument", "the following arguments are required: %s"),
    *("argument %(argument_name)s: %(message)s", "not allowed with argument %s"),
    *("invalid %(type)s value: %(value)r", "expected at least one argument"),
    "one of the arguments %s is required",
)
# What the report of a build counts, by its names.
CORPUS = (
    *(*SCRIPTS, MIXED, *SPLITS, EXACT_DUPLICATE, *pair_texts.RULES),
    *(selection.NEAR, selection.BEGINNING, selection.ENTROPY, selection.LEAK),
    *(selection.REPLY_CAP, selection.QUESTION_CAP, selection.NO_PAIR, selection.WEIGHT),
)
# What the system says of files and addresses.
SYSTEM = tuple(
    os.strerror(number)
    for number in (
        *(errno.ENOENT, errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR),
        *(errno.ENOSPC, errno.EROFS, errno.EIO, errno.EFBIG, errno.ENAMETOOLONG, errno.EPIPE),
        *(errno.EADDRINUSE, errno.EADDRNOTAVAIL),
    )
)
Text = str | tuple[str, str]


def messages(path: Path) -> Iterator[tuple[int, Text]]:
    """Find the texts of one module: (line, the text, or its singular and plural)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RULES":
            rules = [one for one in ast.walk(node.value) if isinstance(one, ast.Constant)]
            yield from ((node.lineno, one.value) for one in rules)
        if isinstance(node, ast.Name) and node.id == "__doc__":
            yield 1, ast.get_docstring(tree, clean=False) or ""
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
        if name in TAKING and texts:
            yield node.lineno, texts[0]
        elif name == "OwnSetting":
            yield node.lineno, str(texts[-1])
        elif name == "counted_text":
            yield node.lineno, (texts[0], texts[1])
        for keyword in node.keywords:
            if keyword.arg not in SHOWN:
                continue
            if isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str):
                yield node.lineno, keyword.value.value


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
    for text in SYSTEM:
        catalog.add(text, auto_comments=["of the system"])
    for text in (*CORPUS, *noted()):
        catalog.add(text, auto_comments=["what the report of a build counts"])
    for text in said_of_settings():
        catalog.add(text, auto_comments=["of a format or a setting of the data builders"])
    for root in SPEAKING:
        for path in sorted(root.rglob("*.py")):
            for _line, text in messages(path):
                catalog.add(text, locations=[(path.relative_to(ROOT).as_posix(), 0)])
    return catalog


def said_of_settings() -> Iterator[str]:
    """Find what the help of the data builders says of formats and settings."""
    for family in declared.declared_formats().values():
        yield family.title
        yield from (field.about for field in family.fields)
    for kind in (declared.BUILD, declared.ROWS, declared.CLEANING, declared.SELECTION):
        yield from (field.about for field in declared.declared_fields(kind).values())


def noted() -> Iterator[str]:
    """Find what the builders note in the report of a build."""
    for path in sorted((ROOT / "data_builders").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "style.counts":
                yield ast.literal_eval(node.slice)
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if not called or node.func.attr != "note":
                continue
            what = node.args[0]
            if isinstance(what, ast.JoinedStr):
                head, bracket, _rest = ast.unparse(what)[2:-1].partition(" ({")
                if bracket:
                    yield head
            elif isinstance(what, ast.Constant):
                yield what.value


def read_catalogue() -> Catalog:
    """Read the Chinese texts."""
    with PO.open("rb") as file:
        return read_po(file, locale="zh")


def compiled(catalog: Catalog) -> bytes:
    """Return the binary file that `gettext` reads."""
    out = BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def lacks_chinese(message: Message) -> bool:
    """Tell whether a text has no Chinese; that of a counted one is a tuple of one."""
    chinese = message.string if isinstance(message.id, str) else message.string[0]
    return bool(message.id) and not chinese


def main() -> None:
    """Add new texts without a translation, drop those that are gone, compile; name what lacks."""
    known, found = read_catalogue(), texts_of_the_code()
    for message in found:
        if message.id and (old := known.get(message.id)):
            message.string = old.string
    with PO.open("wb") as file:
        write_po(file, found, width=100, include_lineno=False, sort_output=False, omit_header=False)
    MO.write_bytes(compiled(found))
    missing = [one.id for one in found if lacks_chinese(one)]
    lines = [f"{len(found)} texts, {len(missing)} without Chinese", *map(str, missing)]
    sys.stdout.write("\n- ".join(lines) + "\n")


if __name__ == "__main__":
    main()
