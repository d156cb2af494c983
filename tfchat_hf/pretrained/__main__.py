# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Put a finished run into the package, in the place of the model that comes with it.

python train_hf.py configs/small_talk.yaml
python -m tfchat_hf.pretrained runs/small_talk
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from data_builders.command_line import CommandParser, run_command, say
from data_builders.errors import UserError
from data_builders.translation import _
from data_builders.writing import whole_folder

from ..settings.run_folder import MEMORY_FOLDER, SETTINGS_FILE
from . import SMALL_TALK

# What loading, answering and knowing what one talks to take; the network's code is the package's.
FILES = (
    "README.md",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "metrics.json",
    SETTINGS_FILE,
    "curves.png",
)
MOST_BYTES = 12_000_000  # of weights: the package is downloaded by everybody


def pack(run: Path, target: Path = SMALL_TALK) -> None:
    """Copy a run's model and memory, whole or not at all.

    Args:
        run: A finished run with a memory.
        target: The folder that they replace.

    Raises:
        UserError: A file is missing, or the weights are too large.
    """
    for name in (*FILES, MEMORY_FOLDER):
        if not (run / name).exists():
            raise UserError(
                "{run} has no {name}. Train it to its end with `memory: true` "
                "(configs/small_talk.yaml).",
                run=run,
                name=name,
            )
    size = (run / "model.safetensors").stat().st_size
    if size > MOST_BYTES:
        raise UserError(
            "{run}: the weights have {size:,} bytes (at most {most_bytes:,} go into the "
            "package). Take a smaller `d_model` or fewer layers.",
            run=run,
            size=size,
            most_bytes=MOST_BYTES,
        )
    with whole_folder(target) as fresh:
        for name in FILES:
            shutil.copy(run / name, fresh / name)
            (fresh / name).chmod(0o644)
        settings = fresh / SETTINGS_FILE
        # Where it was trained is nobody's business.
        text = settings.read_text(encoding="utf-8")
        text = re.sub(r"(?m)^output_dir:.*", f"output_dir: runs/{target.name}", text)
        settings.write_text(text, encoding="utf-8")
        shutil.copytree(run / MEMORY_FOLDER, fresh / MEMORY_FOLDER)


def main(argv: Sequence[str] | None = None) -> int:
    """Pack a run and return the exit code."""
    parser = CommandParser(speaks=True, prog="python -m tfchat_hf.pretrained", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    run = parser.parse_args(argv).run
    return run_command(lambda: _pack_and_say(run))


def _pack_and_say(run: Path) -> None:
    pack(run)
    say(_("{name}: the model of {run} is in the package now", name=SMALL_TALK.name, run=run.name))


if __name__ == "__main__":
    sys.exit(main())
