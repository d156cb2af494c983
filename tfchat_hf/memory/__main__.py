# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""The memory of a model: the questions and replies of its corpus, found again by the question.

    python -m tfchat_hf.memory build runs/mine
    python -m tfchat_hf.memory build runs/mine --dataset data/mine
    python -m tfchat_hf.memory ask runs/mine "你好"
    python -m tfchat_hf.memory learn

`build` remembers the training side of the data that the run names, or of --dataset, and writes it
to RUN/memory. `ask` shows what a question finds, with scores. `learn` learns anew from the small
talk which wordings ask the same, into the file of this package that all memories use. Exit code: 0
when done, 2 when something about the command or its files is wrong, 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data_builders.command_line import CommandParser, check_at_least, run_command, say, tell
from data_builders.errors import UserError
from data_builders.translation import _

from ..settings.run_folder import SETTINGS_FILE
from ..text.console import quiet_libraries
from . import WORDINGS_FILE, check_memory


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code.

    Args:
        argv: The command line without the program's name; None takes the real one.
    """
    arguments = _parser().parse_args(argv)
    work = {"build": _build, "ask": _ask, "learn": _learn}[arguments.command]
    return run_command(lambda: work(arguments), stopped=_("Stopped. Nothing was changed."))


def _build(arguments: argparse.Namespace) -> None:
    """Write the memory of a run."""
    run = arguments.run
    if not run.is_dir():
        raise UserError("{run} is no folder. Give the `output_dir` of a finished run.", run=run)
    if not (run / SETTINGS_FILE).is_file() and arguments.dataset is None:
        raise UserError(
            "{run} has no {settings_file} that names its data. Add --dataset, a corpus "
            "or what `python -m data_builders build` wrote.",
            run=run,
            settings_file=SETTINGS_FILE,
        )
    tell(_("reading the data of {run} ...", run=run))
    quiet_libraries()
    from .building import build_for_run

    build_for_run(run, arguments.dataset, say)


def _ask(arguments: argparse.Namespace) -> None:
    """Show what a question finds, the best first."""
    folder = Path(arguments.run).expanduser()
    if folder.is_dir():
        check_memory(folder, arguments.run)
    tell(_("loading {run} ...", run=arguments.run))
    quiet_libraries()
    from ..engines.model_folder import load_for_chat
    from .memory import Memory
    from .ranking import ModelScorer

    check_at_least(arguments, count=1)
    memory = Memory.from_pretrained(arguments.run)
    scorer = ModelScorer(*load_for_chat(arguments.run, "cpu"))
    found = memory.look_up([arguments.question], arguments.count, scorer)
    for one in found:
        say(f"{one.score:.2f}  {one.question} -> {one.reply}  ({one.source})")
    if not found:
        say(_("nothing shares a letter with it"))
    elif memory.answers(found):
        score = memory.threshold_of(found[0])
        say(_("answered from the memory (from {score:.2f} on)", score=score))
    else:
        score = memory.threshold_of(found[0])
        say(_("left to the model (below {score:.2f})", score=score))


def _learn(arguments: argparse.Namespace) -> None:
    """Write the vectors of wordings."""
    tell(_("learning from the small talk which wordings ask the same, half a minute ..."))
    from .wordings import LANGUAGES, train_wordings, wordings_of_small_talk

    encoder = train_wordings([wordings_of_small_talk(language) for language in LANGUAGES])
    encoder.save(arguments.output)
    say(
        _(
            "{parts:,} parts of questions in {output}",
            parts=len(encoder.parts),
            output=arguments.output,
        )
    )


def _parser() -> CommandParser:
    """Describe the command line."""
    parser = CommandParser(speaks=True, prog="python -m tfchat_hf.memory", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="write the memory of a finished run")
    build.add_argument("run", type=Path, help="folder of a finished run")
    build.add_argument("--dataset", help="what to remember, if not the data that the run names")
    ask = commands.add_parser("ask", help="show what a question finds")
    ask.add_argument("run", help="folder of a model with a memory, or its Hub id")
    ask.add_argument("question")
    ask.add_argument("--count", type=int, default=5, help="how many to show, at most 8 (default 5)")
    learn = commands.add_parser("learn", help="learn anew which wordings ask the same")
    learn.add_argument(
        "--output", type=Path, default=WORDINGS_FILE, help="where to (default: in this package)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
