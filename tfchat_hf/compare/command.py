# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""All presets of a model, side by side on questions it was not trained on.

    python -m tfchat_hf.compare runs/mine
    python -m tfchat_hf.compare runs/mine --presets balanced,creative --seeds 3
    python -m tfchat_hf.compare runs/mine --setting "mine: temperature=0.7,top_p=0.9"

Writes a table (ladder.md), a picture (ladder.png) and everything (ladder.json) to RUN/ladder. What
was decoded is kept: the same command goes on where it was stopped, and another one decodes only
what is new. Exit code: 0 when done, 2 when something about the command or its files is wrong, 130
on Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .options import SPLITS, LadderOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses, measures, and turns errors into one sentence and an exit code.

    Args:
        argv: the command line without the program's name; None takes the real one.
    """
    arguments = _parser().parse_args(argv)
    try:
        _run(_options(arguments))
    except (ValueError, OSError, ImportError, RuntimeError) as error:  # the last: no GPU memory
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. What was decoded is kept: the same command goes on from it.\n")
        return 130
    return 0


def _run(options: LadderOptions) -> None:
    """Makes the libraries quiet and does the work."""
    import datasets
    from transformers.utils import logging

    from ..text.console import prepare_streams
    from .measuring import measure_ladder

    prepare_streams()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    datasets.disable_progress_bars()
    measure_ladder(options, _say)


def _say(line: str) -> None:
    """Prints a line at once, also into a file."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _options(arguments: argparse.Namespace) -> LadderOptions:
    """Makes options of a command line."""
    given = vars(arguments)
    names = given.pop("presets")
    presets = None
    if names is not None:
        presets = [name.strip() for name in names.split(",") if name.strip()]
    return LadderOptions(presets=presets, **given)


def _parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tfchat_hf.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("run", type=Path, help="folder of a finished run")
    add("--dataset", help="where its data lies now, if not where it lay")
    add("--split", choices=SPLITS, help="default: test where there is one, else validation")
    add("--questions", type=int, default=500, help="the most to ask, 0 for all (default 500)")
    add("--presets", metavar="A,B", help="only these, and greedy; default all")
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
    add("--output", type=Path, metavar="DIR", help="default RUN/ladder")
    add("--seeds", type=int, default=1, help="times that rows drawing at random are decoded")
    add("--samples", type=int, default=0, metavar="N", help="write N questions with all replies")
    add("--device", default="auto", help="auto (the GPU if there is one), cpu ...")
    return parser
