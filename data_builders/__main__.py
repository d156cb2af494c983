# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Build datasets of dialogues on the command line.

python -m data_builders build my_chat.txt more/ corpus.tar.gz --output data/mine
python -m data_builders separated my_chat.txt --separator "=" --output data/mine
python -m data_builders mix mixture.yaml --output data/mixed
python -m data_builders chatterbot --languages zh en --output data/chatterbot
python -m data_builders inspect data/mine
python -m data_builders weigh data/mine --model runs/mine
python -m data_builders push data/mine your-name/your-dataset
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from data_builders.command_line import run_command, say
from data_builders.commands.declared import declared_formats
from data_builders.commands.options import check_early, make_parser
from data_builders.translation import _


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and give the exit code: 0, 2 after an error, 130 after Ctrl-C."""
    arguments = make_parser().parse_args(argv)
    return run_command(
        lambda: _check_and_run(arguments),
        stopped="stopped. Run the same command again: it goes on where it stopped.",
    )


def _check_and_run(arguments: argparse.Namespace) -> None:
    """Say what is wrong before the libraries load, which takes a second."""
    check_early(arguments)
    if arguments.command == "formats":
        for name, family in declared_formats().items():
            say(f"{name:18} {_(family.title)}")
        return
    from data_builders.commands.command import run

    run(arguments)


if __name__ == "__main__":
    sys.exit(main())
