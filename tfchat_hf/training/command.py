# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Train a chat model and write a folder that `from_pretrained` and the Hub understand.

    python train_hf.py configs/quickstart.yaml
    python train_hf.py configs/quickstart.yaml --output_dir runs/mine --num_train_epochs 20
    python train_hf.py configs/quickstart.yaml --resume        # go on after Ctrl-C
    python train_hf.py configs/quickstart.yaml --overwrite     # train anew

A settings file holds `key: value` lines; `--key value` overrules it. The files of configs/
come with the package: where there is no such folder, `quickstart` alone means
configs/quickstart.yaml. `--language zh` or `en` chooses the language of what is shown.

Exit code: 0 when the run is finished, 130 when it was stopped and can be resumed, 2 for an error
that the message explains, 3 when it is finished but could not be pushed.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from data_builders.command_line import (
    WRONG,
    run_command,
    say,
    silence_output,
    tell,
    without_language,
)
from data_builders.translation import _

from ..settings.places import find_settings
from ..settings.reading import Setting, read_settings
from ..settings.run_folder import RunFolder, only_training
from .threads import shorten_spinning


def main(argv: Sequence[str] | None = None) -> int:
    """Run one training.

    Args:
        argv: the command line without the program's name; None takes the real one.

    Returns:
        The exit code.
    """
    words = sys.argv[1:] if argv is None else argv
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    return run_command(
        lambda: _help_or_train(words), stopped="stopped. Go on with the same command and --resume."
    )


def _help_or_train(words: Sequence[str]) -> int:
    arguments = without_language(words)
    logging.addLevelName(logging.WARNING, _("WARNING"))
    if arguments and not {"-h", "--help"} & set(arguments):
        return _check_and_train(arguments)
    reference = find_settings("reference")
    say(_(__doc__) + "\n" + _("Every key, explained: {file}", file=reference))
    return 0 if arguments else WRONG


def _check_and_train(arguments: Sequence[str]) -> int:
    """Say what is wrong before torch loads, which takes seconds."""
    settings = read_settings(arguments)
    first = os.environ.get("RANK", "0") == "0"
    folder = settings.get("output_dir")
    with only_training(Path(folder.value)) if first and folder else nullcontext():
        _check_folder(settings)
        if first:
            tell(_("Loading PyTorch and transformers ..."))
        return _train(arguments)


def _check_folder(settings: Mapping[str, Setting]) -> None:
    """Refuse a folder that may not be written. The run itself looks again."""
    given = {key: setting.value for key, setting in settings.items()}
    if given.get("output_dir"):
        overwrite, resume = given.get("overwrite", False), given.get("resume", False)
        RunFolder(given["output_dir"]).check_free(overwrite, resume)


def _train(arguments: Sequence[str]) -> int:
    """Read the settings and train."""
    shorten_spinning()  # before anything that loads torch
    import datasets
    from tqdm import tqdm
    from transformers.utils import logging as transformers_logging

    from ..settings.parsing import parse_arguments
    from .callbacks import StopRequest
    from .run import run_training

    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    run = parse_arguments(arguments)

    def report(line: str) -> None:
        if not run.training.should_log:
            return
        try:
            tqdm.write(line)  # above the progress bar, where there is one
            sys.stdout.flush()
        except OSError:  # `| head` has ended, the terminal is gone, a disk is full
            silence_output()
            tell(_("note: nobody takes what is printed any more; training goes on."))

    request = StopRequest()
    with request.listening():
        return run_training(run, report, request)
