# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Measure replies as a reader would judge them.

    python -m tfchat_hf.judging relevance RUN
    python -m tfchat_hf.judging sheet --input questions.jsonl --system model=RUN --output DIR
    python -m tfchat_hf.judging scores DIR/sheet-ann.tsv DIR/sheet-bo.tsv --key DIR/key.json

`python -m tfchat_hf.judging COMMAND --help` says more of each. Exit code: 0 when done, 2 when
something about the command or its files is wrong, 130 on Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from data_builders.command_line import CommandParser, run_command

from . import relevance, scores, sheet_command

COMMANDS = {"relevance": relevance, "scores": scores, "sheet": sheet_command}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that is named first, and return the exit code.

    Args:
        argv: The command line without the program's name; None takes the real one.
    """
    parser = CommandParser(speaks=True, prog="python -m tfchat_hf.judging", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        command.add_options(commands.add_parser(name, description=command.__doc__))
    options = parser.parse_args(argv)
    stopped = "Stopped. Replies that were written stay: the same command goes on."
    return run_command(lambda: COMMANDS[options.command].run(options), stopped)


if __name__ == "__main__":
    sys.exit(main())
