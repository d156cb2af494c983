# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The command that puts a finished run on the Hugging Face Hub.

python -m tfchat_hf.publishing runs/mine --hub_model_id name/model --dry_run
python -m tfchat_hf.publishing runs/mine --hub_model_id name/model --private
python -m tfchat_hf.publishing runs/mine --hub_model_id name/model --with_logs --push_memory
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_builders.command_line import CommandParser, run_command, say, tell

from ..settings.run_folder import check_finished


def main(argv: Sequence[str] | None = None) -> int:
    """Push a run folder as the command line says.

    Args:
        argv: The command line without the program's name; None takes the real one.

    Returns:
        0 when it is done, 2 for an error that the message explains.
    """
    asked = vars(_parser().parse_args(argv))
    stopped = "stopped: nothing of it is visible. The same command goes on."
    return run_command(lambda: _push(asked), stopped)


def _push(asked: dict[str, Any]) -> None:
    """Check what is cheap to check, and push."""
    folder, repo_id = Path(asked.pop("run_folder")), asked.pop("hub_model_id")
    check_finished(folder, asked["push_memory"])
    tell(f"Looking through {folder} ...")
    from huggingface_hub.utils import disable_progress_bars

    from .push import PushOrder, publish

    if not sys.stderr.isatty():
        disable_progress_bars()
    publish(folder, PushOrder(repo_id, asked.pop("private") or None, **asked), report=say)


def _parser() -> CommandParser:
    """Describe the command line."""
    parser = CommandParser(
        speaks=True,
        prog="python -m tfchat_hf.publishing",
        description="Put a finished run on the Hugging Face Hub.",
    )
    parser.add_argument("run_folder", help="the `output_dir` of a finished run")
    parser.add_argument("--hub_model_id", required=True, help="where to: owner/name")
    switches = {
        "private": "only the owner sees it",
        "dry_run": "only list what would be uploaded",
        "with_logs": "upload samples and logs too",
        "push_memory": "upload the memory too: it holds the corpus",
    }
    for name, words in switches.items():
        parser.add_argument(f"--{name}", action="store_true", help=words)
    return parser


if __name__ == "__main__":
    sys.exit(main())
