# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Measure replies as a reader would judge them.

    python -m tfchat_hf.judging relevance RUN
    python -m tfchat_hf.judging sheet --input questions.jsonl --system model=RUN --output DIR
    python -m tfchat_hf.judging scores DIR/sheet-ann.tsv DIR/sheet-bo.tsv --key DIR/key.json

`python -m tfchat_hf.judging COMMAND --help` says more of each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from . import relevance_command, scores_command, sheet_command

COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "relevance": relevance_command.main,
    "scores": scores_command.main,
    "sheet": sheet_command.main,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Hands the arguments on to the command that is named first.

    Args:
        argv: the command line without the program's name; None takes the real one.
    """
    given = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(
        prog="python -m tfchat_hf.judging",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS)
    return COMMANDS[parser.parse_args(given[:1]).command](given[1:])


if __name__ == "__main__":
    sys.exit(main())
