# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A real browser without a window, driven by its DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.browser import BROWSER

# So long nothing takes; whatever waits longer hangs, and the test says so.
_HANGS = 30
_KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowLeft": 37, "ArrowRight": 39}


class Tab:
    """One page of the browser."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.go(url)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def go(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait(
            f"location.href.startsWith({json.dumps(url)}) && document.readyState == 'complete'"
        )

    def say(self, expression: str) -> Any:
        """Return what an expression is worth in the page; promises are waited for."""
        found = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true, or an element."""
        end = time.monotonic() + _HANGS
        while not self.say(f"Boolean({expression})"):
            assert time.monotonic() < end, f"never so: {expression}\n{self.complaints()}"
            self.say("new Promise((go) => setTimeout(go, 20))")

    def complaints(self) -> list[Any]:
        """Return what the browser has said against the page: errors, and refusals of its policy."""
        said = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        events = [one for one in self._browser.events if one.get("sessionId") == self._session]
        return [one["params"] for one in events if one["method"] in said]

    def press(self, key: str, modifiers: int = 0, code: int | None = None) -> None:
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        keys = {"key": key, "code": key, "windowsVirtualKeyCode": code or _KEYS.get(key, 0)}
        keys["modifiers"] = modifiers
        kind = "keyDown" if text and code is None else "rawKeyDown"
        self.call("Input.dispatchKeyEvent", type=kind, text=text, **keys)
        self.call("Input.dispatchKeyEvent", type="keyUp", **keys)

    def write(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def click(self, query: str) -> None:
        """Click with the mouse at the middle of an element."""
        place = self.say(
            f"(() => {{ const one = document.querySelector({json.dumps(query)});"
            "one.scrollIntoView({block: 'nearest'}); const box = one.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        mouse = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **mouse)

    def size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def picture(self) -> bytes:
        """Return a PNG of what is to be seen."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self.target)


class Browser:
    """A running browser; `events` are those that came meanwhile."""

    def __init__(self, writes: int, reads: int) -> None:
        self._writes, self._reads = writes, reads
        self._left, self._number = b"", 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command, and return what it gives."""
        self._number += 1
        sent = {"id": self._number, "method": method, "params": params}
        if session is not None:
            sent["sessionId"] = session
        os.write(self._writes, json.dumps(sent).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self.events.append(message)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            assert select.select([self._reads], [], [], _HANGS)[0], "the browser says nothing"
            more = os.read(self._reads, 1 << 20)
            assert more, "the browser has gone"
            self._left += more
        message, _, self._left = self._left.partition(b"\0")
        return json.loads(message)

    def tab(self, url: str) -> Tab:
        return Tab(self, url)


@contextmanager
def browser(home: Path, *options: str) -> Iterator[Browser]:
    """Lend a browser whose storage is in a folder."""
    pipes = [os.pipe(), os.pipe()]
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (pipes[0][0], pipes[1][1])]
    start = f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}'
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-extensions", "--disable-background-networking", "--mute-audio"]
    command += [f"--user-data-dir={home}", "--remote-debugging-pipe", *options]
    with open(os.devnull, "r+") as nothing:
        running = subprocess.Popen(
            ["bash", "-c", start, "bash", *command],
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            pass_fds=ends,
        )
    for end in (pipes[0][0], pipes[1][1], *ends):
        os.close(end)
    found = Browser(pipes[0][1], pipes[1][0])
    try:
        yield found
        found.call("Browser.close")
    finally:
        for end in (pipes[0][1], pipes[1][0]):
            os.close(end)
        if running.poll() is None:
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
