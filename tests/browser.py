# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A page in a real browser without a window."""

from __future__ import annotations

import json
import queue
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs chromium")
# For `posted_by` with a folder of `--engine web`: its worker, once it is ready to be asked.
WORKER = """
const about = await (await fetch("page.json")).json();
const worker = new Worker("worker.js", { type: "module" });
const heard = (wanted) => new Promise((resolve, reject) => {
  worker.onmessage = ({ data }) => {
    if (data.failed) reject(new Error(data.failed));
    if (data[wanted]) resolve(data[wanted]);
  };
});
worker.onerror = (event) => post({ error: event.message });
const begun = performance.now();
await heard("ready");
const started = (performance.now() - begun) / 1000;
"""
_HEADLESS = ("--headless", "--no-sandbox", "--disable-gpu")


def said_by(page: str, place: Path, size: str = "1100,900") -> str:
    """Open a page in a folder, and return what its script has put between FOUND and END."""
    (place / "opened.html").write_text(page, encoding="utf-8")
    options = [*_HEADLESS, f"--user-data-dir={place}/home"]
    options += [f"--window-size={size}", "--virtual-time-budget=2000", "--dump-dom"]
    done = subprocess.run(
        [str(BROWSER), *options, (place / "opened.html").as_uri()],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    shown = re.search(r"FOUND(.*?)END", done.stdout)
    assert shown, done.stdout[-2000:] + done.stderr[-2000:]
    return shown[1]


class _Handler(SimpleHTTPRequestHandler):
    """Serves a folder and one page more, and takes what that page posts."""

    def __init__(self, page: str, found: queue.Queue, *args: Any, **kwargs: Any) -> None:
        self.page, self.found = page, found
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        if self.path != "/driver.html":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.page.encode())

    def do_POST(self) -> None:
        self.found.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


def posted_by(script: str, folder: Path, options: Sequence[str] = (), timeout: float = 120) -> Any:
    """Serve a folder with a page that runs a module script, and return what it posts.

    `post(value)` in the script posts; an error that nobody catches is posted too.
    """
    page = f"""<!doctype html><meta charset=utf-8><body><script type=module>
      const post = (value) => fetch("/found", {{ method: "POST", body: JSON.stringify(value) }});
      onunhandledrejection = (event) => post({{ error: String(event.reason?.stack) }});
      onerror = (event) => post({{ error: String(event) }});
      {script}</script>"""
    found: queue.Queue = queue.Queue()
    handler = partial(_Handler, page, found, directory=str(folder))
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/driver.html"
        command = [str(BROWSER), *_HEADLESS, f"--user-data-dir={home}", *options]
        command += ["--remote-debugging-port=0", address]
        browser = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            value = found.get(timeout=timeout)
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
    assert not (isinstance(value, dict) and "error" in value), value
    return value
