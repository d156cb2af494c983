# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Convert a checkpoint of the original TFChat to a model folder, and execute nothing in it.

    python -m tfchat_hf.convert checkpoint.pth --words dataset/WORDMAP_corpus.json \
        --output runs/original
    python chat_hf.py runs/original

Such a checkpoint is a pickle, which can run any code when torch loads it. Here it is looked
through first: what names anything but the classes of the original and tensors is refused. The
folder's logits are those of the original's code on these weights.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from data_builders.command_line import CommandParser, run_command, say, tell
from data_builders.errors import UserError
from data_builders.translation import _

from ..text.console import quiet_libraries


def main(argv: Sequence[str] | None = None) -> int:
    """Convert as the command line says, and return the exit code.

    Args:
        argv: The command line without the program's name; None takes the real one.
    """
    options = _parser().parse_args(argv)
    return run_command(
        lambda: _convert(options.checkpoint, options.words, options.output),
        "stopped: nothing was written.",
    )


def _parser() -> CommandParser:
    """Describe the command line."""
    parser = CommandParser(speaks=True, prog="python -m tfchat_hf.convert", description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="what the original's training saved (.pth)")
    parser.add_argument("--words", type=Path, required=True, help="its WORDMAP_corpus.json")
    parser.add_argument("--output", type=Path, required=True, help="the folder to make")
    return parser


def _convert(checkpoint: Path, words: Path, output: Path) -> None:
    """Check what is cheap to check, and convert."""
    for option, path in (("checkpoint", checkpoint), ("--words", words)):
        if not path.is_file():
            raise UserError(
                "`{option}` must be a file (got {path}, which is none).", option=option, path=path
            )
    if output.exists():
        raise UserError(
            "`--output` {output} is there already. Give a name that is free.", output=output
        )
    tell(_("Reading {checkpoint} ...", checkpoint=checkpoint))
    quiet_libraries()
    from .converting import convert

    count = convert(checkpoint, words, output)
    say(
        _(
            "Converted to {output}: {count:,} parameters. Talk to it: python chat_hf.py {output}",
            output=output,
            count=count,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
