# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file under another name first, so that no reader ever sees a part of it.

    Args:
        path: Of the file; its folder must be there.
        content: Bytes, or text for UTF-8, whose line ends stay as they are.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    os.replace(fresh, path)
