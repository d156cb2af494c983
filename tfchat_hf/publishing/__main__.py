# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The command that puts a finished run, or a Space of it, on the Hugging Face Hub.

python -m tfchat_hf.publishing runs/mine --hub_model_id name/model --dry_run
python -m tfchat_hf.publishing runs/mine --hub_model_id name/model --private
python -m tfchat_hf.publishing runs/mine --hub_model_id name/model --with_logs --push_memory
python -m tfchat_hf.publishing runs/mine --space name/demo
python -m tfchat_hf.publishing runs/mine --space name/demo --static
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_builders.command_line import CommandParser, run_command, say, tell
from data_builders.translation import _, marked

from ..settings.run_folder import check_finished


def main(argv: Sequence[str] | None = None) -> int:
    """Push a run folder as the command line says.

    Args:
        argv: The command line without the program's name; None takes the real one.

    Returns:
        0 when it is done, 2 for an error that the message explains.
    """
    parser = _parser()
    asked = vars(parser.parse_args(argv))
    if not (asked["space"] or asked["hub_model_id"]):
        parser.error(_("--hub_model_id or --space must say where to: owner/name"))
    if asked["static"] and not asked["space"]:
        parser.error(_("--static needs --space: a page is no model"))
    if asked["static"] and (asked["with_logs"] or asked["push_memory"]):
        parser.error(_("--static uploads the page alone: leave --with_logs and --push_memory out"))
    return run_command(
        lambda: _push(asked),
        stopped="stopped: nothing of it is visible. The same command goes on.",
    )


def _push(asked: dict[str, Any]) -> None:
    """Check what is cheap to check, and push."""
    folder, model_id = Path(asked.pop("run_folder")), asked.pop("hub_model_id")
    space, private = asked.pop("space"), asked.pop("private") or None
    static = asked.pop("static")
    check_finished(folder, asked["push_memory"])
    tell(_("Looking through {folder} ...", folder=folder))
    from huggingface_hub.utils import disable_progress_bars

    from .push import PushOrder, publish
    from .space import publish_space

    if not sys.stderr.isatty():
        disable_progress_bars()
    if space:
        order = PushOrder(space, private, space_sdk="static" if static else "docker", **asked)
        publish_space(folder, order, say, model_id)
    else:
        publish(folder, PushOrder(model_id, private, **asked), say)


def _parser() -> CommandParser:
    """Describe the command line."""
    parser = CommandParser(
        speaks=True,
        prog="python -m tfchat_hf.publishing",
        description="Put a finished run on the Hugging Face Hub.",
    )
    add = parser.add_argument
    add("run_folder", help="the `output_dir` of a finished run")
    add("--hub_model_id", help="where to: owner/name")
    add(
        "--space",
        help="make a Space of this name (owner/name), a page to talk to the model; with "
        "--hub_model_id it loads that model from the Hub, else the model's files are in it",
    )
    switches = {
        "static": marked("with --space: the page of `--engine web`, which needs no server"),
        "private": marked("only the owner sees it"),
        "dry_run": marked("only list what would be uploaded"),
        "with_logs": marked("upload samples and logs too"),
        "push_memory": marked("upload the memory too: it holds the corpus"),
    }
    for name, words in switches.items():
        add(f"--{name}", action="store_true", help=words)
    return parser


if __name__ == "__main__":
    sys.exit(main())
