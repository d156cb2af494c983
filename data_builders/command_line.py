# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What every command of both packages has in common: options, streams, errors, exit codes."""

from __future__ import annotations

import argparse
import difflib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from data_builders.errors import UserError

logger = logging.getLogger(__name__)

WRONG = 2
STOPPED = 130


class CommandParser(argparse.ArgumentParser):
    """A parser that knows what a misspelt option was meant to be, and keeps the lines of texts."""

    def __init__(self, **settings: Any) -> None:
        """Take the settings of `ArgumentParser`, with options that must be written in full."""
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        settings.setdefault("allow_abbrev", False)
        super().__init__(**settings)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all arguments; name the nearest option for one that there is not."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            name = unknown[0].partition("=")[0]
            if not name.startswith("-"):
                self.error(f"unrecognized arguments: {' '.join(unknown)}")
            known = [*self._options(getattr(found, "command", None))]
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            advice = f"Did you mean `{nearest[0]}`?" if nearest else "`--help` lists the options."
            self.error(f"there is no option `{name}`. {advice}")
        return found

    def _options(self, command: str | None) -> Iterator[str]:
        for action in self._actions:
            yield from action.option_strings
            if isinstance(action, argparse._SubParsersAction) and command in action.choices:
                yield from action.choices[command]._options(None)

    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong, and end with the code for that."""
        self.exit(WRONG, f"error: {message}\n")


def run_command(work: Callable[[], int | None], stopped: str = "stopped.") -> int:
    """Do the work of a command and turn what stops it into one line and an exit code.

    Args:
        work: What to do. It gives the exit code; None is 0.
        stopped: What Ctrl-C means for what was done so far.

    Returns:
        The code of `work`; 2 after an error that its line explains, 130 after Ctrl-C.
    """
    prepare_streams()
    try:
        code = work() or 0
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        # `| head` has seen enough; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        tell(f"\n{stopped}")
        return STOPPED
    except (ValueError, OSError, ImportError, RuntimeError, MemoryError) as error:
        # RuntimeError is what torch says of a full memory; any other one is a mistake of ours.
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        logger.debug("the error in full", exc_info=True)
        tell(f"error: {_sentence(error)}")
        return WRONG


def _sentence(error: Exception) -> str:
    """Leave our own words as they are; those of libraries run over many lines."""
    return (
        str(error) if isinstance(error, UserError) else " ".join(str(error).split()) or repr(error)
    )


def tell(text: str) -> None:
    """Write a line beside the results: an error, or what takes a while now."""
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def prepare_streams() -> None:
    """Make the terminal speak UTF-8 everywhere, and let invalid input arrive to be reported."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    if hasattr(sys.stdin, "reconfigure") and sys.stdin.isatty() and os.name != "nt":
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
