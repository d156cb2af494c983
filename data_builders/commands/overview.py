# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What can be answered at once: which commands there are, what is misspelt, what is not there.

The libraries that build take a second to load. So the names of formats and options are read from
the source here; the parser of `options`, which has them from the classes, decides in the end.
"""

from __future__ import annotations

import ast
import difflib
import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data_builders.command_line import CommandParser
from data_builders.errors import UserError

PROGRAM = "python -m data_builders"
DESCRIPTION = "Build datasets of dialogues from corpora of any format."
BUILDERS = {
    "build": "any files: the format is guessed, and said",
    "mix": "several sources described in a YAML file",
}
READERS = ("formats", "inspect", "references", "weigh", "push")
_PACKAGE = Path(__file__).parents[1]


def make_overview() -> CommandParser:
    """Describe the command line without the options of the commands that build.

    Returns:
        The parser.
    """
    parser = CommandParser(prog=PROGRAM, description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, title in [*BUILDERS.items(), *format_titles()]:
        commands.add_parser(name, help=title.replace("%", "%%"))
    add_readers(commands)
    return parser


def format_titles() -> Iterator[tuple[str, str]]:
    """Read the name and the title of each format from the source, in the registry's order.

    Yields:
        Pairs of a format and what it is.
    """
    found: dict[str, tuple[Any, Any]] = {}
    for path in (_PACKAGE / "formats").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for kind in (node for node in tree.body if isinstance(node, ast.ClassDef)):
            texts = {
                ast.unparse(target): node.value.value
                for node in kind.body
                if isinstance(node, ast.Assign | ast.AnnAssign)
                and isinstance(node.value, ast.Constant)
                for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            }
            found[kind.name] = (texts.get("FORMAT"), texts.get("TITLE"))
    registry = (_PACKAGE / "formats" / "registry.py").read_text(encoding="utf-8")
    listed = registry[registry.index("FILE_FAMILIES") :]
    for name in dict.fromkeys(re.findall(r"\b\w+Corpus\b", listed)):
        if all(found.get(name, (None, None))):
            yield found[name]


def check_early(words: Sequence[str]) -> None:
    """Refuse an option that no command has, and a source that is not there.

    Args:
        words: The command line, its command first.

    Raises:
        UserError: Names the word, and what was meant.
    """
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    if "-h" in words or "--help" in options:
        return
    known = _option_names()
    for option in options:
        if option not in known and option != "--":
            nearest = difflib.get_close_matches(option, known, n=1, cutoff=0.5)
            advice = f"Did you mean `{nearest[0]}`?" if nearest else "`--help` lists the options."
            raise UserError(f"there is no option `{option}`. {advice}")
    for path in _leading_paths(words):
        if not glob.has_magic(path) and not os.path.lexists(os.path.expanduser(path)):
            raise UserError(f"{path} does not exist. Check the path.")
    _check_output(words)


def _check_output(words: Sequence[str]) -> None:
    """Refuse a folder that this command did not write; of its own the build decides."""
    given = [part for word in words for part in word.split("=", 1 if word[:2] == "--" else 0)]
    places = [given[at + 1] for at, word in enumerate(given[:-1]) if word == "--output"]
    for output in map(Path, places[-1:]):
        own = output.is_dir() and (output / "build.json").is_file()
        if words[0] not in READERS and "--overwrite" not in words and output.exists() and not own:
            raise UserError(
                f"{output} already exists. Choose another --output, or add --overwrite."
            )


def _leading_paths(words: Sequence[str]) -> Iterator[str]:
    """Find the sources that stand before the options; those behind are told by the parser."""
    for word in words[1:]:
        if word.startswith("-"):
            return
        yield word
        if words[0] in READERS:
            return


def _option_names() -> set[str]:
    """Read the names of all options: fields of settings, and what the parsers write out."""
    folders = ("building", "cleaning", "selecting", "formats", "commands")
    names = set()
    for path in (path for folder in folders for path in (_PACKAGE / folder).glob("*.py")):
        text = path.read_text(encoding="utf-8")
        names |= set(re.findall(r'"(--[a-z][a-z-]+)"', text))
        for field in re.findall(r"^    (\w+): ", text, re.MULTILINE):
            option = field.replace("_", "-")
            names |= {f"--{option}", f"--no-{option}"}
    return names


def add_readers(commands: Any) -> None:
    """Describe the commands that build nothing.

    Args:
        commands: Where they are added.
    """
    commands.add_parser("formats", help="list the formats")
    inspect = commands.add_parser("inspect", help="show a built dataset in the terminal")
    inspect.add_argument("path", help="folder written by this command")
    inspect.add_argument("--samples", type=int, default=3, help="dialogues to show (default: 3)")
    references = commands.add_parser(
        "references", help="write a held-out split as questions with all their replies"
    )
    references.add_argument("path", help="folder written by this command")
    references.add_argument("--split", default="test", help="the split (default: test)")
    references.add_argument("--output", required=True, help="JSON lines file to write")
    references.add_argument(
        "--max-context-turns", type=int, default=1, help="turns of a context (default: 1)"
    )
    weigh = commands.add_parser("weigh", help="measure with a model which source teaches something")
    weigh.add_argument("path", metavar="PATH", help="built folder, or FILE.yaml of a mixture")
    weigh.add_argument("--model", required=True, metavar="RUN", help="folder of a finished run")
    weigh.add_argument(
        "--questions", type=int, default=300, help="the most of each source, 0 for all (300)"
    )
    weigh.add_argument(
        "--split", choices=("test", "validation"), help="default: test where there is one"
    )
    weigh.add_argument("--json", action="store_true", help="print JSON")
    weigh.add_argument("--device", default="auto", help="auto (the GPU if there is one), cpu ...")
    push = commands.add_parser("push", help="push a built dataset to the Hub")
    push.add_argument("path", help="folder written by this command")
    push.add_argument("repo_id", metavar="USER/NAME", help="dataset repository on the Hub")
    push.add_argument("--public", action="store_true", help="everybody may see it")
