# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Text on a terminal: streams, quiet libraries, and nothing that steers the terminal."""

from __future__ import annotations

import unicodedata

from data_builders.command_line import prepare_streams

__all__ = ["one_line", "prepare_streams", "printable", "quiet_libraries"]

_KEPT = "\n\t\u200c\u200d"
# Control, format, surrogate and private characters, and the separators of lines and paragraphs.
_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")


def quiet_libraries() -> None:
    """Keep the bars and warnings of the libraries off the screen; this loads them."""
    import datasets
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def printable(text: str) -> str:
    """Take out what steers a terminal or turns text around, and what cannot be seen.

    Line ends and tabs stay, and the joiners that emoji and Persian are written with.
    """
    return "".join(c for c in text if c in _KEPT or unicodedata.category(c) not in _UNSEEN)


def one_line(text: str) -> str:
    """Put a reply on one line, for pipes that pair questions and replies by line."""
    return printable(" ".join(text.splitlines()))
