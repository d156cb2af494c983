# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`chat_hf.py` and `tfchat-chat`: the chat of the terminal, and with `--web` in the browser."""

from __future__ import annotations

import argparse
import socket
import threading
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from data_builders.command_line import say, tell
from data_builders.errors import UserError
from data_builders.translation import _

from ...chat import command

if TYPE_CHECKING:
    from ..server import Server

_HOST = "127.0.0.1"
# A browser keeps conversations by port: the first free one, and any only where none of them is.
_PORTS = (*range(8000, 8010), 0)


def main(argv: Sequence[str] | None = None) -> int:
    """Talk to a model, and return the exit code."""
    return command.main(argv, web=serve_page)


def serve_page(args: argparse.Namespace) -> int:
    """Serve the page to this machine until Ctrl-C.

    Args:
        args: Of the chat: model, device, engine, int8, no_memory, preset and no_browser.
    """
    from ..command import check_packages

    check_packages()
    with _door() as door:
        address = f"http://{_HOST}:{door.getsockname()[1]}/"
        server = _server(args)
        say(_("Talk to {name} at {address}", name=server.service.name, address=address))
        tell(_("Ctrl-C ends it."))
        if not args.no_browser:
            threading.Thread(target=_open, args=(address,), daemon=True).start()
        server.run(sockets=[door])
        server.close()
    tell(_("\nThe page has ended; its conversations are in the browser."))
    return 0


def _door() -> socket.socket:
    """Listen on the first port that nobody else has."""
    from ..command import bound_socket

    for port in _PORTS[:-1]:
        with suppress(UserError):
            return bound_socket(_HOST, port)
    return bound_socket(_HOST, _PORTS[-1])


def _open(address: str) -> None:
    """Open a page in the user's browser, unless that is one in the terminal, which is ours."""
    with suppress(webbrowser.Error):  # there is none
        browser = webbrowser.get()
        if type(browser) is not webbrowser.GenericBrowser:
            browser.open(address)


def _server(args: argparse.Namespace) -> Server:
    """Load the model, and return what serves it and the page."""
    from ...text.console import quiet_libraries
    from ..app import create_app
    from ..gate import Settings
    from ..server import Server
    from ..service import load_service
    from .routes import add_page

    quiet_libraries()
    service = load_service(
        args.model, args.device, args.engine, args.int8, not args.no_memory, args.preset
    )
    app = create_app(service, Settings())
    add_page(app, service)
    return Server(app, service)
