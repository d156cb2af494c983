# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""The memory of a model: the questions and replies of its corpus, found again by the question.

    python -m tfchat_hf.memory build runs/mine
    python -m tfchat_hf.memory build runs/mine --dataset data/mine
    python -m tfchat_hf.memory ask runs/mine "你好"

`build` remembers the training side of the data that the run names, or of --dataset, and writes it
to RUN/memory. `ask` shows what a question finds, with scores. Exit code: 0 when done, 2 when
something about the command or its files is wrong, 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data_builders.command_line import CommandParser, run_command, tell

from ..settings.places import find_model
from ..text.errors import UserError


def main(argv: Sequence[str] | None = None) -> int:
    """Parses, works, and turns errors into one sentence and an exit code.

    Args:
        argv: the command line without the program's name; None takes the real one.
    """
    arguments = _parser().parse_args(argv)
    return run_command(lambda: _run(arguments), "Stopped. Nothing was changed.")


def _run(arguments: argparse.Namespace) -> None:
    """Makes the libraries quiet and does the work."""
    if arguments.command == "build" and not arguments.run.is_dir():
        raise UserError(f"{arguments.run} is no folder. Give the `output_dir` of a finished run.")
    find_model(str(arguments.run))
    tell(f"Loading {arguments.run} ...")
    import datasets
    from transformers.utils import logging as transformers_logging

    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    if arguments.command == "build":
        from .writing import build_for_run

        build_for_run(arguments.run, arguments.dataset, _say)
        return
    from ..engines.model_folder import load_for_chat
    from .memory import Memory
    from .opinion import ModelOpinion

    memory = Memory.from_pretrained(arguments.run)
    judge = ModelOpinion(*load_for_chat(arguments.run, "cpu"))
    found = memory.look_up([arguments.question], arguments.count, judge)
    for one in found:
        _say(f"{one.score:.2f}  {one.question} -> {one.reply}  ({one.source})")
    _say(
        "nothing shares a letter with it"
        if not found
        else _verdict(found[0].score, memory.threshold_of(found[0]))
    )


def _verdict(score: float, threshold: float) -> str:
    """Says whether the first of them would be the answer."""
    if score >= threshold:
        return f"answered from the memory (from {threshold:.2f} on)"
    return f"left to the model (below {threshold:.2f})"


def _say(line: str) -> None:
    """Prints a line at once, also into a file."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = CommandParser(
        prog="python -m tfchat_hf.memory",
        description=__doc__,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="write the memory of a finished run")
    build.add_argument("run", type=Path, help="folder of a finished run")
    build.add_argument("--dataset", help="what to remember, if not the data that the run names")
    ask = commands.add_parser("ask", help="show what a question finds")
    ask.add_argument("run", help="folder of a model with a memory, or its Hub id")
    ask.add_argument("question")
    ask.add_argument("--count", type=int, default=5, help="how many to show (default 5)")
    return parser
