# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Compare all presets of a model on questions it was not trained on.

    python -m tfchat_hf.compare runs/mine
    python -m tfchat_hf.compare runs/mine --presets balanced,creative --seeds 3
    python -m tfchat_hf.compare runs/mine --setting "mine: temperature=0.7,top_p=0.9"

Writes a table (presets.md), a picture (presets.png) and everything (presets.json) to RUN/compare.
What was decoded is kept: the same command goes on where it was stopped, and another one decodes
only what is new. Exit code: 0 when done, 2 when something about the command or its files is wrong,
130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data_builders.command_line import (
    CommandParser,
    check_at_least,
    names_in,
    run_command,
    say,
    tell,
)
from data_builders.errors import UserError
from data_builders.translation import _

from ..settings.places import check_run_folder
from ..text.console import quiet_libraries


class Options(argparse.Namespace):
    """One call of the command; `--help` says what each option means."""

    run: Path
    dataset: str | None
    split: str | None
    questions: int
    presets: list[str] | None
    settings: list[str]
    reverse_model: Path | None
    batch_size: int
    output: Path
    seeds: int
    samples: int
    device: str


def main(argv: Sequence[str] | None = None) -> int:
    """Compare as the command line says, and return the exit code.

    Args:
        argv: The command line without the program's name; None takes the real one.
    """
    options = read_options(argv)
    stopped = _("Stopped. What was decoded is kept: the same command goes on from it.")
    return run_command(lambda: _run(options), stopped)


def _run(options: Options) -> None:
    """Check what is cheap to check, and do the work."""
    _check(options)
    tell(_("Loading {run} ...", run=options.run))
    quiet_libraries()
    from .compare import compare_presets

    compare_presets(options, say)


def _check(options: Options) -> None:
    """Refuse numbers and folders that cannot be, before anything slow begins."""
    check_at_least(options, questions=0, batch_size=1, seeds=1, samples=0)
    for path in (options.run, options.reverse_model):
        if path is not None:
            check_run_folder(path)
    if options.output.exists() and not options.output.is_dir():
        raise UserError(
            "`--output` {output} is a file. Choose another name for the folder.",
            output=options.output,
        )


def read_options(argv: Sequence[str] | None = None) -> Options:
    """Read a command line."""
    parser = CommandParser(speaks=True, prog="python -m tfchat_hf.compare", description=__doc__)
    add = parser.add_argument
    add("run", type=Path, help="folder of a finished run")
    add("--dataset", help="where its data lies now, if not where it lay")
    add("--split", choices=("test", "validation"), help="default: test where there is one")
    add("--questions", type=int, default=500, help="the most to ask, 0 for all (default 500)")
    add("--presets", type=names_in, metavar="A,B", help="only these, and greedy; default all")
    add(
        "--setting",
        dest="settings",
        action="append",
        default=[],
        metavar="'NAME: KEY=VALUE,...'",
        help="one more row; `preset=NAME` among the keys says on top of which preset",
    )
    add("--reverse-model", type=Path, metavar="RUN", help="a run trained with the sides swapped")
    add("--batch-size", type=int, default=32, help="questions at a time (default 32)")
    add("--output", type=Path, metavar="DIR", help="default RUN/compare")
    add("--seeds", type=int, default=1, help="times that rows drawing at random are decoded")
    add("--samples", type=int, default=0, metavar="N", help="write N questions with all replies")
    add("--device", default="auto", help="auto (the GPU if there is one), cpu ...")
    options = parser.parse_args(argv, Options())
    options.output = options.output or options.run / "compare"
    return options


if __name__ == "__main__":
    sys.exit(main())
