# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Trains a chat model and writes a folder that `from_pretrained` and the Hub understand.

    python train_hf.py configs/quickstart.yaml
    python train_hf.py configs/quickstart.yaml --output_dir runs/mine --num_train_epochs 20
    python train_hf.py configs/quickstart.yaml --resume        # go on after Ctrl-C
    python train_hf.py configs/quickstart.yaml --overwrite     # train anew

A settings file holds `key: value` lines; `--key value` overrules it. configs/reference.yaml
explains every key.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one training.

    Args:
        argv: the command line without the program's name; None takes the real one.

    Returns:
        0 when the run is finished, 130 when it was stopped and can be resumed, 2 for an error
        that the message explains, 3 when it is finished but could not be pushed.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        return _train(arguments)
    except KeyboardInterrupt:
        print("\nstopped. Go on with the same command and --resume.", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        logger.debug("the error in full", exc_info=True)
        print(f"error: {error}", file=sys.stderr)
        return 2


def _train(arguments: Sequence[str]) -> int:
    """Reads the settings and trains; imports late, so that `--help` answers at once."""
    import datasets
    from tqdm import tqdm
    from transformers.utils import logging as transformers_logging

    from tfchat_hf.settings.reading import parse_arguments
    from tfchat_hf.training.callbacks import StopRequest
    from tfchat_hf.training.run import run_training

    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    run = parse_arguments(arguments)

    def report(line: str) -> None:
        if run.training.should_log:
            tqdm.write(line)  # above the progress bar, where there is one
            sys.stdout.flush()

    request = StopRequest()
    with request.listening():
        return run_training(run, report, request)


if __name__ == "__main__":
    sys.exit(main())
