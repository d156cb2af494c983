# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The many errors of a full disk, as one."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

from data_builders.translation import _, joined


@contextlib.contextmanager
def disk_errors(what: str, folder: Path, advice: str) -> Iterator[None]:
    """Turn the many errors of a full disk into one `OSError` that can be shown to a user.

    safetensors raises an error of its own, torch.save a RuntimeError about its archive.

    Args:
        what: what is being written, as the subject of a sentence.
        folder: where it goes.
        advice: what the user does next.

    Raises:
        OSError: in place of what was raised; that is its cause.
    """
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _of_torch_save(error):
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        place = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
        free = shutil.disk_usage(place).free / 1e6
        told = _(
            "{what} could not be written to {folder} ({free:,.1f} MB free): {reason}.",
            what=what,
            folder=folder,
            free=free,
            reason=_(reason),
        )
        raise OSError(joined(told, advice)) from error


def _of_torch_save(error: RuntimeError) -> bool:
    """Tell the errors of torch.save's archive writer from all others."""
    return any(
        word in str(error) for word in ("inline_container", "PytorchStreamWriter", "iostream error")
    )
