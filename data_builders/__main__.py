# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Build a dataset of dialogues on the command line.

python -m data_builders chatterbot --output data/chatterbot --languages zh en
python -m data_builders pairs my_chat.jsonl more.tsv --output data/mine --strict
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from data_builders.build import build_dialogues, check_output, save_result
from data_builders.chatterbot import DEFAULT_EXCLUDED
from data_builders.report import REJECTS_FILE, DataError


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line.

    Args:
        argv: The arguments; those of the process if None.

    Returns:
        The settings.
    """
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--output", required=True, help="folder to write")
    shared.add_argument("--overwrite", action="store_true", help="replace a dataset there")
    shared.add_argument("--languages", nargs="+", default=[], help="languages to keep")
    shared.add_argument("--strict", action="store_true", help="stop at the first broken row")
    shared.add_argument("--validation-fraction", type=float, default=0.05, help="default: 0.05")
    shared.add_argument("--test-fraction", type=float, default=0.0, help="default: 0, no split")
    shared.add_argument("--cache-dir", help="cache of datasets (default: its own)")

    parser = argparse.ArgumentParser(prog="python -m data_builders", description="Build dialogues.")
    commands = parser.add_subparsers(dest="command", required=True)
    chatterbot = commands.add_parser(
        "chatterbot", parents=[shared], help="the corpus of the package chatterbot-corpus"
    )
    chatterbot.add_argument(
        "--exclude-categories",
        nargs="*",
        default=list(DEFAULT_EXCLUDED),
        help="categories to leave out (default: coding, whose replies are program listings)",
    )
    pairs = commands.add_parser("pairs", parents=[shared], help="your own files")
    pairs.add_argument("files", nargs="+", metavar="FILE", help=".jsonl, .json, .tsv or .txt")
    return parser.parse_args(argv)


def run(arguments: argparse.Namespace) -> None:
    """Build, save and say the counts.

    Args:
        arguments: What `parse_arguments` gave.
    """
    # The counts are printed at the end; the log would say them twice.
    logging.getLogger("data_builders").setLevel(logging.ERROR)
    check_output(arguments.output, arguments.overwrite)
    result = build_dialogues(
        arguments.files if arguments.command == "pairs" else "chatterbot",
        languages=arguments.languages,
        strict=arguments.strict,
        cache_dir=arguments.cache_dir,
        validation_fraction=arguments.validation_fraction,
        test_fraction=arguments.test_fraction,
        exclude_categories=getattr(arguments, "exclude_categories", DEFAULT_EXCLUDED),
    )
    save_result(result, arguments.output, arguments.overwrite)
    for line in result.report.lines():
        print(line)
    if result.report.rejected:
        print(f"each of them is in {arguments.output}/{REJECTS_FILE}")
    print(f"written to {arguments.output}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; what the user can put right is said in one sentence.

    Args:
        argv: The arguments; those of the process if None.

    Returns:
        The exit code: 0, or 2 after an error.
    """
    try:
        run(parse_arguments(argv))
    except (DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
