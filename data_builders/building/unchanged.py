# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Whether the files that were read are still those the build is named after.

A build is named after the content of its files before it reads them. If one is changed, added or
taken away after that, the result would lie in the cache under the name of the old content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from data_builders.errors import UserError

Stamps = dict[str, tuple[int, int]]


def file_stamps(paths: Iterable[Path]) -> Stamps:
    """Note size and time of files.

    Args:
        paths: The files.

    Returns:
        Size in bytes and time of the last change in nanoseconds, by path.

    Raises:
        FileNotFoundError: If one is not there.
    """
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def check_unchanged(before: Mapping[str, tuple[int, int]], after: Stamps) -> None:
    """Refuse what was read if it is not what it was before.

    Args:
        before: `file_stamps` from before the digests were made.
        after: `file_stamps` from after the reading.

    Raises:
        UserError: If a file was changed, added or taken away.
    """
    for path in {**before, **after}:
        if path in before and path not in after:
            raise UserError(
                f"{path} is not there any more. Put it back and run the same command again."
            )
        if before.get(path) != after[path]:
            raise UserError(
                f"{path} was changed while it was being read, so nothing is kept of it. "
                "Run the same command again when it is complete."
            )
