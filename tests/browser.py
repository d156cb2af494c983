# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A page in a real browser without a window."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs chromium")


def said_by(page: str, place: Path, size: str = "1100,900") -> str:
    """Open a page in a folder, and return what its script has put between FOUND and END."""
    (place / "opened.html").write_text(page, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={place}/home"]
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
