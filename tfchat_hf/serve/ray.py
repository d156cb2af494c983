# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Serve a model from several processes or machines, by Ray Serve.

python -m tfchat_hf.serve.ray runs/quickstart --replicas 2
python -m tfchat_hf.serve.ray runs/quickstart --max-replicas 8 --max-batch-size 16
RAY_ADDRESS=auto python -m tfchat_hf.serve.ray /shared/model --replicas 4 --api-key-file key.txt

Takes the options of `python -m tfchat_hf.serve`. Each replica is that server, with a model of its
own on one CPU; Ray hands each request to the one with fewer. Ctrl-C or SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_builders.command_line import CommandParser, check_at_least, run_command, say, tell
from data_builders.errors import UserError
from data_builders.translation import _

from .command import build_app, check_settings
from .command import build_parser as build_server_parser


def build_parser() -> CommandParser:
    """Describe the command line."""
    parser = build_server_parser()
    parser.prog, parser.description = "python -m tfchat_hf.serve.ray", __doc__
    parser.add_argument(
        "--replicas", type=int, default=1, metavar="N", help="copies of the model (1)"
    )
    parser.add_argument(
        "--max-replicas",
        type=int,
        metavar="N",
        help="up to so many where each copy has more than a full batch to answer",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped, and return the exit code."""
    args = build_parser().parse_args(argv)
    return run_command(lambda: _check_and_serve(args))


def _check_and_serve(args: argparse.Namespace) -> None:
    check_at_least(args, replicas=1, max_replicas=args.replicas)
    if args.web and (args.max_replicas or args.replicas) > 1:
        raise UserError(
            "`--web` needs one replica: the page's pictures lie in the one that made them (got "
            "{count}). Leave out `--web`, or the replicas.",
            count=args.max_replicas or args.replicas,
        )
    key = check_settings(args)
    try:
        from ray import serve
    except ImportError:
        raise UserError(
            "Ray Serve needs the package ray, which is not installed. Install it with "
            '`pip install "tfchat-hf[ray]"`.'
        ) from None
    if Path(args.model).is_dir():
        args.model = str(Path(args.model).resolve())  # replicas stand elsewhere
    tell(_("Loading {model} ...", model=args.model))
    try:
        serve.start(http_options={"host": args.host, "port": args.port})
        handler = serve.ingress(lambda: build_app(args, key))()
        serve.run(serve.deployment(handler, name="chat", **_size(args)).bind())
        host = f"[{args.host}]" if ":" in args.host else args.host
        address = f"http://{host}:{args.port}/v1"
        say(_("{name} answers at {address}", name=args.model, address=address))
        stopped = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopped.set())
        stopped.wait()
    finally:
        serve.shutdown()


def _size(args: argparse.Namespace) -> dict[str, Any]:
    """Say how many replicas there are, and how much one takes before it says 429 itself."""
    most = {"max_ongoing_requests": args.max_batch_size + args.max_waiting}
    if args.max_replicas is None:
        return {"num_replicas": args.replicas, **most}
    scaling = {"min_replicas": args.replicas, "max_replicas": args.max_replicas}
    return {
        "autoscaling_config": {**scaling, "target_ongoing_requests": args.max_batch_size},
        **most,
    }


if __name__ == "__main__":
    sys.exit(main())
