# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Measure replies as a reader would judge them.

    python -m tfchat_hf.judging relevance RUN
    python -m tfchat_hf.judging sheet --input questions.jsonl --system model=RUN --output DIR
    python -m tfchat_hf.judging scores DIR/sheet-ann.tsv DIR/sheet-bo.tsv --key DIR/key.json

`python -m tfchat_hf.judging COMMAND --help` says more of each. Exit code: 0 when done, 2 when
something about the command or its files is wrong, 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from . import relevance, scores, sheet_command

COMMANDS = {"relevance": relevance, "scores": scores, "sheet": sheet_command}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that is named first, and turn errors into one sentence and an exit code.

    Args:
        argv: The command line without the program's name; None takes the real one.
    """
    own: dict[str, Any] = {
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,
    }
    parser = argparse.ArgumentParser("python -m tfchat_hf.judging", description=__doc__, **own)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        command.add_options(commands.add_parser(name, description=command.__doc__, **own))
    options = parser.parse_args(argv)
    try:
        COMMANDS[options.command].run(options)
    except (ValueError, OSError, ImportError, RuntimeError) as error:  # the last: no GPU memory
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. Replies that were written stay: the same command goes on.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
