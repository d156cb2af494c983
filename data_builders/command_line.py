# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What every command of both packages has in common: options, streams, errors, exit codes."""

from __future__ import annotations

import argparse
import copy
import difflib
import errno
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from data_builders.errors import UserError, shown, shown_lines
from data_builders.translation import LANGUAGES, _, joined, listed, marked, reason_of, use_language
from data_builders.widths import display_width, wrapped

logger = logging.getLogger(__name__)

WRONG = 2
STOPPED = 130
NO_SPACE = {
    errno.ENOSPC: marked("the disk is full"),
    errno.EDQUOT: marked("your share of the disk is used up"),
    errno.EFBIG: marked("a file would be larger than this system allows"),
}


class OutputError(UserError):
    """The results cannot be printed."""


class CommandParser(argparse.ArgumentParser):
    """A parser that knows what a misspelt word was meant to be, and keeps the lines of texts.

    Descriptions and helps are given in English and shown in the language of the user.
    """

    def __init__(self, *args: Any, speaks: bool = False, **settings: Any) -> None:
        """Take the settings of `ArgumentParser`, with options that must be written in full.

        Args:
            args: Those of `ArgumentParser`.
            speaks: Whether `--language` chooses the language of what is shown.
            settings: Those of `ArgumentParser`.
        """
        settings.setdefault("formatter_class", _Formatter)
        settings.setdefault("allow_abbrev", False)
        settings["add_help"] = False  # argparse would translate it when it is made, once
        super().__init__(*args, **settings)
        self._positionals.title, self._optionals.title = "arguments", "options"
        self.add_argument("-h", "--help", action="help", help="show this help and exit")
        self._speaks = speaks
        if speaks:
            self.add_argument(
                "--language",
                choices=LANGUAGES,
                default=argparse.SUPPRESS,  # it is read before all others, and no setting
                help="language of what is shown: zh or en (as the locale says)",
            )

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all arguments; name the nearest option for one that there is not."""
        prepare_streams()  # `--help` has Chinese examples
        words = list(sys.argv[1:] if args is None else args)
        if self._speaks:
            try:
                words = without_language(words)
            except UserError as error:
                self.error(str(error))
        # First: an option that is needed and misspelt would be told as one that is missing.
        self._check_options(words[: words.index("--")] if "--" in words else words)
        found, unknown = self.parse_known_args(words, namespace)
        if unknown:
            self.error(_("unrecognized arguments: {words}", words=" ".join(unknown)))
        return found

    def _check_options(self, words: Sequence[str]) -> None:
        parsers = next((one.choices for one in self._actions if _has_parsers(one)), None)
        commands: dict[str, Any] = dict(parsers or {})
        chosen = next((commands[word] for word in words if word in commands), None)
        known = [*self._option_string_actions, *(chosen._option_string_actions if chosen else ())]
        for word in words:
            name = word.partition("=")[0]
            if name.startswith("--") and " " not in name and name not in known:
                what = _("there is no option `{name}`.", name=name)
                self.error(joined(what, did_you_mean(name, known)))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Name the nearest choice for one that there is not; Python does so from 3.14 on."""
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        if _has_parsers(action):
            what = _("there is no command `{name}`.", name=value)
            self.error(joined(what, did_you_mean(value, known)))
        self.error(must_be_one_of(action.option_strings[0], known, value))

    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong, and end with the code for that."""
        tell(_("error: {message}", message=message))
        self.exit(WRONG)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Shows a help in the language that is spoken when it is shown."""

    def start_section(self, heading: str | None) -> None:
        super().start_section(_(heading or ""))

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrapped(" ".join(text.split()), width)

    def _format_usage(self, *args: Any) -> str:
        usage, title = super()._format_usage(*args), _("usage: ")
        return usage.replace("\n ", "\n " + " " * (display_width(title) - len(title)))

    def _format_text(self, text: str) -> str:
        return super()._format_text(_(text))

    def _expand_help(self, action: argparse.Action) -> str:
        spoken = copy.copy(action)
        spoken.help = _(action.help or "")
        return super()._expand_help(spoken)


def without_language(words: Sequence[str]) -> list[str]:
    """Speak the language that a command line asks for with `--language`, and return the rest.

    Raises:
        UserError: for a language that is not spoken.
    """
    rest: list[str] = []
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if word == "--":
            return [*rest, word, *left]
        if name != "--language":
            rest.append(word)
            continue
        value = value if equals else next(left, "")
        if value not in LANGUAGES:
            raise UserError(must_be_one_of("--language", LANGUAGES, value))
        use_language(value)
    return rest


def _has_parsers(action: argparse.Action) -> bool:
    return isinstance(action, argparse._SubParsersAction)


def must_be_one_of(option: str, known: Iterable[str], value: object) -> str:
    """Return the sentence for an option with a value that is no choice of it."""
    return _(
        "`{option}` must be one of {choices} (got {value!r}).",
        option=option,
        choices=listed(known),
        value=value,
    )


def check_at_least(options: object, **least: float) -> None:
    """Refuse options of a command below the least that they may be; None was not given.

    Raises:
        UserError: Names the first one.
    """
    for name, lowest in least.items():
        if (value := getattr(options, name)) is not None and value < lowest:
            raise UserError(must_be_at_least("--" + name.replace("_", "-"), lowest, value))


def must_be_at_least(option: str, least: float, value: object) -> str:
    """Return the sentence for an option with too small a value."""
    return _(
        "`{option}` must be at least {least} (got {value}).",
        option=option,
        least=least,
        value=value,
    )


def did_you_mean(word: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """Return a question for the nearest of some names, or another sentence where none is near."""
    nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if nearest:
        return _("Did you mean `{name}`?", name=nearest[0])
    return _("`--help` lists what there is.") if otherwise is None else otherwise


def run_command(work: Callable[[], int | None], stopped: str | None = None) -> int:
    """Do the work of a command and turn what stops it into one line and an exit code.

    Args:
        work: What to do. It gives the exit code; None is 0.
        stopped: What Ctrl-C means for what was done so far, where it means more than an end:
            English, looked up when it is shown.

    Returns:
        The code of `work`; 2 after an error that its line explains, 130 after Ctrl-C.
    """
    prepare_streams()
    try:
        code = work() or 0
        with printing():
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        # `| head` has seen enough; Python would complain once more when it flushes.
        silence_output()
        return 0
    except KeyboardInterrupt:
        tell("\n" + (_("stopped.") if stopped is None else _(stopped)))
        return STOPPED
    except (UserError, OSError, RuntimeError, MemoryError) as error:
        # RuntimeError is what torch says of a full memory; any other one is a mistake of ours, as
        # are ValueError and ImportError.
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        logger.debug("the error in full", exc_info=True)
        tell(_("error: {message}", message=sentence(error)))
        return WRONG


def _of_the_system(error: OSError) -> str:
    """Say what an error of the system means, and what to do; empty where it says so itself."""
    if error.errno in NO_SPACE:
        where = f" ({error.filename})" if error.filename else ""
        room = _("Make room, and run the same command again.")
        return joined(f"{_(NO_SPACE[error.errno])}{where}" + _("."), room)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return _(
            "{file} may not be read or written. Change its rights, or choose another place.",
            file=error.filename or _("a folder"),
        )
    return ""


@contextmanager
def printing() -> Iterator[None]:
    """Say it where results cannot be printed: a full disk is then not that of the work."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        silence_output()
        raise OutputError(
            _(
                "The results cannot be printed: {reason} where standard output goes. "
                "Send it elsewhere and run the same command again.",
                reason=reason_of(error),
            )
        ) from None


def silence_output() -> None:
    """Let what is still to be printed go nowhere: Python would complain when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def names_in(text: str) -> list[str]:
    """Read names with commas between."""
    return [name.strip() for name in text.split(",") if name.strip()]


def sentence(error: BaseException) -> str:
    """Say an error on one line: our own words as they are, all that a library says in many."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and (told := _of_the_system(error)):
        return shown(told)
    if isinstance(error, OSError) and error.strerror and error.filename:
        return shown(_("{file}: {reason}", file=error.filename, reason=reason_of(error)))
    # A key that is missing is all that a KeyError says.
    kind = f"{type(error).__name__}: " if isinstance(error, LookupError) else ""
    return shown(kind + " ".join(str(error).split()) or repr(error))


def say(text: str) -> None:
    """Write a line of the results at once, also into a file.

    Where its reader has seen enough (`| head`), the work goes on: its product may be files.
    """
    try:
        with printing():
            sys.stdout.write(shown_lines(text) + "\n")
            sys.stdout.flush()
    except BrokenPipeError:
        silence_output()


def tell(text: str) -> None:
    """Write a line beside the results: an error, or what takes a while now.

    Where nobody can read it any more (a full disk, a closed pipe), the work goes on.
    """
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(shown_lines(text) + "\n")
            sys.stderr.flush()


def prepare_streams() -> None:
    """Make the terminal speak UTF-8 everywhere, and let invalid input arrive to be reported."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    if hasattr(sys.stdin, "reconfigure") and sys.stdin.isatty() and os.name != "nt":
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")


def _open_closed_streams() -> None:
    """Let what is printed to a closed stream go nowhere: not into the next file that is opened."""
    is_lost = sys.stdout is None
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))
    if is_lost:
        tell(_("note: standard output is closed, so nothing that is printed there can be seen."))
