# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`transformers chat` at a terminal of its own, against our address."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.serve.small_server import SmallServer, small_service

pty = pytest.importorskip("pty")
pytest.importorskip("rich")


@pytest.mark.slow
def test_transformers_chat_talks_to_the_server() -> None:
    with small_service(memory=False) as service, SmallServer(service) as server:
        address = server.url.replace("127.0.0.1", "localhost")
        command = [str(Path(sys.executable).with_name("transformers")), "chat", service.name]
        pid, terminal = pty.fork()
        if pid == 0:
            # Offline it would not even ask this machine.
            known = {**os.environ, "TERM": "xterm", "HF_HUB_OFFLINE": "0"}
            os.execve(command[0], [*command, address], known)
        os.write(terminal, "你好\n!set temperature=0.5\nhow are you?\n!exit\n".encode())
        shown = b""
        while part := _read(terminal):
            shown += part
        assert os.waitpid(pid, 0)[1] == 0, shown.decode("utf-8", "replace")
        assert 'status="200"} 2.0' in service.figures.text().decode()


def _read(terminal: int) -> bytes:
    """Read what is shown; nothing at the end, which Linux tells by an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
