# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Serve a model to every client of OpenAI's API.

python -m tfchat_hf.serve runs/quickstart
python -m tfchat_hf.serve runs/quickstart --web
python -m tfchat_hf.serve runs/quickstart --port 0 --preset balanced --engine onnx --int8
python -m tfchat_hf.serve runs/quickstart --host 0.0.0.0 --api-key-file key.txt

Ctrl-C or SIGTERM ends it when those that wait have their replies.
"""

from __future__ import annotations

import argparse
import importlib
import ipaddress
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data_builders.command_line import (
    STOPPED,
    CommandParser,
    check_at_least,
    run_command,
    say,
    tell,
)
from data_builders.errors import UserError
from data_builders.translation import _, reason_of

from ..pretrained import SMALL_TALK
from ..settings.places import find_model

if TYPE_CHECKING:
    from fastapi import FastAPI

KEY_VARIABLE = "TFCHAT_API_KEY"
_PACKAGES = ("fastapi", "uvicorn", "prometheus_client")
_SHORTEST_KEY = 16
# What a browser sends as the origin of a page; the host of `--frame` may begin with `*.`.
_ORIGIN = re.compile(r"\*|https?://[\w.*-]+(:\d{1,5})?|https?://\[[\da-f:]+\](:\d{1,5})?", re.ASCII)


def build_parser() -> CommandParser:
    """Describe the command line."""
    parser = CommandParser(speaks=True, prog="python -m tfchat_hf.serve", description=__doc__)
    parser.add_argument(
        "model",
        nargs="?",
        default=str(SMALL_TALK),
        help="folder or Hub id (the model in the package)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (8000)")
    parser.add_argument("--device", default="auto", help="auto (the GPU if there is one), cpu ...")
    parser.add_argument(
        "--engine", default="torch", metavar="ENGINE", help="torch, onnx or ctranslate2"
    )
    parser.add_argument("--int8", action="store_true", help="weights in int8, on the CPU")
    parser.add_argument("--preset", metavar="NAME", help="of the requests that name none")
    parser.add_argument("--web", action="store_true", help="the page for the browser too, at /")
    parser.add_argument("--no-memory", action="store_true", help="the model's own words only")
    parser.add_argument(
        "--max-batch-size", type=int, default=32, metavar="N", help="most replies at once (32)"
    )
    parser.add_argument(
        "--max-waiting",
        type=int,
        default=256,
        metavar="N",
        help="most replies that wait; the next caller is told to try again (256)",
    )
    _add_access(parser)
    return parser


def _add_access(parser: CommandParser) -> None:
    """Add who may ask."""
    key = parser.add_mutually_exclusive_group()
    key.add_argument(
        "--api-key",
        metavar="KEY",
        help="what callers must know; others on this machine can see it here: better the "
        "environment variable TFCHAT_API_KEY, or a file",
    )
    key.add_argument("--api-key-file", type=Path, metavar="FILE", help="file that holds the key")
    key.add_argument(
        "--no-api-key", action="store_true", help="with --host: whoever reaches it may ask"
    )
    parser.add_argument(
        "--cors",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let pages of this origin ask from a browser, such as https://example.org",
    )
    parser.add_argument(
        "--frame",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="with --web: let pages of this origin show the page within theirs",
    )
    parser.add_argument(
        "--drain-seconds",
        type=int,
        default=30,
        metavar="N",
        help="how long those that wait are still answered at the end (30)",
    )
    parser.add_argument(
        "--log-text", action="store_true", help="write questions and replies to the log"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped, and return the exit code."""
    args = build_parser().parse_args(argv)
    return run_command(lambda: _check_and_serve(args))


def _check_and_serve(args: argparse.Namespace) -> int:
    """Say what is wrong before torch loads, which takes seconds."""
    key = check_settings(args)
    with bound_socket(args.host, args.port) as sock:
        tell(_("Loading {model} ...", model=args.model))
        return _serve(args, key, sock)


def check_settings(args: argparse.Namespace) -> str | None:
    """Refuse what cannot be served, and return the key that callers must know, if any."""
    check_at_least(args, max_batch_size=1, max_waiting=1, drain_seconds=0)
    if args.frame and not args.web:
        raise UserError("`--frame` says who may show the page. Add --web, or leave it out.")
    for option in ("cors", "frame"):
        for origin in getattr(args, option):
            _check_origin("--" + option, origin)
    find_model(args.model)
    key = _key(args)
    check_packages()
    return key


def check_packages() -> None:
    """Refuse to begin without what the server is built on.

    Raises:
        UserError: Names the extra.
    """
    for name in _PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UserError(
                "The server needs the package {name}, which cannot be imported ({error}). Install "
                'it with `pip install "tfchat-hf[serve]"`.',
                name=name,
                error=error,
            ) from error


def _check_origin(option: str, origin: str) -> None:
    """Refuse what no browser would send: every page would be kept out, and nobody told why."""
    inexact = option == "--cors" and "*" in origin and origin != "*"
    if inexact or not _ORIGIN.fullmatch(origin):
        raise UserError(
            "`{option}` must be an origin, such as https://example.org: scheme, host and maybe "
            "port, and no path (got {origin!r}).",
            option=option,
            origin=origin,
        )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _key(args: argparse.Namespace) -> str | None:
    """Return the key that callers must know, None where they need none."""
    key, where = args.api_key, "--api-key"
    if args.api_key_file is not None:
        # What is no text is no key either, and is told so below.
        key = args.api_key_file.read_text(encoding="utf-8", errors="replace").strip()
        where = "--api-key-file"
    elif key is None and not args.no_api_key and KEY_VARIABLE in os.environ:
        key, where = os.environ[KEY_VARIABLE], KEY_VARIABLE
    if key is not None and (len(key) < _SHORTEST_KEY or not key.isascii() or not key.isprintable()):
        raise UserError(
            "`{where}` must be at least {least} printable ASCII characters, or it is guessed. "
            "Make one with `python -c 'import secrets; print(secrets.token_urlsafe())'`.",
            where=where,
            least=_SHORTEST_KEY,
        )
    if key is None and not is_loopback(args.host) and not args.no_api_key:
        raise UserError(
            "`--host {host}` lets others reach the model. Give a key that they must know "
            "(`--api-key-file FILE`, or the variable {variable}), or say `--no-api-key`.",
            host=args.host,
            variable=KEY_VARIABLE,
        )
    return key


def bound_socket(host: str, port: int) -> socket.socket:
    """Listen on an address, before anything slow.

    Raises:
        UserError: It is taken, or none of this machine.
    """
    try:
        if not 0 <= port < 2**16:  # the system would take another one
            raise OverflowError(_("a port is a number from 0 to 65535"))
        family, *_rest, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        server = socket.create_server(address, family=family, backlog=2048)
        # asyncio asks this of the sockets that it makes itself. Without it the second of two small
        # pieces (a header and its body, two tokens) waits 40 ms, until the first is confirmed.
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return server
    except (OSError, OverflowError) as error:
        raise UserError(
            "It cannot listen on {host}, port {port}: {reason}. Choose another with `--port` "
            "(0 takes a free one) or `--host`.",
            host=host,
            port=port,
            reason=_why_not(error),
        ) from None


def _why_not(error: OSError | OverflowError) -> str:
    """Return the reason alone: Python adds the address to what the system says."""
    if isinstance(error, OSError):
        says = None if isinstance(error, socket.gaierror) else error.errno
        return reason_of(error) if says is None else _(os.strerror(says))
    return str(error)


def build_app(args: argparse.Namespace, key: str | None) -> FastAPI:
    """Load the model and make its application; the service is in its `state`."""
    from transformers.utils import logging as transformers_logging

    from .app import create_app
    from .gate import LOOPBACK, Settings
    from .service import load_service

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s")
    logging.getLogger("tfchat_hf.serve").setLevel(logging.INFO)
    service = load_service(
        args.model, args.device, args.engine, args.int8, not args.no_memory, args.preset,
        max_batch_size=args.max_batch_size, max_waiting=args.max_waiting,
    )  # fmt: skip
    hosts = (*LOOPBACK, args.host) if is_loopback(args.host) else ()
    app = create_app(service, Settings(hosts, key, tuple(args.cors), log_text=args.log_text))
    if args.web:
        from .page.routes import add_page

        add_page(app, service, args.frame)
    return app


def _serve(args: argparse.Namespace, key: str | None, sock: socket.socket) -> int:
    """Load the model and serve it."""
    from .server import Server

    app = build_app(args, key)
    service = app.state.service
    server = Server(app, service, args.drain_seconds)
    host, port = sock.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    if key is None and not is_loopback(args.host):
        tell(_("WARNING: there is no key. Whoever can reach {host} may ask.", host=host))
    address = f"http://{host}:{port}/v1"
    say(_("{name} answers at {address}", name=service.name, address=address))
    if args.web:
        say(_("Talk to {name} at {address}", name=service.name, address=address[:-2]))
    server.run(sockets=[sock])
    server.close()
    return STOPPED if server.stopped_by == signal.SIGINT else 0
