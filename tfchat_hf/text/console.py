# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Text on a terminal: streams, quiet libraries, and nothing that steers the terminal."""

from __future__ import annotations

from data_builders.command_line import prepare_streams

__all__ = ["one_line", "prepare_streams", "printable", "quiet_libraries"]


def quiet_libraries() -> None:
    """Keep the bars and warnings of the libraries off the screen; this loads them."""
    import datasets
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def printable(text: str) -> str:
    """Take out control characters: what a model says must not steer the terminal."""
    return "".join(c for c in text if c in "\n\t" or not (c < " " or "\x7f" <= c <= "\x9f"))


def one_line(text: str) -> str:
    """Put a reply on one line, for pipes that pair questions and replies by line."""
    return " ".join(printable(text).split("\n"))
